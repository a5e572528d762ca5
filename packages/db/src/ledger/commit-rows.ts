import type {
  ClientTransactionState,
  Coordinate,
  CurrencyCode,
  Instant,
  InstructionReference,
  Json,
  Money,
  NewEvent,
  Totals,
  Uuid,
} from "@florin/kernel";
import type { PostingPart } from "@florin/audit";
import type { TermsWrite } from "./terms-writes.js";
import type { StoredOperation } from "./writer-state.js";

/** Everything that one commit writes, row by row; apply-batch.ts says how. */
export interface BookWrite {
  readonly bookId: number;
  readonly leaseMs: number;
  readonly epoch: bigint;
  /** The head as it was read; swapped for `next`. */
  readonly expectedBatch: bigint;
  /** Only ever false in the control of a test, which shows what the fence is for. */
  readonly isFenced: boolean;
  readonly next: {
    readonly seq: bigint;
    readonly knownAt: Instant;
    readonly outboxPosition: bigint;
    /** Of the audit chain: of the last record. */
    readonly link: Uint8Array;
  };
  readonly openedAccounts: readonly NewAccount[];
  readonly closedAccounts: readonly { readonly accountId: Uuid; readonly closedAt: Instant }[];
  readonly operations: readonly NewOperation[];
  readonly batches: readonly NewBatch[];
  readonly postings: readonly NewPosting[];
  readonly instructions: readonly NewInstruction[];
  readonly balances: readonly BalanceWrite[];
  /** Opened or changed, as they are now. Movements whose id the ledger made have none. */
  readonly clientTransactions: readonly ClientTransactionState[];
  readonly resourceChanges: readonly NewResourceChange[];
  readonly events: readonly PositionedEvent[];
  /** Of accounts, products and hooks, beside money. */
  readonly terms: TermsWrite;
  /** Rows of `ledger.command` whose effect this is. */
  readonly drainedCommandIds: readonly Uuid[];
}

export interface NewAccount {
  readonly accountId: Uuid;
  readonly productVersionId: Uuid;
  readonly denomination: CurrencyCode;
  readonly tside: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly openedAt: Instant;
  readonly owners: readonly string[];
}

export interface NewOperation {
  readonly operationId: Uuid;
  readonly principal: string;
  readonly idempotencyKey: string;
  readonly fingerprint: string;
  readonly type: StoredOperation["type"];
  readonly status: "COMPLETED" | "REJECTED";
  readonly rejection?: { readonly code: string; readonly message: string } | undefined;
  readonly accountId?: Uuid | undefined;
  readonly amount?: Money | undefined;
  /** undefined: it was no batch (terms of accounts, products, periods). */
  readonly batchId: Uuid | undefined;
  readonly correlationId: string;
  readonly createdAt: Instant;
  readonly completedAt: Instant;
}

export interface NewBatch {
  readonly batchId: Uuid;
  readonly seq: bigint;
  readonly clientId: string;
  readonly clientBatchId?: string | undefined;
  readonly status: "ACCEPTED" | "REJECTED";
  readonly rejections: Json;
  /** Of a rejected batch only: what was proposed. */
  readonly proposed?: Json | undefined;
  readonly details?: Json | undefined;
  readonly valueAt: Instant;
  readonly bookedAt: Instant;
  readonly knownAt: Instant;
  readonly origin: "CLIENT" | "CONTRACT" | "EXPIRY";
  readonly emittedBy?: { readonly accountId: Uuid; readonly cascadeDepth: number } | undefined;
  /** What was noted and not refused: {acceptedDespite, intermediateNegative, adjustsPeriod}. */
  readonly remarks?: Json | undefined;
  /** The last position of what it told, when that is derived from its own rows (posted-events.ts). */
  readonly outboxPosition?: bigint | undefined;
  readonly operationId?: Uuid | undefined;
  /** Set when the commit is sealed. Absent only where a benchmark measures what the chain costs. */
  link?: Uint8Array | undefined;
  /** AUD-4: of what the client wrote freely, and its digest in the chain (hex). Set when the commit is sealed. */
  detailsSalt?: Uint8Array | undefined;
  detailsDigest?: string | undefined;
}

export interface NewInstruction {
  readonly batchId: Uuid;
  readonly ordinal: number;
  readonly type: string;
  readonly clientId: string;
  readonly clientTransactionId: string;
  readonly details?: Json | undefined;
  /** Where it says more than most: advice, overrides, device, related, fx, trued-up batches. */
  readonly terms?: Json | undefined;
  /** CT-9, except of movements. Amounts as decimal strings. */
  readonly effect?: Json | undefined;
  readonly reverses?: InstructionReference | undefined;
}

/** A change that is no batch: it has its place in the book's order and in the audit chain. */
export interface NewResourceChange {
  readonly seq: bigint;
  readonly knownAt: Instant;
  readonly kind: string;
  /** The thing's id at the border. */
  readonly key: string;
  readonly principal: string;
  readonly correlationId: string;
  /** Canonical JSON without anything personal. */
  readonly body: string;
  readonly link: Uint8Array;
}

/** A leg as it is stored and as it is hashed: the same texts. */
export interface NewPosting extends PostingPart {
  readonly batchId: Uuid;
  readonly seq: bigint;
}

export interface BalanceWrite extends Coordinate, Totals {
  readonly accountSeq: bigint;
  /** `accountSeq` as the writer saw it before; undefined: there was none. */
  readonly previousSeq: bigint | undefined;
}

export interface PositionedEvent {
  readonly position: bigint;
  readonly event: NewEvent;
}
