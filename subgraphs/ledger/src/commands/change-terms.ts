import { mayDo } from "@florin/auth";
import {
  assertInput,
  formatInstant,
  isDecimal,
  notFound,
  parseId,
  RequestError,
  restrictionTypes,
  type FieldFault,
  type Instant,
  type Json,
  type RestrictionType,
  type Uuid,
} from "@florin/kernel";
import { signedInViewer } from "../access.js";
import type { LedgerContext } from "../context.js";
import type { OperationRecord } from "../writer/command.js";
import type { RestrictionChange, TermsChange } from "../writer/terms-command.js";
import { performTerms } from "./await-outcome.js";
import { checkKey, parseAccountId, parseDetails, parseWaitMs } from "./parse-input.js";

/**
 * What operators change beside money: parameters, flags, restrictions, guards, periods, product versions, conversions. Each throws BAD_USER_INPUT
 * with every fault and FORBIDDEN for whoever is no operator; what the ledger does not allow is a rejected operation, a result.
 */
type Maybe<T> = T | null | undefined;

interface KeyedInput {
  readonly idempotencyKey: string;
  readonly waitMs?: Maybe<number>;
}

interface WindowInput {
  readonly from?: Maybe<Instant>;
  readonly to?: Maybe<Instant>;
}

export interface ChangeAccountParametersInput extends KeyedInput, WindowInput {
  readonly accountId: string;
  readonly parameters: unknown;
}

export interface ChangeTemplateParametersInput extends KeyedInput, WindowInput {
  readonly productVersionId: string;
  readonly parameters: unknown;
}

export interface FlagInput extends KeyedInput, WindowInput {
  readonly accountId: string;
  readonly name: string;
}

export interface DefineRestrictionInput extends KeyedInput {
  readonly code: string;
  readonly description?: Maybe<string>;
  readonly rules: readonly {
    readonly type: string;
    readonly limits?: Maybe<readonly { readonly amount: string; readonly currency: string }[]>;
    readonly exemptions?: Maybe<readonly unknown[]>;
  }[];
}

export interface ApplyRestrictionInput extends KeyedInput, WindowInput {
  readonly code: string;
  readonly version?: Maybe<number>;
  readonly customer?: Maybe<string>;
  readonly accountId?: Maybe<string>;
  readonly paymentDevice?: Maybe<string>;
}

export interface LiftRestrictionInput extends KeyedInput {
  readonly restrictionId: string;
  readonly reason: string;
}

export interface SetAccountGuardsInput extends KeyedInput {
  readonly accountId: string;
  readonly minAvailable?: Maybe<string>;
  readonly maxCommitted?: Maybe<string>;
}

export interface ClosePeriodInput extends KeyedInput {
  readonly processingGroup?: Maybe<string>;
  readonly until: Instant;
}

export interface UploadProductInput extends KeyedInput {
  readonly source: string;
}

export interface ConvertAccountsInput extends KeyedInput {
  readonly accountIds?: Maybe<readonly string[]>;
  readonly fromVersionId?: Maybe<string>;
  readonly toVersionId: string;
}

export interface ResolvePostProcessingFailureInput extends KeyedInput {
  readonly accountId: string;
  readonly executionId: string;
  readonly resolution: "RETRIED" | "SKIPPED";
}

function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

const NAME = /^[A-Z][A-Z0-9_]{0,63}$/;
const MAX_TEXT = 1_000;
const MAX_ACCOUNTS = 200;

export const changeAccountParameters = (context: LedgerContext, input: ChangeAccountParametersInput) =>
  perform(context, "changeAccountParameters", input, (faults) => ({
    type: "parameters",
    accountId: parseAccountId(input.accountId),
    values: parseParameters(input.parameters, faults),
    ...toWindow(input),
  }));

export const changeTemplateParameters = (context: LedgerContext, input: ChangeTemplateParametersInput) =>
  perform(context, "changeTemplateParameters", input, (faults) => ({
    type: "templateParameters",
    productVersionId: parseVersionId(input.productVersionId),
    values: parseParameters(input.parameters, faults),
    ...toWindow(input),
  }));

export const setFlag = (context: LedgerContext, input: FlagInput) => changeFlag(context, "setFlag", input, true);
export const clearFlag = (context: LedgerContext, input: FlagInput) => changeFlag(context, "clearFlag", input, false);

function changeFlag(context: LedgerContext, mutation: string, input: FlagInput, value: boolean) {
  return perform(context, mutation, input, (faults) => {
    checkName(input.name, "input.name", faults);
    return { type: "flag", accountId: parseAccountId(input.accountId), name: input.name, value, ...toWindow(input) };
  });
}

export const defineRestriction = (context: LedgerContext, input: DefineRestrictionInput) =>
  perform(context, "defineRestriction", input, (faults) => {
    checkName(input.code, "input.code", faults);
    checkLength(input.description, "input.description", faults);
    const rules = input.rules.map(({ type, limits, exemptions }, place) => ({
      type: parseRestrictionType(type, `input.rules.${place}.type`, faults),
      limits: isAbsent(limits)
        ? undefined
        : Object.fromEntries(limits.map(({ amount, currency }) => [currency, amount])),
      exemptions: isAbsent(exemptions)
        ? undefined
        : parseExemptions(exemptions, `input.rules.${place}.exemptions`, faults),
    }));
    if (rules.length < 1 || rules.length > 20)
      faults.push({ path: "input.rules", code: "LIST_SIZE", message: "Send 1 to 20 rules." });
    return { type: "restrictionDefinition", code: input.code, description: input.description ?? "", rules };
  });

export const applyRestriction = (context: LedgerContext, input: ApplyRestrictionInput) =>
  perform(context, "applyRestriction", input, (faults) => ({
    type: "restriction",
    code: input.code,
    version: input.version ?? undefined,
    target: parseTarget(input, faults),
    ...toWindow(input),
  }));

export const liftRestriction = (context: LedgerContext, input: LiftRestrictionInput) =>
  perform(context, "liftRestriction", input, (faults) => {
    checkLength(input.reason, "input.reason", faults);
    const restrictionId = parseId("restriction", input.restrictionId);
    if (restrictionId === undefined) throw notFound("restriction");
    return { type: "liftRestriction", restrictionId, reason: input.reason };
  });

export const setAccountGuards = (context: LedgerContext, input: SetAccountGuardsInput) =>
  perform(context, "setAccountGuards", input, (faults) => ({
    type: "guards",
    accountId: parseAccountId(input.accountId),
    minAvailable: parseDecimalText(input.minAvailable, "input.minAvailable", faults),
    maxCommitted: parseDecimalText(input.maxCommitted, "input.maxCommitted", faults),
  }));

export const closePeriod = (context: LedgerContext, input: ClosePeriodInput) =>
  perform(context, "closePeriod", input, () => ({
    type: "closePeriod",
    processingGroup: input.processingGroup ?? "main",
    until: input.until,
  }));

/** Validated here, where what is wrong can be told with its place; the writer only loads it. */
export const uploadProduct = (context: LedgerContext, input: UploadProductInput) =>
  perform(context, "uploadProduct", input, (faults) => {
    const problem = context.validateProduct(input.source);
    if (problem !== undefined) faults.push({ path: "input.source", code: problem.code, message: locate(problem) });
    return { type: "productVersion", source: input.source };
  });

function locate({
  message,
  line,
  column,
}: {
  readonly message: string;
  readonly line?: number;
  readonly column?: number;
}) {
  return line === undefined ? message : `Line ${line}, column ${column ?? 1}: ${message}`;
}

/** Some accounts at once, or all of a version by and by. */
export async function convertAccounts(context: LedgerContext, input: ConvertAccountsInput): Promise<OperationRecord> {
  const { accountIds, fromVersionId } = input;
  const accounts = await Promise.all((accountIds ?? []).map((id) => context.readers.findAccount(parseAccountId(id))));
  const currencies = [...new Set(accounts.flatMap((account) => (account === undefined ? [] : [account.denomination])))];
  return await perform(context, "convertAccounts", input, (faults) => {
    const toVersionId = parseVersionId(input.toVersionId);
    if (isAbsent(accountIds) === isAbsent(fromVersionId)) {
      const message = "Set exactly one of accountIds and fromVersionId.";
      faults.push({ path: "input", code: "ONE_OF", message });
    }
    if (!isAbsent(fromVersionId))
      return { type: "conversionStart", fromVersionId: parseVersionId(fromVersionId), toVersionId };
    const ids = (accountIds ?? []).map(parseAccountId);
    if (!isAbsent(accountIds) && (ids.length < 1 || ids.length > MAX_ACCOUNTS)) {
      const message = `Send 1 to ${MAX_ACCOUNTS} accounts, or fromVersionId for all of a version.`;
      faults.push({ path: "input.accountIds", code: "LIST_SIZE", message });
    }
    return { type: "conversion", accountIds: ids, currencies, toVersionId };
  });
}

export const resolvePostProcessingFailure = (context: LedgerContext, input: ResolvePostProcessingFailureInput) =>
  perform(context, "resolvePostProcessingFailure", input, () => ({
    type: "hookFailureResolution",
    accountId: parseAccountId(input.accountId),
    executionId: input.executionId,
    resolution: input.resolution,
  }));

async function perform(
  context: LedgerContext,
  mutation: string,
  input: KeyedInput,
  toChange: (faults: FieldFault[]) => TermsChange,
): Promise<OperationRecord> {
  const viewer = signedInViewer(context);
  const decision = mayDo(viewer, "terms:write");
  context.accessLog.record(viewer, "terms:write", mutation, decision);
  if (!decision.allowed) throw new RequestError("FORBIDDEN", "Only operators change terms. Ask one of them.");
  const faults: FieldFault[] = [];
  checkKey(input.idempotencyKey, faults);
  const waitMs = parseWaitMs(input.waitMs, faults);
  const change = toChange(faults);
  assertInput(faults);
  const { idempotencyKey, waitMs: _waitMs, ...said } = input;
  return await performTerms(context, { idempotencyKey, waitMs, fingerprinted: { mutation, ...toText(said) }, change });
}

/** Instants as text: a fingerprint is taken of JSON. */
function toText(said: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(said).map(([name, value]) => [
      name,
      typeof value === "bigint" ? formatInstant(value as Instant) : (value as unknown),
    ]),
  );
}

function toWindow({ from, to }: WindowInput): { readonly from: Instant | undefined; readonly to: Instant | undefined } {
  return { from: from ?? undefined, to: to ?? undefined };
}

function parseParameters(parameters: unknown, faults: FieldFault[]): Json {
  const values = parseDetails(parameters, "input.parameters", faults);
  const isObject = typeof values === "object" && values !== null && !Array.isArray(values);
  if (isObject && Object.keys(values).length > 0) return values;
  const message = "Send an object with the parameters that change, each a string.";
  faults.push({ path: "input.parameters", code: "PARAMETERS_INVALID", message });
  return {};
}

function parseVersionId(text: string): Uuid {
  const id = parseId("productVersion", text);
  if (id === undefined) throw notFound("product version");
  return id;
}

function parseTarget(input: ApplyRestrictionInput, faults: FieldFault[]): RestrictionChange["target"] {
  const { customer, accountId, paymentDevice } = input;
  if (isAbsent(customer) === isAbsent(accountId) || (!isAbsent(paymentDevice) && isAbsent(accountId))) {
    const message = "Set customer, or accountId, or accountId and paymentDevice.";
    faults.push({ path: "input", code: "ONE_OF", message });
  }
  if (!isAbsent(customer)) return { level: "CUSTOMER", customer };
  const account = parseAccountId(accountId ?? "");
  if (isAbsent(paymentDevice)) return { level: "ACCOUNT", accountId: account };
  if (paymentDevice.length < 1 || paymentDevice.length > 255)
    faults.push({ path: "input.paymentDevice", code: "TEXT_INVALID", message: "Send 1 to 255 characters." });
  return { level: "PAYMENT_DEVICE", accountId: account, paymentDevice };
}

function parseRestrictionType(text: string, path: string, faults: FieldFault[]): RestrictionType {
  const type = restrictionTypes.find((known) => known === text);
  if (type !== undefined) return type;
  faults.push({ path, code: "RESTRICTION_TYPE", message: `Send one of ${restrictionTypes.join(", ")}.` });
  return "PREVENT_DEBITS";
}

function parseExemptions(
  exemptions: readonly unknown[],
  path: string,
  faults: FieldFault[],
): readonly Readonly<Record<string, Json>>[] {
  return exemptions.map((exemption, place): Readonly<Record<string, Json>> => {
    const parsed = parseDetails(exemption, `${path}.${place}`, faults);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed))
      return Object.fromEntries(
        Object.entries(parsed).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
      );
    faults.push({ path: `${path}.${place}`, code: "OBJECT_EXPECTED", message: "Send an object of names and values." });
    return {};
  });
}

function parseDecimalText(text: Maybe<string>, path: string, faults: FieldFault[]): string | undefined {
  if (isAbsent(text)) return undefined;
  if (!isDecimal(text))
    faults.push({ path, code: "DECIMAL_INVALID", message: "Send a decimal string, or leave it out." });
  return text;
}

function checkName(name: string, path: string, faults: FieldFault[]): void {
  if (NAME.test(name)) return;
  const message = "Use upper-case letters, digits and underscores, 64 at most, and begin with a letter.";
  faults.push({ path, code: "NAME_INVALID", message });
}

function checkLength(text: Maybe<string>, path: string, faults: FieldFault[]): void {
  if ((text ?? "").length > MAX_TEXT || (text ?? "").includes("\u0000"))
    faults.push({ path, code: "TEXT_INVALID", message: `Send at most ${MAX_TEXT} characters, without U+0000.` });
}
