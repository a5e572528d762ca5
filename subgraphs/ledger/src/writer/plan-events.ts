import {
  amountToNumeric,
  formatId,
  formatInstant,
  formatMinor,
  formatTransactionId,
  netsOf,
  type AccountState,
  type ClientTransactionState,
  type DecidedLeg,
  type Instant,
  type Json,
  type Uuid,
  type Violation,
} from "@florin/kernel";
import { answerEventIdOf } from "@florin/db";
import type { NewOperation } from "@florin/db/ledger";
import { clientIdOf, type PostingCommand } from "./command.js";
import type { CommitDraft } from "./commit-draft.js";
import { backdatingFacts } from "./plan-remarks.js";

/** What the world is told about a posting command: nothing that happens here happens in silence. */
export interface PostedBatch {
  readonly command: PostingCommand;
  readonly batchId: Uuid;
  readonly valueAt: Instant;
  readonly knownAt: Instant;
}

/** One event per account that the batch touched, in order of first touch, with the balance after the whole batch (STR-3). */
export function addAccountPostedEvents(
  draft: CommitDraft,
  { command, batchId, valueAt, knownAt }: PostedBatch,
  legs: readonly DecidedLeg[],
): void {
  const legsByAccount = new Map<Uuid, DecidedLeg[]>();
  for (const leg of legs) {
    const known = legsByAccount.get(leg.accountId);
    if (known === undefined) legsByAccount.set(leg.accountId, [leg]);
    else known.push(leg);
  }
  const operationId = formatId("operation", command.commandId);
  const backdating =
    command.valueAt === undefined && command.reversal === undefined ? {} : backdatingFacts(valueAt, draft.bookedAt);
  for (const [accountId, own] of legsByAccount) {
    const account = draft.view.accounts.get(accountId);
    if (account === undefined) throw new Error("a posted account has left the view");
    const key = formatId("account", accountId);
    draft.addEvent({
      key,
      type: "account.posted",
      correlationId: command.correlationId,
      changeId: operationId,
      audience: draft.ownersOf(accountId),
      payload: {
        accountId: key,
        accountSeq: account.accountSeq.toString(),
        batchId: formatId("batch", batchId),
        operationId,
        transactionIds: own.map((leg) => formatTransactionId(accountId, leg.accountSeq)),
        balance: balanceToJson(account),
        asOf: formatInstant(knownAt),
        ...backdating,
      },
    });
  }
}

function balanceToJson(account: AccountState): Json {
  const { available, committed, pendingIn, pendingOut } = netsOf(account, account.totals);
  const currency = account.denomination;
  return {
    available: formatMinor(available, currency),
    committed: formatMinor(committed, currency),
    pendingIn: formatMinor(pendingIn, currency),
    pendingOut: formatMinor(pendingOut, currency),
    currency,
  };
}

/** One event per authorisation that the batch opened or changed: for its client and for the owners of its target. */
export function addHoldEvents(
  draft: CommitDraft,
  { command, batchId }: PostedBatch,
  transactions: readonly ClientTransactionState[],
): void {
  for (const transaction of transactions) {
    const { kind, clientId, clientTransactionId, status, denomination, target, closedBy, expiresAt } = transaction;
    if (kind !== "AUTHORISATION" || denomination === undefined || target === undefined) continue;
    const accountId = formatId("account", target);
    const amount = (name: "authorised" | "adjusted" | "settled" | "overSettled" | "released" | "outstanding") =>
      amountToNumeric(transaction[name], denomination);
    draft.addEvent({
      key: accountId,
      type: "client_transaction.changed",
      correlationId: command.correlationId,
      changeId: formatId("operation", command.commandId),
      audience: [...new Set([clientId, ...draft.ownersOf(target)])],
      payload: {
        clientId,
        clientTransactionId,
        accountId,
        batchId: formatId("batch", batchId),
        status,
        closedBy,
        denomination,
        authorised: amount("authorised"),
        adjusted: amount("adjusted"),
        settled: amount("settled"),
        overSettled: amount("overSettled"),
        released: amount("released"),
        outstanding: amount("outstanding"),
        expiresAt: expiresAt === undefined ? undefined : formatInstant(expiresAt),
      },
    });
  }
}

/** PIB-1: with everything that was found, not only the first. */
export function addBatchRejectedEvent(
  draft: CommitDraft,
  { command, batchId }: PostedBatch,
  violations: readonly Violation[],
): void {
  const operationId = formatId("operation", command.commandId);
  draft.addEvent({
    key: operationId,
    type: "posting_instruction_batch.rejected",
    correlationId: command.correlationId,
    changeId: operationId,
    audience: audienceOf(command.principal, clientIdOf(command)),
    payload: {
      batchId: formatId("batch", batchId),
      operationId,
      rejections: violations.map((violation) => ({ ...violation })),
    },
  });
}

export function addOperationEvent(draft: CommitDraft, operation: NewOperation, clientId: string): void {
  const { operationId, accountId, rejection, type, batchId } = operation;
  const key = formatId("operation", operationId);
  draft.addEvent({
    eventId: answerEventIdOf(operationId),
    key,
    type: rejection === undefined ? "operation.completed" : "operation.rejected",
    correlationId: operation.correlationId,
    changeId: key,
    audience: audienceOf(operation.principal, clientId),
    payload: {
      operationId: key,
      type,
      batchId: batchId === undefined ? undefined : formatId("batch", batchId),
      accountId: accountId === undefined ? undefined : formatId("account", accountId),
      code: rejection?.code,
      message: rejection?.message,
    },
  });
}

/** The system acts for a client: both hear of it. */
function audienceOf(principal: string, clientId: string): readonly string[] {
  return principal === clientId ? [principal] : [principal, clientId];
}
