import {
  amountToNumeric,
  currencyCodes,
  formatId,
  formatInstant,
  internalDigits,
  parametersAt,
  parseDecimal,
  planParameterChange,
  raisedFlags,
  refuse,
  resolveParameters,
  type AccountState,
  type Amount,
  type Json,
} from "@florin/kernel";
import { answerEventIdOf } from "@florin/db";
import type { NewOperation } from "@florin/db/ledger";
import type { CommitDraft } from "./commit-draft.js";
import type { CommitFacts } from "./commit-facts.js";
import { planConversionStart, planConversions } from "./plan-conversion.js";
import { planHookEffect, planHookFailure, planHookFailureResolution } from "./plan-hook-outcome.js";
import { planPeriodClose } from "./plan-period.js";
import { planProductUpload } from "./plan-product.js";
import { planRestriction, planRestrictionDefinition, planRestrictionLift } from "./plan-restriction.js";
import { findCustomerAccount, tell, toEntry, windowOf, windowToJson, type TermsDecision } from "./terms-change.js";
import type {
  FlagChange,
  GuardChange,
  ParameterChange,
  TemplateParameterChange,
  TermsCommand,
} from "./terms-command.js";

/**
 * Decides a change of terms and adds what follows from it: rows of its own table, one record in the book's order and the audit chain (INV-4,
 * AUD-1), an event, and the operation that answers its key (IDEM-2). A refusal is a result and stays (IDEM-4).
 */
export function planTerms(draft: CommitDraft, command: TermsCommand, facts: CommitFacts): NewOperation {
  const rejection = decide(draft, command, facts);
  const { commandId, principal, idempotencyKey, fingerprint, correlationId, createdAt, change } = command;
  const accountId = "accountId" in change ? change.accountId : undefined;
  const operation: NewOperation = {
    operationId: commandId,
    principal,
    idempotencyKey,
    fingerprint,
    type: "OTHER",
    status: rejection === undefined ? "COMPLETED" : "REJECTED",
    rejection,
    accountId,
    batchId: undefined,
    correlationId,
    createdAt,
    completedAt: draft.bookedAt,
  };
  draft.operations.push(operation);
  const key = formatId("operation", commandId);
  // What was asked and how it ended, refusals too: an operation without a batch has its record here (AUD-1).
  draft.addResourceChange({
    kind: OPERATION_DECIDED,
    key,
    principal,
    correlationId,
    body: {
      idempotencyKey,
      fingerprint,
      type: operation.type,
      status: operation.status,
      rejectionCode: rejection?.code,
      rejectionMessage: rejection?.message,
      accountId,
      createdAt: formatInstant(createdAt),
      completedAt: formatInstant(draft.bookedAt),
    },
  });
  draft.addEvent({
    eventId: answerEventIdOf(commandId),
    key,
    type: rejection === undefined ? "operation.completed" : "operation.rejected",
    correlationId,
    changeId: key,
    audience: [principal],
    payload: {
      operationId: key,
      type: "OTHER",
      accountId: accountId && formatId("account", accountId),
      code: rejection?.code,
      message: rejection?.message,
    },
  });
  return operation;
}

/** Kind of the record of an operation without a batch; the audit holds the operation's row against it (audit-records.ts). */
const OPERATION_DECIDED = "operation.decided";

function decide(draft: CommitDraft, command: TermsCommand, facts: CommitFacts): TermsDecision {
  const { change } = command;
  switch (change.type) {
    case "parameters":
      return planParameters(draft, command, change, facts);
    case "templateParameters":
      return planTemplateParameters(draft, command, change);
    case "flag":
      return planFlag(draft, command, change);
    case "guards":
      return planGuards(draft, command, change);
    case "restrictionDefinition":
      return planRestrictionDefinition(draft, command, change, facts.terms);
    case "restriction":
      return planRestriction(draft, command, change, facts.terms);
    case "liftRestriction":
      return planRestrictionLift(draft, command, change, facts.terms);
    case "closePeriod":
      return planPeriodClose(draft, command, change, facts.terms);
    case "productVersion":
      return planProductUpload(draft, command, change);
    case "conversion":
      return planConversions(draft, command, change);
    case "conversionStart":
      return planConversionStart(draft, command, change);
    case "hookEffect":
      return planHookEffect(draft, command, change);
    case "hookFailure":
      return planHookFailure(draft, command, change);
    case "hookFailureResolution":
      return planHookFailureResolution(draft, command, change, facts.terms);
  }
}

/** FLAG-1. The product's preParameterChange may refuse; its postParameterChange runs once this is committed. */
function planParameters(
  draft: CommitDraft,
  command: TermsCommand,
  change: ParameterChange,
  facts: CommitFacts,
): TermsDecision {
  const found = findCustomerAccount(draft, change.accountId);
  if ("code" in found) return found;
  const { account, product } = found;
  const window = windowOf(draft, change);
  if ("code" in window) return window;
  const { accountId, denomination, tside, openedAt, flags } = account;
  const oldParameters = parametersAt(account.parameters, account.parameterHistory, window.fromAt);
  const resolved = planParameterChange(product, change.values, {
    account: { accountId, denomination, tside, openedAt },
    effectiveAt: window.fromAt,
    parameters: oldParameters,
    flags: flags && raisedFlags(flags, window.fromAt),
    ...facts.hookData.get(command.commandId),
  });
  if ("refusal" in resolved) return resolved.refusal;
  const values = namedOf(change.values, resolved.parameters);
  const told = tell(draft, command, {
    kind: "account.parameters_changed",
    key: formatId("account", accountId),
    body: { parameters: values, ...windowToJson(window) },
    audience: draft.ownersOf(accountId),
  });
  const history = { ...account.parameterHistory?.instance };
  for (const [name, value] of Object.entries(values)) {
    draft.terms.accountParameters.push({ accountId, name, value, ...window, ...told });
    history[name] = [...(history[name] ?? []), toEntry(value, window, told.insertedAt)];
  }
  draft.view.accounts.set(accountId, {
    ...account,
    parameterHistory: { ...account.parameterHistory, instance: history },
  });
  if (product.hooks?.postParameterChange !== undefined)
    draft.terms.hookTasks.push({
      executionId: `postParameterChange:${formatId("account", accountId)}:change:${told.seq}`,
      seq: told.seq,
      accountId,
      hook: "postParameterChange",
      effectiveAt: window.fromAt,
      payload: { oldParameters, newParameters: resolved.parameters },
    });
  return undefined;
}

/** In canonical form, those that were named. */
function namedOf(proposed: Json, resolved: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const names = typeof proposed === "object" && proposed !== null ? Object.keys(proposed) : [];
  return Object.fromEntries(names.flatMap((name) => (resolved[name] === undefined ? [] : [[name, resolved[name]]])));
}

/** A template speaks to accounts of every currency that its product is offered in, so its values must be good in each of them. */
function planTemplateParameters(
  draft: CommitDraft,
  command: TermsCommand,
  change: TemplateParameterChange,
): TermsDecision {
  const catalogued = draft.catalogue.findVersion(change.productVersionId);
  if (catalogued === undefined) return refuse("PRODUCT_UNKNOWN");
  const window = windowOf(draft, change);
  if ("code" in window) return window;
  const { product, productVersionId } = catalogued;
  for (const currency of product.currencies ?? currencyCodes) {
    const resolved = resolveParameters(product, currency, change.values);
    if ("refusal" in resolved) return refuse(resolved.refusal.code, `${resolved.refusal.message} In ${currency}`);
  }
  const values = change.values as Readonly<Record<string, string>>; // each was a string, or it had been refused
  const told = tell(draft, command, {
    kind: "product_version.parameters_changed",
    key: formatId("productVersion", productVersionId),
    body: { parameters: values, ...windowToJson(window) },
  });
  for (const [name, value] of Object.entries(values))
    draft.terms.templateParameters.push({ productVersionId, name, value, ...window, ...told });
  return undefined;
}

function planFlag(draft: CommitDraft, command: TermsCommand, change: FlagChange): TermsDecision {
  const found = findCustomerAccount(draft, change.accountId);
  if ("code" in found) return found;
  const window = windowOf(draft, change);
  if ("code" in window) return window;
  const { account } = found;
  const { accountId, name, value } = change;
  const told = tell(draft, command, {
    kind: value ? "account.flag_set" : "account.flag_cleared",
    key: formatId("account", accountId),
    body: { name, ...windowToJson(window) },
    audience: draft.ownersOf(accountId),
  });
  draft.terms.accountFlags.push({ accountId, name, value, ...window, ...told });
  const flags = { ...account.flags };
  flags[name] = [...(flags[name] ?? []), toEntry(value, window, told.insertedAt)];
  draft.view.accounts.set(accountId, { ...account, flags });
  return undefined;
}

/** BAL-1. */
function planGuards(draft: CommitDraft, command: TermsCommand, change: GuardChange): TermsDecision {
  const account = draft.view.accounts.get(change.accountId);
  if (account === undefined) return refuse("ACCOUNT_NOT_FOUND");
  const { accountId, denomination } = account;
  const minAvailable = parseGuard(change.minAvailable, denomination);
  const maxCommitted = parseGuard(change.maxCommitted, denomination);
  if (minAvailable === "invalid" || maxCommitted === "invalid") return refuse("AMOUNT_SCALE");
  const text = (amount: Amount | undefined) =>
    amount === undefined ? undefined : amountToNumeric(amount, denomination);
  const body = { minAvailable: text(minAvailable), maxCommitted: text(maxCommitted) };
  const told = tell(draft, command, {
    kind: "account.guards_changed",
    key: formatId("account", accountId),
    body,
    audience: draft.ownersOf(accountId),
  });
  draft.terms.accountGuards.push({ accountId, ...body, ...told });
  draft.view.accounts.set(accountId, { ...account, guards: { minAvailable, maxCommitted } });
  return undefined;
}

function parseGuard(text: string | undefined, currency: AccountState["denomination"]): Amount | undefined | "invalid" {
  if (text === undefined) return undefined;
  const scaled = parseDecimal(text, internalDigits(currency));
  return scaled === undefined ? "invalid" : (scaled as Amount);
}
