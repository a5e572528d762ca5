import {
  decideBatch,
  DEFAULT_ADDRESS,
  COMMERCIAL_BANK_MONEY,
  planReversal,
  planSuspense,
  refuse,
  type Amount,
  type BatchDecision,
  type DecidedLeg,
  type Instruction,
  type ProposedBatch,
  type Uuid,
} from "@florin/kernel";
import { internalAccountId } from "@florin/db";
import type { NewOperation } from "@florin/db/ledger";
import { clientIdOf, type PostingCommand } from "./command.js";
import { SUSPENSE } from "./command-accounts.js";
import type { CommitDraft } from "./commit-draft.js";
import { NO_FACTS, type CommitFacts } from "./commit-facts.js";
import { effectOf, proposedOf, termsOf } from "./instruction-record.js";
import { addAccountPostedEvents, addBatchRejectedEvent, addHoldEvents, addOperationEvent } from "./plan-events.js";
import { addExecution } from "./plan-hooks.js";
import { proposalBase, proposeBatch } from "./plan-proposal.js";
import { remarksOf } from "./plan-remarks.js";

type Accepted = Extract<BatchDecision, { kind: "accepted" }>;
type Rejected = Extract<BatchDecision, { kind: "rejected" }>;

/**
 * Decides one posting command over the draft's view and adds what follows from it, whichever way it went (PIB-1, IDEM-4). What the kernel
 * judges is the command's instructions, or for a reversal the mirror of what was booked; an advice that its account cannot take is judged
 * a second time on the suspense account (PI-4).
 */
export function planPosting(draft: CommitDraft, command: PostingCommand, facts: CommitFacts = NO_FACTS): NewOperation {
  const { proposed, decision, suspended } = decideCommand(draft, command, facts);
  const batchId = draft.ids.next();
  const { seq, knownAt } = draft.nextRecord();
  const isAccepted = decision.kind === "accepted";
  const remarks = isAccepted ? remarksOf(decision, suspended) : undefined;
  const isPlain = isAccepted && remarks === undefined && tellsByItsRows(command, proposed);
  draft.batches.push({
    batchId,
    seq,
    clientId: proposed.clientId,
    clientBatchId: command.clientBatchId,
    status: isAccepted ? "ACCEPTED" : "REJECTED",
    rejections: isAccepted ? [] : decision.violations.map((violation) => ({ ...violation })),
    proposed: isAccepted ? undefined : proposedOf(command),
    details: command.details,
    valueAt: proposed.valueAt,
    bookedAt: draft.bookedAt,
    knownAt,
    origin: command.origin ?? "CLIENT",
    emittedBy: command.emittedBy,
    remarks,
    operationId: command.commandId,
    outboxPosition: isPlain ? draft.takePositions(countAccounts(decision.legs) + 1) : undefined,
  });
  const posted = { command, batchId, valueAt: proposed.valueAt, knownAt };
  if (isAccepted) {
    addInstructions(draft, batchId, proposed, decision);
    for (const transaction of decision.clientTransactions) draft.addClientTransaction(transaction);
    for (const leg of decision.legs) draft.addPosting({ leg, seq, batchId, valueAt: proposed.valueAt });
    if (facts.spendable.size > 0) noteSpendable(draft, proposed, decision.legs);
    if (!isPlain) addAccountPostedEvents(draft, posted, decision.legs);
    if (!isPlain) addHoldEvents(draft, posted, decision.clientTransactions);
  } else addBatchRejectedEvent(draft, posted, decision.violations);
  if (command.execution !== undefined && command.emittedBy !== undefined) {
    const { execution, correlationId } = command;
    const notifications = isAccepted ? (command.notifications ?? []) : [];
    addExecution(draft, { accountId: command.emittedBy.accountId, execution, notifications, batchId, correlationId });
  }
  const operation = addOperation(draft, command, batchId, decision, facts);
  if (!isPlain) addOperationEvent(draft, operation, clientIdOf(command));
  return operation;
}

/** Movements of now, which nearly all batches are: their events are their rows, read again (packages/db, posted-events.ts). */
function tellsByItsRows(
  { origin, reversal }: PostingCommand,
  { valueAt, bookedAt, instructions }: ProposedBatch,
): boolean {
  return (
    (origin ?? "CLIENT") === "CLIENT" &&
    reversal === undefined &&
    valueAt === bookedAt &&
    instructions.every(isMovement)
  );
}

function isMovement({ type }: Instruction): boolean {
  return type === "TRANSFER" || type === "INBOUND_HARD_SETTLEMENT" || type === "OUTBOUND_HARD_SETTLEMENT";
}

function countAccounts(legs: readonly DecidedLeg[]): number {
  return legs.length === 2 ? 2 : new Set(legs.map(({ accountId }) => accountId)).size;
}

interface Decided {
  readonly proposed: ProposedBatch;
  readonly decision: BatchDecision;
  /** Places of instructions that were booked to the suspense account. */
  readonly suspended: readonly number[];
}

function decideCommand(draft: CommitDraft, command: PostingCommand, facts: CommitFacts): Decided {
  if (command.reversal !== undefined) return decideReversal(draft, command, facts);
  const proposed = proposeBatch(draft, command);
  const decision = decide(draft, proposed);
  if (decision.kind === "rejected" && proposed.instructions.some(({ advice }) => advice))
    return decideSuspense(draft, proposed, decision) ?? { proposed, decision, suspended: [] };
  return { proposed, decision, suspended: [] };
}

/** A rule of the ledger's own that breaks while deciding is a bug; the batch is refused, and the others of the commit go on. */
function decide(draft: CommitDraft, proposed: ProposedBatch): BatchDecision {
  try {
    return decideBatch(draft.view, proposed);
  } catch (fault) {
    draft.faults.push(fault);
    return rejectedWith("CONTRACT_ERROR");
  }
}

function rejectedWith(code: Parameters<typeof refuse>[0], detail?: string): Rejected {
  return { kind: "rejected", violations: [refuse(code, detail)] };
}

/** PI-4. undefined: the suspense path is not open, or would not be accepted either. */
function decideSuspense(draft: CommitDraft, proposed: ProposedBatch, rejected: Rejected): Decided | undefined {
  const planned = planSuspense(proposed, rejected, (currency) => {
    const accountId = internalAccountId(SUSPENSE, currency);
    return draft.view.accounts.has(accountId) ? accountId : undefined;
  });
  if (planned === undefined) return undefined;
  const decision = decide(draft, planned);
  if (decision.kind === "rejected") return undefined;
  const suspended = planned.instructions.flatMap((instruction, index) =>
    instruction === proposed.instructions[index] ? [] : [index],
  );
  return { proposed: planned, decision, suspended };
}

/** T-8. */
function decideReversal(draft: CommitDraft, command: PostingCommand, facts: CommitFacts): Decided {
  const base = proposalBase(draft, command);
  const original = facts.originals.get(command.commandId);
  const nothing = { ...base, valueAt: draft.bookedAt, instructions: [] };
  if (original === undefined || original.instructions.length === 0) {
    const detail = original === undefined ? "there is no such batch" : "it was rejected, so nothing has moved";
    return { proposed: nothing, decision: rejectedWith("NOT_REVERSIBLE", detail), suspended: [] };
  }
  const reversal = planReversal(original.instructions, {
    mode: command.reversal?.mode ?? "NOW",
    originalValueAt: original.valueAt,
    bookedAt: draft.bookedAt,
  });
  if (reversal.kind === "refused")
    return { proposed: nothing, decision: { kind: "rejected", violations: reversal.violations }, suspended: [] };
  const proposed = { ...base, valueAt: reversal.valueAt, instructions: reversal.instructions };
  return { proposed, decision: decide(draft, proposed), suspended: [] };
}

function addInstructions(draft: CommitDraft, batchId: Uuid, proposed: ProposedBatch, accepted: Accepted): void {
  const { clientId } = proposed;
  proposed.instructions.forEach((instruction, ordinal) => {
    const effect = accepted.effects[ordinal]!;
    const { type, details, reverses } = instruction;
    draft.instructions.push({
      batchId,
      ordinal,
      type,
      clientId,
      clientTransactionId: effect.clientTransactionId,
      details,
      terms: termsOf(instruction),
      effect: isMovement(instruction)
        ? undefined
        : effectOf(effect, denominationOf(accepted, effect.clientTransactionId)),
      reverses,
    });
  });
}

function denominationOf({ clientTransactions }: Accepted, clientTransactionId: string) {
  return clientTransactions.find((one) => one.clientTransactionId === clientTransactionId)?.denomination;
}

/** BAL-2: another batch of this commit that reaches into the past sees what this one has moved there. */
function noteSpendable(draft: CommitDraft, { valueAt }: ProposedBatch, legs: readonly DecidedLeg[]): void {
  for (const { accountId, address, asset, phase, side, amount } of legs) {
    const account = draft.view.accounts.get(accountId);
    if (account?.spendableHistory === undefined) continue;
    if (address !== DEFAULT_ADDRESS || asset !== COMMERCIAL_BANK_MONEY || phase === "PENDING_IN") continue;
    const change = side === "CREDIT" ? amount : -amount;
    const { opening, changes } = account.spendableHistory;
    draft.view.accounts.set(accountId, {
      ...account,
      spendableHistory: { opening, changes: [...changes, { valueAt, change: change as Amount }] },
    });
  }
}

function addOperation(
  draft: CommitDraft,
  command: PostingCommand,
  batchId: Uuid,
  decision: BatchDecision,
  facts: CommitFacts,
): NewOperation {
  const { commandId, principal, idempotencyKey, fingerprint, type, correlationId, createdAt } = command;
  const violation = decision.kind === "rejected" ? decision.violations[0] : undefined;
  const { account, amount } = command.reversal === undefined ? command : shownOf(command, facts);
  const operation: NewOperation = {
    operationId: commandId,
    principal,
    idempotencyKey,
    fingerprint,
    type,
    status: violation === undefined ? "COMPLETED" : "REJECTED",
    rejection: violation && { code: violation.code, message: violation.message },
    accountId: account,
    amount,
    batchId,
    correlationId,
    createdAt,
    completedAt: draft.bookedAt,
  };
  draft.operations.push(operation);
  return operation;
}

/** A reversal of one movement is about that movement's account and amount. */
function shownOf(command: PostingCommand, { originals }: CommitFacts): Pick<PostingCommand, "account" | "amount"> {
  const instructions = originals.get(command.commandId)?.instructions ?? [];
  const [leg] = instructions[0]?.legs ?? [];
  if (instructions.length !== 1 || leg === undefined || instructions[0]!.type === "CUSTOM_INSTRUCTION") return {};
  return { account: leg.accountId, amount: { amount: leg.amount, currency: leg.denomination } };
}
