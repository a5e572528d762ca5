import type { Instant, Json, Money, Uuid } from "@florin/kernel";

/**
 * What the book's writer can be told to do. A command carries everything the writer needs to decide; it was parsed and
 * authorised before. JSON-safe through `commandToJson` / `commandFromJson`, as it may wait in `ledger.command`.
 */
export type LedgerCommand = PostingCommand | OpenAccountCommand | CloseAccountCommand;

export type OperationType = "DEPOSIT" | "WITHDRAWAL" | "BOOK_TRANSFER" | "REVERSAL" | "PAYMENT" | "OTHER";

interface CommandBase {
  /** Made from (principal, idempotency key) by `operationIdOf`, so two equal calls agree on it before they meet. */
  readonly commandId: Uuid;
  readonly principal: string;
  readonly idempotencyKey: string;
  /** SHA-256 of the canonical JSON of the input without `idempotencyKey` and `waitMs`. */
  readonly fingerprint: string;
  readonly correlationId: string;
  readonly createdAt: Instant;
}

export interface PostingCommand extends CommandBase {
  readonly kind: "posting";
  readonly type: OperationType;
  readonly clientBatchId?: string | undefined;
  readonly valueAt?: Instant | undefined;
  readonly details?: Json | undefined;
  readonly instructions: readonly ProposedInstruction[];
  /** What the operation shows: the account it is about and its amount, when there is one. */
  readonly account?: Uuid | undefined;
  readonly amount?: Money | undefined;
}

export type AccountReference =
  | { readonly accountId: Uuid }
  /** An internal account by its code; the currency is the instruction's. */
  | { readonly internalCode: string };

/** The three types of the first form; the kernel's own instruction types grow from here. */
export type ProposedInstruction = {
  readonly type: "INBOUND_HARD_SETTLEMENT" | "OUTBOUND_HARD_SETTLEMENT" | "TRANSFER";
  /** Settlements: the customer's account. Transfers: the debtor. */
  readonly target: AccountReference;
  /** Settlements: the internal account. Transfers: the creditor. */
  readonly counterparty: AccountReference;
  readonly money: Money;
  readonly clientTransactionId?: string | undefined;
  readonly advice?: boolean | undefined;
  readonly details?: Json | undefined;
};

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
