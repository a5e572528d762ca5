import {
  addMicros,
  clientTransactionKey,
  coordinateKey,
  formatId,
  type BookView,
  type ClientTransactionState,
  type DecidedLeg,
  type IdSource,
  type Instant,
  type Json,
  type NewEvent,
  type Uuid,
} from "@florin/kernel";
import type {
  BalanceWrite,
  BookHead,
  BookWrite,
  NewAccount,
  NewBatch,
  NewInstruction,
  NewOperation,
  NewPosting,
  PositionedEvent,
  StoredAccount,
} from "@florin/db/ledger";
import type { ProductCatalogue } from "./product-catalogue.js";

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

/**
 * A commit in the making: rows are collected command by command, and `seq`, `known_at` and outbox positions are handed out in
 * that order, continuing from the head (ORD-1). Holds the view that the commands are decided over.
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
  /** Bugs that were met while judging a batch; for the log. */
  readonly faults: unknown[] = [];
  readonly #events: PositionedEvent[] = [];
  readonly #touched = new Map<string, DecidedLeg>();
  readonly #owners: Map<Uuid, readonly string[]>;
  #seq: bigint;
  #knownAt: Instant;
  #outboxPosition: bigint;

  constructor(given: {
    readonly head: BookHead;
    readonly view: BookView;
    readonly accounts: readonly StoredAccount[];
    readonly catalogue: ProductCatalogue;
    readonly bookedAt: Instant;
    readonly ids: IdSource;
  }) {
    this.view = given.view;
    this.catalogue = given.catalogue;
    this.bookedAt = given.bookedAt;
    this.ids = given.ids;
    this.#owners = new Map(given.accounts.map((account) => [account.accountId, account.owners]));
    this.#seq = given.head.seq;
    this.#knownAt = given.head.knownAt;
    this.#outboxPosition = given.head.outboxPosition;
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

  addPosting(posting: NewPosting): void {
    this.postings.push(posting);
    this.#touched.set(`${posting.leg.accountId}|${coordinateKey(posting.leg)}`, posting.leg);
  }

  /** What the ledger made an id for and has closed is known by its operation; everything else is kept (CT-1). */
  addClientTransaction(transaction: ClientTransactionState): void {
    const { kind, clientId, clientTransactionId } = transaction;
    if (kind === "MOVEMENT" && clientTransactionId.startsWith("op_")) return;
    this.clientTransactions.set(clientTransactionKey(clientId, clientTransactionId), transaction);
  }

  ownersOf(accountId: Uuid): readonly string[] {
    return this.#owners.get(accountId) ?? [];
  }

  addAccount(account: NewAccount): void {
    this.openedAccounts.push(account);
    this.#owners.set(account.accountId, account.owners);
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

  /** undefined when no command changed anything. */
  toWrite(
    given: Pick<BookWrite, "bookId" | "leaseMs" | "epoch" | "expectedBatch" | "isFenced" | "drainedCommandIds">,
  ): BookWrite | undefined {
    if (this.#events.length === 0) return undefined; // nothing that happens here happens in silence
    if (this.batches.length === 0) this.#advanceKnownAt();
    return {
      ...given,
      next: {
        seq: this.#seq,
        knownAt: this.#knownAt,
        outboxPosition: this.#outboxPosition,
        link: new Uint8Array(32),
      },
      clientTransactions: [...this.clientTransactions.values()],
      resourceChanges: [],
      openedAccounts: this.openedAccounts,
      closedAccounts: this.closedAccounts,
      operations: this.operations,
      batches: this.batches,
      instructions: this.instructions,
      postings: this.postings,
      balances: this.#balances(),
      events: this.#events,
    };
  }

  /** The touched coordinates as they are after the last command; `account_seq` of the last posting at each. */
  #balances(): BalanceWrite[] {
    return [...this.#touched.values()].map((leg) => {
      const { accountId, address, asset, denomination, phase, accountSeq } = leg;
      const totals = this.view.accounts.get(accountId)?.totals.get(coordinateKey(leg));
      if (totals === undefined)
        throw new Error(`${formatId("account", accountId)} was posted to but is not in the view`);
      return { accountId, address, asset, denomination, phase, accountSeq, ...totals };
    });
  }

  #advanceKnownAt(): void {
    const next = addMicros(this.#knownAt, 1n);
    this.#knownAt = this.bookedAt > next ? this.bookedAt : next;
  }
}
