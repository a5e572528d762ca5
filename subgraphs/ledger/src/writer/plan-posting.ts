import {
  decideBatch,
  formatId,
  formatInstant,
  formatMinor,
  formatTransactionId,
  isAtMinorScale,
  netsOf,
  refuse,
  type AccountState,
  type BatchDecision,
  type DecidedLeg,
  type MovementInstruction,
  type Json,
  type Money,
  type ProposedBatch,
  type Uuid,
} from "@florin/kernel";
import { answerEventIdOf } from "@florin/db";
import type { NewOperation } from "@florin/db/ledger";
import { accountIdOf } from "./book-view.js";
import type { PostingCommand } from "./command.js";
import { moneyToJson } from "./command-json.js";
import type { CommitDraft } from "./commit-draft.js";

type Accepted = Extract<BatchDecision, { kind: "accepted" }>;
type Rejected = Extract<BatchDecision, { kind: "rejected" }>;

/** Decides one posting command over the draft's view and adds what follows from it, whichever way it went (PIB-1, IDEM-4). */
export function planPosting(draft: CommitDraft, command: PostingCommand): NewOperation {
  const proposed = toProposedBatch(draft, command);
  const decision = decide(draft, proposed);
  const batchId = draft.ids.next();
  const { seq, knownAt } = draft.nextRecord();
  const rejection = decision.kind === "rejected" ? decision.violations[0] : undefined;
  draft.batches.push({
    batchId,
    seq,
    clientId: command.principal,
    clientBatchId: command.clientBatchId,
    status: decision.kind === "accepted" ? "ACCEPTED" : "REJECTED",
    rejections: decision.kind === "accepted" ? [] : decision.violations.map((violation) => ({ ...violation })),
    proposed: decision.kind === "accepted" ? undefined : proposed.instructions.map(proposedToJson),
    details: decision.kind === "accepted" ? withAcceptedDespite(command.details, decision) : command.details,
    valueAt: proposed.valueAt,
    bookedAt: draft.bookedAt,
    knownAt,
    origin: "CLIENT",
  });
  if (decision.kind === "accepted") {
    addInstructions(draft, command, batchId, decision);
    for (const transaction of decision.clientTransactions) draft.addClientTransaction(transaction);
    for (const leg of decision.legs)
      draft.addPosting({ leg, seq, batchId, valueAt: proposed.valueAt, bookedAt: draft.bookedAt });
    addAccountPostedEvents(draft, command, batchId, decision.legs, formatInstant(knownAt));
  }
  return addOperation(draft, command, batchId, rejection && { code: rejection.code, message: rejection.message });
}

function toProposedBatch(
  draft: CommitDraft,
  command: PostingCommand,
): ProposedBatch & { readonly instructions: readonly MovementInstruction[] } {
  return {
    operationId: formatId("operation", command.commandId),
    clientId: command.principal,
    valueAt: command.valueAt ?? draft.bookedAt, // T-1
    bookedAt: draft.bookedAt,
    instructions: command.instructions.map((instruction): MovementInstruction => ({
      ...instruction,
      target: accountIdOf(instruction.target, instruction),
      counterparty: accountIdOf(instruction.counterparty, instruction),
      advice: instruction.advice ?? false,
    })),
  };
}

/** A rule of the ledger's own that breaks while deciding is a bug; the batch is refused, and the others of the commit go on. */
function decide(draft: CommitDraft, proposed: ProposedBatch): BatchDecision {
  try {
    return decideBatch(draft.view, proposed);
  } catch (fault) {
    draft.faults.push(fault);
    const rejected: Rejected = { kind: "rejected", violations: [refuse("CONTRACT_ERROR")] };
    return rejected;
  }
}

function withAcceptedDespite(details: Json | undefined, { acceptedDespite }: Accepted): Json | undefined {
  if (acceptedDespite.length === 0) return details;
  const isObject = typeof details === "object" && details !== null && !Array.isArray(details);
  const flags = acceptedDespite.map((flag) => ({ ...flag }));
  return { ...(isObject ? details : { details }), accepted_despite: flags }; // PI-4
}

function addInstructions(draft: CommitDraft, command: PostingCommand, batchId: Uuid, accepted: Accepted): void {
  command.instructions.forEach((instruction, ordinal) => {
    draft.instructions.push({
      batchId,
      ordinal,
      type: instruction.type,
      clientId: command.principal,
      clientTransactionId: accepted.clientTransactionIds[ordinal]!,
      details: instruction.details,
    });
  });
}

/** One event per account that the batch touched, in order of first touch, with the balance after the whole batch (STR-3). */
function addAccountPostedEvents(
  draft: CommitDraft,
  command: PostingCommand,
  batchId: Uuid,
  legs: readonly DecidedLeg[],
  asOf: string,
): void {
  const legsByAccount = new Map<Uuid, DecidedLeg[]>();
  for (const leg of legs) {
    const known = legsByAccount.get(leg.accountId);
    if (known === undefined) legsByAccount.set(leg.accountId, [leg]);
    else known.push(leg);
  }
  const operationId = formatId("operation", command.commandId);
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
        asOf,
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

function addOperation(
  draft: CommitDraft,
  command: PostingCommand,
  batchId: Uuid,
  rejection: { readonly code: string; readonly message: string } | undefined,
): NewOperation {
  const { commandId, principal, idempotencyKey, fingerprint, type, account, amount, correlationId, createdAt } =
    command;
  const operation: NewOperation = {
    operationId: commandId,
    principal,
    idempotencyKey,
    fingerprint,
    type,
    status: rejection === undefined ? "COMPLETED" : "REJECTED",
    rejection,
    accountId: account,
    amount,
    batchId,
    correlationId,
    createdAt,
    completedAt: draft.bookedAt,
  };
  draft.operations.push(operation);
  const key = formatId("operation", commandId);
  draft.addEvent({
    eventId: answerEventIdOf(commandId),
    key,
    type: rejection === undefined ? "operation.completed" : "operation.rejected",
    correlationId,
    changeId: key,
    audience: [principal],
    payload: {
      operationId: key,
      type,
      batchId: formatId("batch", batchId),
      accountId: account === undefined ? undefined : formatId("account", account),
      code: rejection?.code,
      message: rejection?.message,
    },
  });
  return operation;
}

function proposedToJson(instruction: MovementInstruction): Json {
  const { type, target, counterparty, money, clientTransactionId, advice, details } = instruction;
  return {
    type,
    target: target && formatId("account", target),
    counterparty: counterparty && formatId("account", counterparty),
    money: proposedMoney(money),
    clientTransactionId,
    advice,
    details,
  };
}

function proposedMoney(money: Money): Json {
  if (!isAtMinorScale(money.amount, money.currency)) return moneyToJson(money);
  return { amount: formatMinor(money.amount, money.currency), currency: money.currency };
}
