import type { FxRecord, Instant, Json, Money, OnExpired, Phase, RestrictionType, Side, Uuid } from "@florin/kernel";
import type { CommandBase } from "./command-base.js";
import { needsQuietTerms, type ExecutionFacts, type NotificationFacts, type TermsCommand } from "./terms-command.js";

/**
 * What the book's writer can be told to do. A command carries everything the writer needs to decide; it was parsed and
 * authorised before. JSON-safe through `commandToJson` / `commandFromJson`, as it may wait in `ledger.command`.
 */
export type LedgerCommand = PostingCommand | OpenAccountCommand | CloseAccountCommand | TermsCommand;

export type OperationType = "DEPOSIT" | "WITHDRAWAL" | "BOOK_TRANSFER" | "REVERSAL" | "PAYMENT" | "OTHER";

export interface PostingCommand extends CommandBase {
  readonly kind: "posting";
  readonly type: OperationType;
  /** Whose client transactions these are (CT-1), where it is not the principal: the system acts for somebody else. */
  readonly clientId?: string | undefined;
  readonly clientBatchId?: string | undefined;
  readonly valueAt?: Instant | undefined;
  readonly details?: Json | undefined;
  /** Empty when it reverses: what to do is then read from what was done. */
  readonly instructions: readonly ProposedInstruction[];
  readonly reversal?: ReversalRequest | undefined;
  /** What the operation shows: the account it is about and its amount, when there is one. */
  readonly account?: Uuid | undefined;
  readonly amount?: Money | undefined;
  /** Absent: CLIENT. */
  readonly origin?: "CLIENT" | "CONTRACT" | "EXPIRY" | undefined;
  /** `posting.address`, `posting.custom.pending`, `posting.backdate.closed_period`, `posting.override.<type>`. Absent: none. */
  readonly permissions?: readonly string[] | undefined;
  /** Of origin CONTRACT: whose hook it came from, and how many batches of products lie between it and a client (HOOK-3). */
  readonly emittedBy?: { readonly accountId: Uuid; readonly cascadeDepth: number } | undefined;
  /** Of origin CONTRACT: the run that it comes from, recorded with it (HOOK-4), and what else that run said. */
  readonly execution?: ExecutionFacts | undefined;
  readonly notifications?: readonly NotificationFacts[] | undefined;
}

/** T-8: a whole batch is taken back, at most once. */
export interface ReversalRequest {
  /** A batch's id, or that of the operation it belongs to. */
  readonly id: Uuid;
  readonly mode: "NOW" | "AT_ORIGINAL_VALUE";
}

export type AccountReference =
  | { readonly accountId: Uuid }
  /** An internal account by its code; the currency is the instruction's. */
  | { readonly internalCode: string };

/** What every instruction may say. */
interface ProposedBase {
  readonly clientTransactionId?: string | undefined;
  /** PI-4. */
  readonly advice?: boolean | undefined;
  readonly details?: Json | undefined;
  /** RES-3. */
  readonly overrideRestrictions?: readonly RestrictionType[] | undefined;
  readonly paymentDevice?: string | undefined;
}

interface ProposedOpenerBase extends ProposedBase {
  /** Settlements and authorisations: the customer's account. Transfers: the debtor. */
  readonly target: AccountReference;
  /** Settlements and authorisations: the internal account. Transfers: the creditor. */
  readonly counterparty: AccountReference;
  readonly money: Money;
  readonly asset?: string | undefined;
  readonly relatedClientTransactionId?: string | undefined;
}

export interface ProposedMovement extends ProposedOpenerBase {
  readonly type: "INBOUND_HARD_SETTLEMENT" | "OUTBOUND_HARD_SETTLEMENT" | "TRANSFER";
}

export interface ProposedAuthorisation extends ProposedOpenerBase {
  readonly type: "INBOUND_AUTHORISATION" | "OUTBOUND_AUTHORISATION";
  readonly expiresAfterMicros?: bigint | undefined;
  readonly onExpired?: OnExpired | undefined;
  readonly allowOverSettlement?: boolean | undefined;
}

interface ProposedFollowUpBase extends ProposedBase {
  readonly clientTransactionId: string;
  /** CT-2: left out, or what the opener said. */
  readonly target?: AccountReference | undefined;
  readonly counterparty?: AccountReference | undefined;
}

/** Amounts of follow-ups are decimal text: their currency is the opener's, which the writer knows (CT-2). */
export interface ProposedAdjustment extends ProposedFollowUpBase {
  readonly type: "AUTHORISATION_ADJUSTMENT";
  /** Exactly one of the two. */
  readonly delta?: string | undefined;
  readonly replaceTo?: string | undefined;
}

export interface ProposedSettlement extends ProposedFollowUpBase {
  readonly type: "SETTLEMENT";
  /** Absent: all that is outstanding, and final. */
  readonly amount?: string | undefined;
  readonly final?: boolean | undefined;
}

export interface ProposedRelease extends ProposedFollowUpBase {
  readonly type: "RELEASE";
}

export interface ProposedLeg {
  readonly account: AccountReference;
  readonly address?: string | undefined;
  readonly asset?: string | undefined;
  readonly phase?: Phase | undefined;
  readonly side: Side;
  readonly money: Money;
}

export interface ProposedCustom extends ProposedBase {
  readonly type: "CUSTOM_INSTRUCTION";
  readonly legs: readonly ProposedLeg[];
  readonly fx?: FxRecord | undefined;
  /** T-7. */
  readonly truesUp?: readonly Uuid[] | undefined;
}

export type ProposedOpener = ProposedMovement | ProposedAuthorisation;
export type ProposedFollowUp = ProposedAdjustment | ProposedSettlement | ProposedRelease;
/** The nine types of ledger.md §2.3, as a command carries them. */
export type ProposedInstruction = ProposedOpener | ProposedFollowUp | ProposedCustom;

export function isProposedFollowUp(instruction: ProposedInstruction): instruction is ProposedFollowUp {
  const { type } = instruction;
  return type === "AUTHORISATION_ADJUSTMENT" || type === "SETTLEMENT" || type === "RELEASE";
}

/** Whose client transactions the command's instructions belong to (CT-1). */
export function clientIdOf({ clientId, principal }: PostingCommand): string {
  return clientId ?? principal;
}

/**
 * Must it be decided with no other commit in flight? What it needs stands in the database alone: the batch that it takes back (T-8), what a
 * value time in the past meets (BAL-2), an account's open holds.
 */
export function needsQuietBook(command: LedgerCommand): boolean {
  if (command.kind === "account.close") return true;
  if (command.kind === "terms") return needsQuietTerms(command);
  return command.kind === "posting" && (command.reversal !== undefined || command.valueAt !== undefined);
}

/** Account commands come from other areas by event: what their answer says about where it came from. */
interface CommandCause {
  readonly causationId?: string | undefined;
  readonly changeId?: string | undefined;
}

export interface OpenAccountCommand extends CommandBase, CommandCause {
  readonly kind: "account.open";
  readonly accountId: Uuid;
  readonly owners: readonly string[];
  /** A product's id (`prod_…`) or code. */
  readonly product: string;
  readonly currency: string;
  readonly parameters: Json;
}

export interface CloseAccountCommand extends CommandBase, CommandCause {
  readonly kind: "account.close";
  readonly accountId: Uuid;
}

/** A stored operation, as the graph shows it. */
export interface OperationRecord {
  readonly operationId: Uuid;
  readonly principal: string;
  readonly type: OperationType;
  readonly status: "PENDING" | "COMPLETED" | "REJECTED";
  readonly rejection?: { readonly code: string; readonly message: string } | undefined;
  readonly accountId?: Uuid | undefined;
  readonly amount?: Money | undefined;
  readonly batchId?: Uuid | undefined;
  readonly createdAt: Instant;
  readonly completedAt?: Instant | undefined;
}

export type WriterOutcome =
  /** Committed now, or earlier under this key (`isReplay`). `outboxPosition`: what a consistency token must reach. */
  | {
      readonly kind: "operation";
      readonly operation: OperationRecord;
      readonly isReplay: boolean;
      readonly outboxPosition: bigint;
    }
  /** Account commands: what the ledger decided; told to the world by event, idempotent by account id. */
  | {
      readonly kind: "account";
      readonly accountId: Uuid;
      readonly rejection?: { readonly code: string; readonly message: string } | undefined;
    }
  /** Same key, other input: nothing was done. */
  | { readonly kind: "key-reused" };

export interface LedgerWriter {
  /**
   * Resolves when the command's effect (or an earlier one under the same key) is committed. Rejects with RequestError
   * TEMPORARILY_UNAVAILABLE when the queue is full or when the outcome is unknown after re-reading by key.
   * Works in every process: where the lease is elsewhere, through `ledger.command`.
   */
  submit(command: LedgerCommand): Promise<WriterOutcome>;
  /**
   * Makes the command durable without waiting for its effect: a row in `ledger.command`, or nothing when the effect is already
   * there. After it resolves, PENDING may be answered. Same key with another fingerprint: "key-reused".
   */
  enqueue(command: LedgerCommand): Promise<"durable" | "key-reused">;
  /** Does this process hold the book's lease just now? */
  isLeader(): boolean;
  /** Looks for new rows in `ledger.command` now instead of at the next poll. */
  wake(): void;
  stop(deadlineMs: number): Promise<void>;
}
