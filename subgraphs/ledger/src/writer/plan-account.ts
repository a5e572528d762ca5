import {
  activate,
  formatId,
  formatInstant,
  parseCurrency,
  refuse,
  refuseClosure,
  type AccountState,
  type CurrencyCode,
  type Json,
  type ParameterValues,
  type Refusal,
  type Timeseries,
  type Uuid,
} from "@florin/kernel";
import { answerEventIdOf } from "@florin/db";
import type { CloseAccountCommand, OpenAccountCommand, WriterOutcome } from "./command.js";
import type { CommitDraft } from "./commit-draft.js";
import { NO_FACTS, type CommitFacts } from "./commit-facts.js";
import { commitAccountHook, judgeActivation, judgeDeactivation, type JudgedAccountHook } from "./plan-account-hooks.js";
import { productFacts, type CataloguedProduct } from "./product-catalogue.js";

type AccountOutcome = Extract<WriterOutcome, { kind: "account" }>;

/**
 * Opens an account, or says why not: account.opened or account.rejected. Idempotent by the account's id: an account that is
 * there already is answered with account.opened and left as it is.
 */
export function planOpening(
  draft: CommitDraft,
  command: OpenAccountCommand,
  facts: CommitFacts = NO_FACTS,
): AccountOutcome {
  const isThere = draft.view.accounts.get(command.accountId)?.product !== undefined;
  const opening = isThere ? undefined : judgeOpening(draft, command);
  if (opening !== undefined && "refusal" in opening)
    return answer(draft, command, "account.rejected", {}, opening.refusal);
  const refusal = opening === undefined ? undefined : openAccount(draft, command, opening, facts);
  if (refusal !== undefined) return answer(draft, command, "account.rejected", {}, refusal);
  return answer(draft, command, "account.opened", openedFacts(draft, command));
}

interface Opening {
  readonly catalogued: CataloguedProduct;
  readonly currency: CurrencyCode;
  readonly parameters: ParameterValues;
}

function judgeOpening(draft: CommitDraft, command: OpenAccountCommand): Opening | { readonly refusal: Refusal } {
  const currency = parseCurrency(command.currency);
  if (currency === undefined) return { refusal: refuse("CURRENCY_UNKNOWN") };
  const catalogued = draft.catalogue.findLatest(command.product);
  if (catalogued === undefined) return { refusal: refuse("PRODUCT_UNKNOWN") };
  const activation = activate(catalogued.product, currency, command.parameters);
  return "refusal" in activation ? activation : { catalogued, currency, parameters: activation.parameters };
}

/** The product's activation may refuse it, and may post into it before it is open; all of it is one commit. */
function openAccount(
  draft: CommitDraft,
  command: OpenAccountCommand,
  opening: Opening,
  facts: CommitFacts,
): Refusal | undefined {
  const { accountId, owners } = command;
  const { product, productVersionId } = opening.catalogued;
  const { parameters, currency: denomination } = opening;
  const openedAt = draft.bookedAt;
  const { tside } = product;
  const pending: AccountState = {
    accountId,
    tside,
    status: "PENDING",
    denomination,
    openedAt,
    product,
    parameters,
    accountSeq: 0n,
    totals: new Map(),
    ...facts.openingTerms.get(accountId),
  };
  const activation = judgeActivation(draft, command, pending, productVersionId);
  if (activation !== undefined && "refusal" in activation) return activation.refusal;
  draft.addAccount({
    accountId,
    productVersionId,
    denomination,
    tside,
    parameters,
    openedAt,
    owners: [...new Set(owners)],
  });
  draft.view.accounts.set(accountId, pending);
  const told = addChange(draft, command, "account.opened", {
    ...productFacts(opening.catalogued),
    tside,
    currency: denomination,
    parameters,
    owners: [...new Set(owners)],
    openedAt: formatInstant(openedAt),
  });
  const instance = addChosenParameters(draft, command, parameters, told);
  if (activation !== undefined) commitAccountHook(draft, command, activation);
  const activated = draft.view.accounts.get(accountId) ?? pending;
  const parameterHistory =
    instance === undefined ? pending.parameterHistory : { ...pending.parameterHistory, instance };
  draft.view.accounts.set(accountId, { ...activated, status: "OPEN", parameterHistory });
  return undefined;
}

/** What was chosen at the opening is the account's own and goes before what its template says later; a default that was taken is not. */
function addChosenParameters(
  draft: CommitDraft,
  { accountId, principal, parameters: proposed }: OpenAccountCommand,
  parameters: ParameterValues,
  { seq, knownAt: insertedAt }: { readonly seq: bigint; readonly knownAt: AccountState["openedAt"] },
): Record<string, Timeseries<string>> | undefined {
  const names = typeof proposed === "object" && proposed !== null ? Object.keys(proposed) : [];
  if (names.length === 0) return undefined;
  const fromAt = draft.bookedAt;
  const instance: Record<string, Timeseries<string>> = {};
  for (const name of names) {
    const value = parameters[name];
    if (value === undefined) continue;
    draft.terms.accountParameters.push({ accountId, name, value, fromAt, toAt: undefined, seq, principal, insertedAt });
    instance[name] = [{ value, from: fromAt, insertedAt }];
  }
  return instance;
}

/** AUD-1. Owners are opaque ids; who they are is not the ledger's to know. */
function addChange(
  draft: CommitDraft,
  command: OpenAccountCommand | CloseAccountCommand,
  kind: string,
  body: Json,
): ReturnType<CommitDraft["addResourceChange"]> {
  const { accountId, principal, correlationId } = command;
  return draft.addResourceChange({ kind, key: formatId("account", accountId), principal, correlationId, body });
}

function openedFacts(draft: CommitDraft, command: OpenAccountCommand): Facts {
  const account = draft.view.accounts.get(command.accountId);
  if (account?.product === undefined) throw new Error("an opened account is not in the view");
  return {
    ...productFacts(draft.catalogue.getEntry(account.product)),
    currency: account.denomination,
    // Whoever shows what a person owns and owes must know which way the balance counts, and whether it is all there is.
    tside: account.tside,
    addresses: { ...account.product.addresses },
    parameters: account.parameters,
    openedAt: formatInstant(account.openedAt),
  };
}

/**
 * Closes an account whose every balance is zero (HOOK-7), or says why not: account.closed or account.close_rejected. A withdrawal
 * or deposit at the same moment stands before it or after it in the commit, and the later one sees the earlier.
 */
export function planClosing(
  draft: CommitDraft,
  command: CloseAccountCommand,
  facts: CommitFacts = NO_FACTS,
): AccountOutcome {
  const account = draft.view.accounts.get(command.accountId);
  const judged = judgeClosing(draft, command, account, facts);
  if (account === undefined || "refusal" in judged)
    return answer(draft, command, "account.close_rejected", {}, "refusal" in judged ? judged.refusal : undefined);
  if (judged.hook !== undefined) commitAccountHook(draft, command, judged.hook);
  const closedAt = draft.bookedAt;
  draft.closedAccounts.push({ accountId: account.accountId, closedAt });
  draft.view.accounts.set(account.accountId, {
    ...(draft.view.accounts.get(account.accountId) ?? account),
    status: "CLOSED",
  });
  addChange(draft, command, "account.closed", { closedAt: formatInstant(closedAt) });
  return answer(draft, command, "account.closed", { closedAt: formatInstant(closedAt) });
}

/** The deactivation hook may sweep what is left; whatever it does, nothing stays behind (HOOK-7). */
function judgeClosing(
  draft: CommitDraft,
  command: CloseAccountCommand,
  account: AccountState | undefined,
  facts: CommitFacts,
): { readonly hook: JudgedAccountHook | undefined } | { readonly refusal: Refusal } {
  if (account === undefined || account.product === undefined) return { refusal: refuse("ACCOUNT_NOT_FOUND") };
  const openHolds = countOpenHolds(draft, account.accountId, facts);
  const refusals = refuseClosure(account, openHolds, draft.bookedAt);
  const hasHook = account.product.hooks?.deactivation !== undefined;
  const grave = refusals.find(({ code }) => !hasHook || code !== "BALANCE_NOT_ZERO");
  if (grave !== undefined) return { refusal: grave };
  const hook = judgeDeactivation(draft, command, account, facts);
  if (hook === undefined || "refusal" in hook) return hook ?? { hook };
  const [left] = refuseClosure(hook.account, openHolds, draft.bookedAt);
  return left === undefined ? { hook } : { refusal: left };
}

/** Those that were open before this commit and are still, and those that this commit opened. */
function countOpenHolds(draft: CommitDraft, accountId: Uuid, facts: CommitFacts): number {
  const { clientTransactions } = draft.view;
  const open = new Set(facts.openHolds.get(accountId));
  for (const [key, { kind, isFinal, target, counterparty }] of clientTransactions) {
    if (kind !== "AUTHORISATION" || (target !== accountId && counterparty !== accountId)) continue;
    if (isFinal) open.delete(key);
    else open.add(key);
  }
  return open.size;
}

type Facts = { readonly [name: string]: Json | undefined };

function answer(
  draft: CommitDraft,
  command: OpenAccountCommand | CloseAccountCommand,
  type: string,
  facts: Facts,
  refusal?: Refusal,
): AccountOutcome {
  const key = formatId("account", command.accountId);
  const owners = command.kind === "account.open" ? command.owners : draft.ownersOf(command.accountId);
  draft.addEvent({
    eventId: answerEventIdOf(command.commandId),
    key,
    type,
    correlationId: command.correlationId,
    causationId: command.causationId,
    changeId: command.changeId ?? formatId("command", command.commandId),
    audience: owners,
    payload: { accountId: key, ...facts, ...refusal },
  });
  return { kind: "account", accountId: command.accountId, rejection: refusal };
}
