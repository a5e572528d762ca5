import { z } from "zod";
import { internalAccountId } from "@florin/db";
import type { RestrictionRule } from "@florin/db/ledger";
import {
  formatInstant,
  isDecimal,
  isUuid,
  parseInstant,
  restrictionTypes,
  type Instant,
  type Json,
  type Uuid,
} from "@florin/kernel";
import type { CommandBase } from "./command-base.js";

/**
 * Commands that change what holds on accounts, and no posting of a client: parameters, flags, restrictions, guards, periods, product versions,
 * conversions, and what hooks leave behind. Rare, so each is decided with no other commit in flight and may read what it needs before.
 */
export interface TermsCommand extends CommandBase {
  readonly kind: "terms";
  readonly change: TermsChange;
}

/** `[from, to)` on value time; absent: from the moment of booking, for good. */
interface Window {
  readonly from?: Instant | undefined;
  readonly to?: Instant | undefined;
}

export interface ParameterChange extends Window {
  readonly type: "parameters";
  readonly accountId: Uuid;
  readonly values: Json;
}

export interface TemplateParameterChange extends Window {
  readonly type: "templateParameters";
  readonly productVersionId: Uuid;
  readonly values: Json;
}

export interface FlagChange extends Window {
  readonly type: "flag";
  readonly accountId: Uuid;
  readonly name: string;
  /** false: lowered for this time. */
  readonly value: boolean;
}

export interface RestrictionDefinitionChange {
  readonly type: "restrictionDefinition";
  readonly code: string;
  readonly description: string;
  readonly rules: readonly RestrictionRule[];
}

export interface RestrictionChange extends Window {
  readonly type: "restriction";
  readonly code: string;
  /** Absent: the latest. */
  readonly version?: number | undefined;
  readonly target:
    | { readonly level: "CUSTOMER"; readonly customer: string }
    | { readonly level: "ACCOUNT"; readonly accountId: Uuid }
    | { readonly level: "PAYMENT_DEVICE"; readonly accountId: Uuid; readonly paymentDevice: string };
}

export interface RestrictionLift {
  readonly type: "liftRestriction";
  readonly restrictionId: Uuid;
  readonly reason: string;
}

export interface GuardChange {
  readonly type: "guards";
  readonly accountId: Uuid;
  /** Decimal text in the account's currency; absent: no such guard from now on. */
  readonly minAvailable?: string | undefined;
  readonly maxCommitted?: string | undefined;
}

export interface PeriodClose {
  readonly type: "closePeriod";
  readonly processingGroup: string;
  readonly until: Instant;
}

export interface ProductUpload {
  readonly type: "productVersion";
  /** The text of an ES module; it was validated before. */
  readonly source: string;
}

/** Some accounts, each by itself: what is refused for one stops no other. */
export interface AccountConversion {
  readonly type: "conversion";
  readonly accountIds: readonly Uuid[];
  /** Of these accounts: what their hooks may post to. */
  readonly currencies: readonly string[];
  readonly toVersionId: Uuid;
  /** The conversion of a whole version that this is a page of. `isLast`: no page comes after it. */
  readonly page?: { readonly conversionId: Uuid; readonly isLast: boolean } | undefined;
}

/** Every account of a version, in pages that the conversion task commands (tasks/convert-accounts.ts). */
export interface ConversionStart {
  readonly type: "conversionStart";
  readonly fromVersionId: Uuid;
  readonly toVersionId: Uuid;
}

/** What an execution without postings left behind: its record and its notifications. */
export interface HookEffect {
  readonly type: "hookEffect";
  readonly accountId: Uuid;
  readonly execution: ExecutionFacts;
  readonly notifications: readonly NotificationFacts[];
}

/** §2.9, last column: it failed after its retries. */
export interface HookFailure {
  readonly type: "hookFailure";
  readonly accountId: Uuid;
  readonly executionId: string;
  readonly hook: string;
  readonly seq: string;
  readonly code: string;
  readonly reason: string;
  readonly attempt: number;
}

export interface HookFailureResolution {
  readonly type: "hookFailureResolution";
  readonly executionId: string;
  readonly accountId: Uuid;
  readonly resolution: "RETRIED" | "SKIPPED";
}

export type TermsChange =
  | ParameterChange
  | TemplateParameterChange
  | FlagChange
  | RestrictionDefinitionChange
  | RestrictionChange
  | RestrictionLift
  | GuardChange
  | PeriodClose
  | ProductUpload
  | AccountConversion
  | ConversionStart
  | HookEffect
  | HookFailure
  | HookFailureResolution;

/** A run of a hook, as it is recorded with its effect (HOOK-4). */
export interface ExecutionFacts {
  readonly executionId: string;
  readonly attempt: number;
  readonly productVersionId: Uuid;
  readonly hook: string;
  readonly format: number;
  readonly inputs: string;
  readonly outcome: string;
  readonly durationMicros: string;
}

export interface NotificationFacts {
  readonly type: string;
  readonly details?: Json | undefined;
}

/** Changes that read nothing: they need not have the book to themselves. */
const unreading: ReadonlySet<TermsChange["type"]> = new Set(["hookEffect", "hookFailure"]);

export function needsQuietTerms({ change }: TermsCommand): boolean {
  return !unreading.has(change.type);
}

/** Codes of the internal accounts that products may name; any other is refused when it is named. */
export const CONTRACT_ACCOUNT_CODES = [
  "FEE_INCOME",
  "INTEREST_EXPENSE",
  "INTEREST_INCOME",
  "LOAN_DISBURSEMENT",
  "POSITION",
  "SUSPENSE",
  "WRITE_OFF",
] as const;

/** What a hook of an account in this currency may post to. */
export function contractAccountsIn(currency: string): readonly Uuid[] {
  return CONTRACT_ACCOUNT_CODES.map((code) => internalAccountId(code, currency));
}

/** The accounts that must be read to decide it. */
export function accountsOfTerms({ change }: TermsCommand): readonly Uuid[] {
  if (change.type === "conversion") return [...change.accountIds, ...change.currencies.flatMap(contractAccountsIn)];
  if (change.type === "restriction") return change.target.level === "CUSTOMER" ? [] : [change.target.accountId];
  return "accountId" in change ? [change.accountId] : [];
}

/**
 * Whose terms the writer must read again once this is committed. "all": of any account, as a template, a customer, a group or a restriction by
 * its id says nothing of the accounts that it concerns.
 */
export function touchedAccounts({ change }: TermsCommand): readonly Uuid[] | "all" {
  switch (change.type) {
    case "parameters":
    case "flag":
    case "guards":
      return [change.accountId];
    case "restriction":
      return change.target.level === "CUSTOMER" ? "all" : [change.target.accountId];
    case "conversion":
      return change.accountIds;
    case "templateParameters":
    case "liftRestriction":
    case "closePeriod":
      return "all";
    case "restrictionDefinition":
    case "productVersion":
    case "conversionStart":
    case "hookEffect":
    case "hookFailure":
    case "hookFailureResolution":
      return [];
  }
}

/** Instants as RFC 3339; all else is plain already. */
export function termsChangeToJson(change: TermsChange): Json {
  const text = JSON.stringify(change, (_name, value: unknown) =>
    typeof value === "bigint" ? formatInstant(value as Instant) : value,
  );
  return JSON.parse(text) as Json;
}

const uuid = z.string().refine(isUuid);
const instant = z.string().transform((text, context): Instant => {
  const parsed = parseInstant(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: "custom", message: "not an instant" });
  return z.NEVER;
});
const decimal = z.string().refine(isDecimal);
const json = z.json() as z.ZodType<Json>;
const window = { from: instant.optional(), to: instant.optional() };
const execution = z.strictObject({
  executionId: z.string(),
  attempt: z.int().positive(),
  productVersionId: uuid,
  hook: z.string(),
  format: z.int(),
  inputs: z.string(),
  outcome: z.string(),
  durationMicros: z.string().regex(/^\d+$/),
});

export const executionSchema: z.ZodType<ExecutionFacts> = execution;

export const restrictionRuleSchema: z.ZodType<RestrictionRule> = z.strictObject({
  type: z.enum(restrictionTypes),
  limits: z.record(z.string(), decimal).optional(),
  exemptions: z.array(z.record(z.string(), json)).optional(),
});

const restrictionTarget = z.discriminatedUnion("level", [
  z.strictObject({ level: z.literal("CUSTOMER"), customer: z.string() }),
  z.strictObject({ level: z.literal("ACCOUNT"), accountId: uuid }),
  z.strictObject({ level: z.literal("PAYMENT_DEVICE"), accountId: uuid, paymentDevice: z.string() }),
]);

/** As strict as for a stranger: another version of this program may have written it. */
export const termsChangeSchema: z.ZodType<TermsChange> = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("parameters"), accountId: uuid, values: json, ...window }),
  z.strictObject({ type: z.literal("templateParameters"), productVersionId: uuid, values: json, ...window }),
  z.strictObject({ type: z.literal("flag"), accountId: uuid, name: z.string(), value: z.boolean(), ...window }),
  z.strictObject({
    type: z.literal("restrictionDefinition"),
    code: z.string(),
    description: z.string(),
    rules: z.array(restrictionRuleSchema),
  }),
  z.strictObject({
    type: z.literal("restriction"),
    code: z.string(),
    version: z.int().positive().optional(),
    target: restrictionTarget,
    ...window,
  }),
  z.strictObject({ type: z.literal("liftRestriction"), restrictionId: uuid, reason: z.string() }),
  z.strictObject({
    type: z.literal("guards"),
    accountId: uuid,
    minAvailable: decimal.optional(),
    maxCommitted: decimal.optional(),
  }),
  z.strictObject({ type: z.literal("closePeriod"), processingGroup: z.string(), until: instant }),
  z.strictObject({ type: z.literal("productVersion"), source: z.string() }),
  z.strictObject({
    type: z.literal("conversion"),
    accountIds: z.array(uuid),
    currencies: z.array(z.string()),
    toVersionId: uuid,
    page: z.strictObject({ conversionId: uuid, isLast: z.boolean() }).optional(),
  }),
  z.strictObject({ type: z.literal("conversionStart"), fromVersionId: uuid, toVersionId: uuid }),
  z.strictObject({
    type: z.literal("hookEffect"),
    accountId: uuid,
    execution,
    notifications: z.array(z.strictObject({ type: z.string(), details: json.optional() })),
  }),
  z.strictObject({
    type: z.literal("hookFailure"),
    accountId: uuid,
    executionId: z.string(),
    hook: z.string(),
    seq: z.string().regex(/^\d+$/),
    code: z.string(),
    reason: z.string(),
    attempt: z.int().positive(),
  }),
  z.strictObject({
    type: z.literal("hookFailureResolution"),
    executionId: z.string(),
    accountId: uuid,
    resolution: z.enum(["RETRIED", "SKIPPED"]),
  }),
]);
