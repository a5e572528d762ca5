import {
  addMicros,
  amountToNumeric,
  canonicalJson,
  clientTransactionKey,
  coordinateKey,
  formatId,
  formatInstant,
  type BookView,
  type ClientTransactionState,
  type DecidedLeg,
  type IdSource,
  type Instant,
  type Json,
  type NewEvent,
  type Uuid,
} from "@florin/kernel";
import { newTermsWrite } from "@florin/db/ledger";
import type {
  BalanceWrite,
  BookWrite,
  NewAccount,
  NewBatch,
  NewInstruction,
  NewOperation,
  NewPosting,
  NewResourceChange,
  PositionedEvent,
} from "@florin/db/ledger";
import type { BookMemory, MemoryHead } from "./book-memory.js";
import type { ProductCatalogue } from "./product-catalogue.js";
import { sealRecords } from "./seal-records.js";

/** Staff and auditors may see every event of the ledger. */
const OVERSIGHT = ["role:staff", "role:auditor"] as const;

/** What an event is about; its id, time, position and place are the draft's business. */
export interface EventFacts {
  readonly eventId?: Uuid;
  readonly key: string;
  readonly type: string;
  readonly correlationId: string;
  readonly causationId?: string | undefined;
  readonly changeId?: string | undefined;
  /** Beside staff and auditors. */
  readonly audience: readonly string[];
  readonly payload: Json;
}

/** A change that is no batch, for the book's order and the audit chain (INV-4, AUD-1). Nothing personal in the body. */
export interface ResourceChangeFacts {
  readonly kind: string;
  /** The thing's id at the border. */
  readonly key: string;
  readonly principal: string;
  readonly correlationId: string;
  readonly body: Json;
}

export interface DraftOptions {
  readonly memory: BookMemory;
  readonly catalogue: ProductCatalogue;
  readonly bookedAt: Instant;
  readonly ids: IdSource;
  /** 16 bytes of randomness for what clients wrote freely (AUD-4). undefined: the chain is left out (a benchmark's measure). */
  readonly newSalt: (() => Uint8Array) | undefined;
}

/**
 * A commit in the making: rows are collected command by command, and `seq`, `known_at` and outbox positions are handed out in
 * that order, continuing from the head (ORD-1). Decided over the writer's memory, which it moves on as it goes: once `toWrite` was called
 * the memory is the book as it will be when the commit is through.
 */
export class CommitDraft {
  readonly view: BookView;
  readonly catalogue: ProductCatalogue;
  /** When all of this is booked. */
  readonly bookedAt: Instant;
  readonly ids: IdSource;
  readonly openedAccounts: NewAccount[] = [];
  readonly closedAccounts: { accountId: Uuid; closedAt: Instant }[] = [];
  readonly operations: NewOperation[] = [];
  readonly batches: NewBatch[] = [];
  readonly instructions: NewInstruction[] = [];
  readonly postings: NewPosting[] = [];
  readonly clientTransactions = new Map<string, ClientTransactionState>();
  /** Of accounts, products and hooks, beside money. */
  readonly terms = newTermsWrite();
  /** Bugs that were met while judging a batch; for the log. */
  readonly faults: unknown[] = [];
  readonly #resourceChanges: Omit<NewResourceChange, "link">[] = [];
  readonly #events: PositionedEvent[] = [];
  /** By account and `coordinateKey`: the last leg there. */
  readonly #touched = new Map<Uuid, Map<string, DecidedLeg>>();
  readonly #options: DraftOptions;
  readonly #bookedAtText: string;
  #seq: bigint;
  #knownAt: Instant;
  #outboxPosition: bigint;

  constructor(options: DraftOptions) {
    const { memory } = options;
    this.#options = options;
    this.view = memory.view;
    this.catalogue = options.catalogue;
    this.bookedAt = options.bookedAt;
    this.#bookedAtText = formatInstant(options.bookedAt);
    this.ids = options.ids;
    this.#seq = memory.head.seq;
    this.#knownAt = memory.head.knownAt;
    this.#outboxPosition = memory.head.outboxPosition;
  }

  get outboxPosition(): bigint {
    return this.#outboxPosition;
  }

  /** The next place in the book's order; `known_at` strictly increases, also when the machine's clock does not. */
  nextRecord(): { readonly seq: bigint; readonly knownAt: Instant } {
    this.#seq += 1n;
    this.#advanceKnownAt();
    return { seq: this.#seq, knownAt: this.#knownAt };
  }

  addPosting(posting: {
    readonly leg: DecidedLeg;
    readonly seq: bigint;
    readonly batchId: Uuid;
    readonly valueAt: Instant;
  }): void {
    const { leg, seq, batchId, valueAt } = posting;
    const { accountId, accountSeq, ordinal, address, asset, denomination, phase, side, after } = leg;
    this.postings.push({
      batchId,
      seq,
      ordinal,
      accountId,
      accountSeq: accountSeq.toString(),
      address,
      asset,
      denomination,
      phase,
      side,
      amount: amountToNumeric(leg.amount, denomination),
      valueAt: valueAt === this.bookedAt ? this.#bookedAtText : formatInstant(valueAt),
      bookedAt: this.#bookedAtText,
      committedAfter: amountToNumeric(after.committed, denomination),
      pendingInAfter: amountToNumeric(after.pendingIn, denomination),
      pendingOutAfter: amountToNumeric(after.pendingOut, denomination),
    });
    const touched = this.#touched.get(accountId);
    if (touched === undefined) this.#touched.set(accountId, new Map([[coordinateKey(leg), leg]]));
    else touched.set(coordinateKey(leg), leg);
  }

  /** What the ledger made an id for and has closed is known by its operation; everything else is kept (CT-1). */
  addClientTransaction(transaction: ClientTransactionState): void {
    const { kind, clientId, clientTransactionId } = transaction;
    const key = clientTransactionKey(clientId, clientTransactionId);
    if (kind === "MOVEMENT" && clientTransactionId.startsWith("op_")) {
      this.view.clientTransactions.delete(key);
      return;
    }
    this.clientTransactions.set(key, transaction);
    this.#options.memory.touchTransaction(key);
  }

  /** Its place in the book's order, for the rows that it is about. */
  addResourceChange({ body, ...facts }: ResourceChangeFacts): { readonly seq: bigint; readonly knownAt: Instant } {
    const record = this.nextRecord();
    this.#resourceChanges.push({ ...facts, ...record, body: canonicalJson(body) });
    return record;
  }

  ownersOf(accountId: Uuid): readonly string[] {
    return this.#options.memory.ownersOf(accountId);
  }

  addAccount(account: NewAccount): void {
    this.openedAccounts.push(account);
    this.#options.memory.addAccount(account.accountId, account.owners);
  }

  addEvent(facts: EventFacts): void {
    this.#outboxPosition += 1n;
    const event: NewEvent = {
      ...facts,
      eventId: facts.eventId ?? this.ids.next(),
      schemaVersion: 1,
      occurredAt: this.bookedAt,
      audience: [...facts.audience, ...OVERSIGHT],
    };
    this.#events.push({ position: this.#outboxPosition, event });
  }

  /** Events that are read again from the batch's own rows (posted-events.ts): the position of the last one. */
  takePositions(count: number): bigint {
    this.#outboxPosition += BigInt(count);
    return this.#outboxPosition;
  }

  /** undefined when no command changed anything. Moves the memory on. */
  toWrite(
    given: Pick<BookWrite, "bookId" | "leaseMs" | "epoch" | "isFenced" | "drainedCommandIds">,
  ): BookWrite | undefined {
    const { memory, newSalt } = this.#options;
    if (this.#outboxPosition === memory.head.outboxPosition) return undefined; // nothing that happens here happens in silence
    if (this.#seq === memory.head.seq) this.#advanceKnownAt();
    const sealed = sealRecords(memory.head.link, newSalt, {
      operations: this.operations,
      batches: this.batches,
      instructions: this.instructions,
      postings: this.postings,
      resourceChanges: this.#resourceChanges,
    });
    const { batch: expectedBatch } = memory.head;
    const balances = this.#balances();
    const next: MemoryHead = {
      batch: expectedBatch + 1n,
      seq: this.#seq,
      knownAt: this.#knownAt,
      outboxPosition: this.#outboxPosition,
      link: sealed.link,
    };
    memory.head = next;
    return {
      ...given,
      expectedBatch,
      next,
      openedAccounts: this.openedAccounts,
      closedAccounts: this.closedAccounts,
      operations: this.operations,
      batches: this.batches,
      instructions: this.instructions,
      postings: this.postings,
      balances,
      clientTransactions: [...this.clientTransactions.values()],
      resourceChanges: sealed.resourceChanges,
      events: this.#events,
      terms: this.terms,
    };
  }

  /** The touched coordinates as they are after the last command; `account_seq` of the last posting at each. */
  #balances(): BalanceWrite[] {
    const { memory } = this.#options;
    const balances: BalanceWrite[] = [];
    for (const [accountId, coordinates] of this.#touched) {
      const account = this.view.accounts.get(accountId);
      for (const [key, leg] of coordinates) {
        const totals = account?.totals.get(key);
        if (totals === undefined)
          throw new Error(`${formatId("account", accountId)} was posted to but is not in the view`);
        balances.push({
          accountId,
          address: leg.address,
          asset: leg.asset,
          denomination: leg.denomination,
          phase: leg.phase,
          totalDebit: totals.totalDebit,
          totalCredit: totals.totalCredit,
          accountSeq: leg.accountSeq,
          previousSeq: memory.advance(accountId, key, leg.accountSeq),
        });
      }
    }
    return balances;
  }

  #advanceKnownAt(): void {
    const next = addMicros(this.#knownAt, 1n);
    this.#knownAt = this.bookedAt > next ? this.bookedAt : next;
  }
}
