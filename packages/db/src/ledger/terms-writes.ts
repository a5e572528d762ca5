import { formatInstant, type Instant, type Json, type Tside, type Uuid } from "@florin/kernel";
import type { RestrictionRule } from "./account-terms.js";

/**
 * What a commit writes of the terms of accounts and of the runs of hooks, beside money: by table. Rows are members of the writer's one
 * statement (apply-batch.ts), one part for each table that has any; most commits have none and pay nothing.
 */
export interface TermsWrite {
  readonly accountParameters: readonly (ParameterRow & { readonly accountId: Uuid })[];
  readonly templateParameters: readonly (ParameterRow & { readonly productVersionId: Uuid })[];
  readonly accountFlags: readonly FlagRow[];
  readonly restrictionDefinitions: readonly RestrictionDefinitionRow[];
  readonly restrictions: readonly RestrictionRow[];
  readonly restrictionLifts: readonly RestrictionLiftRow[];
  readonly accountGuards: readonly AccountGuardRow[];
  readonly periodCloses: readonly PeriodCloseRow[];
  readonly products: readonly NewProductRow[];
  readonly productVersions: readonly NewProductVersionRow[];
  readonly accountVersions: readonly AccountVersionRow[];
  readonly hookExecutions: readonly HookExecutionRow[];
  readonly hookTasks: readonly HookTaskRow[];
  readonly postProcessingFailures: readonly PostProcessingFailureRow[];
  readonly conversions: readonly ConversionRow[];
  readonly conversionResults: readonly ConversionResultRow[];
  readonly resolvedFailures: readonly ResolvedFailure[];
  readonly conversionSteps: readonly ConversionStep[];
}

/** In which record of the book's order it was told, by whom and when. */
interface Told {
  readonly seq: bigint;
  readonly principal: string;
  readonly insertedAt: Instant;
}

/** `[fromAt, toAt)` on value time. */
interface Window {
  readonly fromAt: Instant;
  readonly toAt: Instant | undefined;
}

export interface ParameterRow extends Told, Window {
  readonly name: string;
  readonly value: string;
}

export interface FlagRow extends Told, Window {
  readonly accountId: Uuid;
  readonly name: string;
  readonly value: boolean;
}

export interface RestrictionDefinitionRow extends Told {
  readonly code: string;
  readonly version: number;
  readonly description: string;
  readonly rules: readonly RestrictionRule[];
}

export interface RestrictionRow extends Told, Window {
  readonly restrictionId: Uuid;
  readonly code: string;
  readonly version: number;
  readonly level: "CUSTOMER" | "ACCOUNT" | "PAYMENT_DEVICE";
  readonly customer: string | undefined;
  readonly accountId: Uuid | undefined;
  readonly paymentDevice: string | undefined;
}

export interface RestrictionLiftRow extends Told {
  readonly restrictionId: Uuid;
  readonly liftedAt: Instant;
  readonly reason: string;
}

export interface AccountGuardRow extends Told {
  readonly accountId: Uuid;
  /** Decimal text. */
  readonly minAvailable: string | undefined;
  readonly maxCommitted: string | undefined;
}

export interface PeriodCloseRow extends Told {
  readonly processingGroup: string;
  readonly until: Instant;
}

export interface NewProductRow {
  readonly productId: Uuid;
  readonly code: string;
  readonly name: string;
  readonly createdAt: Instant;
}

export interface NewProductVersionRow {
  readonly productVersionId: Uuid;
  readonly productId: Uuid;
  readonly version: string;
  readonly tside: Tside;
  readonly parameters: Json;
  readonly createdAt: Instant;
  readonly source: string;
  readonly libraryOrder: number;
}

/** A conversion: the account's row takes the new version and its parameters, and this says from which record on. */
export interface AccountVersionRow {
  readonly accountId: Uuid;
  readonly seq: bigint;
  readonly fromVersionId: Uuid;
  readonly toVersionId: Uuid;
  readonly oldParameters: Readonly<Record<string, string>>;
  readonly newParameters: Readonly<Record<string, string>>;
  readonly convertedAt: Instant;
}

export interface HookExecutionRow {
  readonly executionId: string;
  /** From 1. */
  readonly attempt: number;
  readonly accountId: Uuid;
  readonly productVersionId: Uuid;
  readonly hook: string;
  readonly format: number;
  readonly inputs: string;
  readonly outcome: string;
  readonly durationMicros: bigint;
  readonly batchId: Uuid | undefined;
  readonly executedAt: Instant;
}

export interface HookTaskRow {
  readonly executionId: string;
  readonly seq: bigint;
  readonly accountId: Uuid;
  readonly hook: "postParameterChange" | "postPosting";
  readonly effectiveAt: Instant;
  readonly payload: Json;
}

export interface PostProcessingFailureRow {
  readonly executionId: string;
  readonly accountId: Uuid;
  readonly hook: string;
  readonly seq: bigint;
  readonly code: string;
  readonly reason: string;
  readonly attempt: number;
  readonly failedAt: Instant;
}

export interface ResolvedFailure {
  readonly executionId: string;
  readonly resolution: "RETRIED" | "SKIPPED";
  readonly resolvedAt: Instant;
}

export interface ConversionRow {
  readonly conversionId: Uuid;
  readonly seq: bigint;
  readonly fromVersionId: Uuid;
  readonly toVersionId: Uuid;
  readonly principal: string;
  readonly correlationId: string;
  readonly startedAt: Instant;
}

export interface ConversionResultRow {
  readonly conversionId: Uuid;
  readonly accountId: Uuid;
  readonly rejectionCode: string | undefined;
  readonly rejectionMessage: string | undefined;
}

export interface ConversionStep {
  readonly conversionId: Uuid;
  readonly afterAccountId: Uuid | undefined;
  readonly finishedAt: Instant | undefined;
}

/** For a draft to push to. */
export type TermsInTheMaking = { readonly [Name in keyof TermsWrite]: TermsWrite[Name][number][] };

export function newTermsWrite(): TermsInTheMaking {
  return {
    accountParameters: [],
    templateParameters: [],
    accountFlags: [],
    restrictionDefinitions: [],
    restrictions: [],
    restrictionLifts: [],
    accountGuards: [],
    periodCloses: [],
    products: [],
    productVersions: [],
    accountVersions: [],
    hookExecutions: [],
    hookTasks: [],
    postProcessingFailures: [],
    conversions: [],
    conversionResults: [],
    resolvedFailures: [],
    conversionSteps: [],
  };
}

/** Where a statement in the making takes its parts; `value` gives the placeholder of a parameter. */
export interface StatementParts {
  value(type: string, text: string): string;
  part(name: string, sql: string): void;
}

/** Tables whose rows are inserted as they are: columns in snake case, the book first or left out. */
const inserted = [
  ["accountParameters", "account_parameter", true],
  ["templateParameters", "template_parameter", true],
  ["accountFlags", "account_flag", true],
  ["restrictionDefinitions", "restriction_definition", true],
  ["restrictions", "restriction", true],
  ["restrictionLifts", "restriction_lift", true],
  ["accountGuards", "account_guard", true],
  ["periodCloses", "period_close", true],
  ["products", "product", false],
  ["productVersions", "product_version", false],
  ["accountVersions", "account_version", true],
  ["hookExecutions", "hook_execution", true],
  ["hookTasks", "hook_task", true],
  ["postProcessingFailures", "post_processing_failure", true],
  ["conversions", "conversion", true],
  ["conversionResults", "conversion_result", true],
] as const satisfies readonly (readonly [keyof TermsWrite, string, boolean])[];

export function addTerms(statement: StatementParts, bookId: number, terms: TermsWrite): void {
  for (const [name, table, hasBook] of inserted) {
    const rows: readonly object[] = terms[name];
    if (rows.length === 0) continue;
    const json = toRows(rows, hasBook ? bookId : undefined);
    statement.part(
      `terms_${table}`,
      `insert into ledger.${table} select * from jsonb_populate_recordset(null::ledger.${table}, ${statement.value("text", json)}::jsonb)`,
    );
  }
  if (terms.accountVersions.length > 0) addConvertedAccounts(statement, bookId, terms.accountVersions);
  addProgress(statement, bookId, terms);
}

function addConvertedAccounts(statement: StatementParts, bookId: number, rows: readonly AccountVersionRow[]): void {
  const json = `${statement.value("text", toRows(rows, bookId))}::jsonb`;
  statement.part(
    "terms_converted",
    `update ledger.account a set product_version_id = r.to_version_id, parameters = r.new_parameters
    from jsonb_populate_recordset(null::ledger.account_version, ${json}) r
    where a.book_id = r.book_id and a.account_id = r.account_id and a.product_version_id = r.from_version_id`,
  );
}

function addProgress(statement: StatementParts, bookId: number, terms: TermsWrite): void {
  if (terms.resolvedFailures.length > 0) {
    const rows = `${statement.value("text", toRows(terms.resolvedFailures, bookId))}::jsonb`;
    statement.part(
      "terms_resolved",
      `update ledger.post_processing_failure f set resolved_at = r.resolved_at, resolution = r.resolution
      from jsonb_populate_recordset(null::ledger.post_processing_failure, ${rows}) r
      where f.book_id = r.book_id and f.execution_id = r.execution_id and f.resolved_at is null`,
    );
  }
  if (terms.conversionSteps.length > 0) {
    const rows = `${statement.value("text", toRows(terms.conversionSteps, bookId))}::jsonb`;
    statement.part(
      "terms_conversion_steps",
      `update ledger.conversion c set after_account_id = coalesce(r.after_account_id, c.after_account_id), finished_at = r.finished_at
      from jsonb_populate_recordset(null::ledger.conversion, ${rows}) r
      where c.book_id = r.book_id and c.conversion_id = r.conversion_id`,
    );
  }
}

/** As jsonb_populate_recordset takes them. Members that hold JSON themselves keep their own names. */
function toRows(rows: readonly object[], bookId: number | undefined): string {
  return JSON.stringify(
    rows.map((row) => {
      const columns: Record<string, unknown> = bookId === undefined ? {} : { book_id: bookId };
      for (const [name, value] of Object.entries(row)) columns[toColumn(name)] = toValue(name, value);
      return columns;
    }),
  );
}

function toColumn(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function toValue(name: string, value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  return name.endsWith("At") || name === "until" ? formatInstant(value as Instant) : value.toString();
}
