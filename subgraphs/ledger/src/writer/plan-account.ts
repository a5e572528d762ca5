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
  type Uuid,
} from "@florin/kernel";
import { answerEventIdOf } from "@florin/db";
import type { CloseAccountCommand, OpenAccountCommand, WriterOutcome } from "./command.js";
import type { CommitDraft } from "./commit-draft.js";
import { NO_FACTS, type CommitFacts } from "./commit-facts.js";
import { productFacts, type CataloguedProduct } from "./product-catalogue.js";

type AccountOutcome = Extract<WriterOutcome, { kind: "account" }>;

/**
 * Opens an account, or says why not: account.opened or account.rejected. Idempotent by the account's id: an account that is
 * there already is answered with account.opened and left as it is.
 */
export function planOpening(draft: CommitDraft, command: OpenAccountCommand): AccountOutcome {
  const isThere = draft.view.accounts.get(command.accountId)?.product !== undefined;
  const opening = isThere ? undefined : judgeOpening(draft, command);
  if (opening !== undefined && "refusal" in opening)
    return answer(draft, command, "account.rejected", {}, opening.refusal);
  if (opening !== undefined) openAccount(draft, command, opening);
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

function openAccount(draft: CommitDraft, command: OpenAccountCommand, opening: Opening): void {
  const { accountId, owners } = command;
  const { product, productVersionId } = opening.catalogued;
  const { parameters, currency: denomination } = opening;
  const openedAt = draft.bookedAt;
  const { tside } = product;
  draft.addAccount({
    accountId,
    productVersionId,
    denomination,
    tside,
    parameters,
    openedAt,
    owners: [...new Set(owners)],
  });
  const state: AccountState = {
    accountId,
    tside,
    status: "OPEN",
    denomination,
    openedAt,
    product,
    parameters,
    accountSeq: 0n,
    totals: new Map(),
  };
  draft.view.accounts.set(accountId, state);
  addChange(draft, command, "account.opened", {
    ...productFacts(opening.catalogued),
    tside,
    currency: denomination,
    parameters,
    owners: [...new Set(owners)],
    openedAt: formatInstant(openedAt),
  });
}

/** AUD-1. Owners are opaque ids; who they are is not the ledger's to know. */
function addChange(
  draft: CommitDraft,
  command: OpenAccountCommand | CloseAccountCommand,
  kind: string,
  body: Json,
): void {
  const { accountId, principal, correlationId } = command;
  draft.addResourceChange({ kind, key: formatId("account", accountId), principal, correlationId, body });
}

function openedFacts(draft: CommitDraft, command: OpenAccountCommand): Facts {
  const account = draft.view.accounts.get(command.accountId);
  if (account?.product === undefined) throw new Error("an opened account is not in the view");
  return {
    ...productFacts(draft.catalogue.getEntry(account.product)),
    currency: account.denomination,
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
  const refusal = judgeClosing(draft, account, facts);
  if (account === undefined || refusal !== undefined)
    return answer(draft, command, "account.close_rejected", {}, refusal);
  const closedAt = draft.bookedAt;
  draft.closedAccounts.push({ accountId: account.accountId, closedAt });
  draft.view.accounts.set(account.accountId, { ...account, status: "CLOSED" });
  addChange(draft, command, "account.closed", { closedAt: formatInstant(closedAt) });
  return answer(draft, command, "account.closed", { closedAt: formatInstant(closedAt) });
}

function judgeClosing(draft: CommitDraft, account: AccountState | undefined, facts: CommitFacts): Refusal | undefined {
  if (account === undefined || account.product === undefined) return refuse("ACCOUNT_NOT_FOUND");
  return refuseClosure(account, countOpenHolds(draft, account.accountId, facts), draft.bookedAt)[0];
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
