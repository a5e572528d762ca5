import { z } from "zod";
import { answerEventIdOf } from "@florin/db";
import type { NewOperation, StoredAnswer, StoredOperation, WriterState } from "@florin/db/ledger";
import type { Uuid } from "@florin/kernel";
import type {
  CloseAccountCommand,
  LedgerCommand,
  OpenAccountCommand,
  OperationRecord,
  PostingCommand,
  WriterOutcome,
} from "./command.js";
import type { CommitDraft } from "./commit-draft.js";
import { NO_FACTS, type CommitFacts } from "./commit-facts.js";
import { planClosing, planOpening } from "./plan-account.js";
import { planPosting } from "./plan-posting.js";
import { planTerms } from "./plan-terms.js";
import type { TermsCommand } from "./terms-command.js";

/**
 * Decides every command of a commit, in order, over one draft, and says what each caller is to be told once it is committed.
 * A command whose effect is there already is a replay (IDEM-3): nothing is added, its stored outcome is the answer.
 */
export function planCommands(
  draft: CommitDraft,
  state: WriterState,
  commands: readonly LedgerCommand[],
  facts: CommitFacts = NO_FACTS,
): ReadonlyMap<Uuid, WriterOutcome> {
  const operations = new Map(state.operations.map((operation) => [operation.operationId, operation]));
  const answers = new Map(state.answers.map((answer) => [answer.eventId, answer]));
  const outcomes = new Map<Uuid, WriterOutcome>();
  for (const command of commands) {
    outcomes.set(command.commandId, decide(command));
  }
  return outcomes;

  function decide(command: LedgerCommand): WriterOutcome {
    return command.kind === "posting" || command.kind === "terms" ? decideOperation(command) : decideAccount(command);
  }

  function decideOperation(command: PostingCommand | TermsCommand): WriterOutcome {
    const stored = operations.get(command.commandId);
    if (stored !== undefined) return replayOf(stored, command, draft.outboxPosition);
    return planNewOperation(draft, command, facts);
  }

  function decideAccount(command: OpenAccountCommand | CloseAccountCommand): WriterOutcome {
    const answered = answers.get(answerEventIdOf(command.commandId));
    if (answered !== undefined) return toAccountOutcome(command.accountId, answered);
    return command.kind === "account.open" ? planOpening(draft, command, facts) : planClosing(draft, command, facts);
  }
}

function planNewOperation(
  draft: CommitDraft,
  command: PostingCommand | TermsCommand,
  facts: CommitFacts,
): WriterOutcome {
  const planned = command.kind === "terms" ? planTerms(draft, command, facts) : planPosting(draft, command, facts);
  const operation = toOperationRecord(planned);
  return { kind: "operation", operation, isReplay: false, outboxPosition: draft.outboxPosition };
}

/** @param outboxPosition the stream's head when the operation was read: its events stand at or before it. */
export function replayOf(
  stored: StoredOperation,
  command: Pick<LedgerCommand, "fingerprint">,
  outboxPosition: bigint,
): WriterOutcome {
  if (stored.fingerprint !== command.fingerprint) return { kind: "key-reused" };
  return { kind: "operation", operation: toOperationRecord(stored), isReplay: true, outboxPosition };
}

const answerPayload = z.object({ code: z.string().optional(), message: z.string().optional() });

export function toAccountOutcome(accountId: Uuid, stored: StoredAnswer): WriterOutcome {
  const { code, message } = answerPayload.parse(stored.payload);
  return {
    kind: "account",
    accountId,
    rejection: code === undefined || message === undefined ? undefined : { code, message },
  };
}

function toOperationRecord(operation: NewOperation | StoredOperation): OperationRecord {
  const { operationId, principal, type, status, rejection, accountId, amount, batchId, createdAt, completedAt } =
    operation;
  return { operationId, principal, type, status, rejection, accountId, amount, batchId, createdAt, completedAt };
}
