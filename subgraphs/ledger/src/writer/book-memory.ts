import {
  clientTransactionKey,
  coordinateKey,
  type BookView,
  type ClientTransactionState,
  type Instant,
  type Uuid,
} from "@florin/kernel";
import type { AccountTerms, BookHead, StoredBalance, WriterState, WriterStateQuery } from "@florin/db/ledger";
import { toAccountState } from "./book-view.js";
import type { ProductCatalogue } from "./product-catalogue.js";

/** What the book will be once everything under way is committed. */
export interface MemoryHead {
  readonly batch: bigint;
  readonly seq: bigint;
  readonly knownAt: Instant;
  readonly outboxPosition: bigint;
  readonly link: Uint8Array;
}

interface Remembered {
  readonly owners: readonly string[];
  /** Of each coordinate's last posting, by `coordinateKey`: where the balance row stands, or will. */
  readonly seqs: Map<string, bigint>;
  /** The commit that used it last, as `begin` counts them. */
  usedAt: number;
}

/**
 * The part of the book that the writer holds in memory: head, accounts with their balances, client transactions. It is what the database
 * will hold once the commits under way are through, and so it is dropped, all of it, at every doubt: a commit that failed or whose
 * outcome is unknown, a lease that was lost or taken. The database refuses a commit made from a memory that is wrong (apply-batch.ts).
 *
 * Bounded by `limit` accounts and as many client transactions: beyond it what was not used lately goes, never what a commit uses that has
 * not ended: the database does not have it yet, and what is read again would be older than what was decided.
 */
export class BookMemory {
  head: MemoryHead;
  readonly view: BookView = { accounts: new Map(), clientTransactions: new Map(), reversed: new Set() };
  readonly #remembered = new Map<Uuid, Remembered>();
  readonly #transactionsUsedAt = new Map<string, number>();
  readonly #open = new Set<number>();
  #begun = 0;
  readonly #limit: number;

  constructor(head: BookHead, limit: number) {
    const { batch, seq, knownAt, outboxPosition, link } = head;
    this.head = { batch, seq, knownAt, outboxPosition, link };
    this.#limit = limit;
  }

  /** A commit is being made, from its first look to its end: what it uses stays until `end`. Commits are made one after the other. */
  begin(): number {
    this.#open.add(++this.#begun);
    return this.#begun;
  }

  /** It is through: there is room again. One that failed has no end, it takes the whole memory with it. */
  end(commit: number): void {
    this.#open.delete(commit);
    this.#trim();
  }

  /**
   * What of the query must be read: keys of commands always, accounts and client transactions that are not here. What is here is marked
   * as used by the commit that asks: the one before may end, and make room, while this one reads.
   */
  missing(query: WriterStateQuery): WriterStateQuery {
    const accountIds = new Set<Uuid>();
    const want = (accountId: Uuid): void => {
      if (!this.#isHere(accountId)) accountIds.add(accountId);
    };
    query.accountIds.forEach(want);
    const clientTransactions = query.clientTransactions.filter(({ clientId, clientTransactionId }) => {
      const key = clientTransactionKey(clientId, clientTransactionId);
      const known = this.view.clientTransactions.get(key);
      if (known === undefined) return true;
      this.touchTransaction(key);
      for (const party of [known.target, known.counterparty]) if (party !== undefined) want(party);
      return false;
    });
    return { ...query, accountIds: [...accountIds].sort(), clientTransactions };
  }

  #isHere(accountId: Uuid): boolean {
    const remembered = this.#remembered.get(accountId);
    if (remembered === undefined) return false;
    remembered.usedAt = this.#begun;
    return true;
  }

  /** Takes in what was read. What is here already stays as it is: it may be ahead of what was read. */
  learn(state: WriterState, terms: ReadonlyMap<Uuid, AccountTerms>, catalogue: ProductCatalogue): void {
    const balances = groupByAccount(state.balances);
    for (const account of state.accounts) {
      const { accountId, owners } = account;
      if (this.#remembered.has(accountId)) continue;
      const own = balances.get(accountId) ?? [];
      this.view.accounts.set(accountId, { ...toAccountState(account, own, catalogue), ...terms.get(accountId) });
      this.#remembered.set(accountId, { owners, seqs: seqsOf(own), usedAt: this.#begun });
    }
    for (const transaction of state.clientTransactions) this.#learnTransaction(transaction);
  }

  #learnTransaction(transaction: ClientTransactionState): void {
    const key = clientTransactionKey(transaction.clientId, transaction.clientTransactionId);
    if (this.view.clientTransactions.has(key)) return;
    this.view.clientTransactions.set(key, transaction);
    this.#transactionsUsedAt.set(key, this.#begun);
  }

  /** An account that a command opens; its state is put into the view by whoever decides. */
  addAccount(accountId: Uuid, owners: readonly string[]): void {
    this.#remembered.set(accountId, { owners, seqs: new Map(), usedAt: this.#begun });
  }

  ownersOf(accountId: Uuid): readonly string[] {
    return this.#remembered.get(accountId)?.owners ?? [];
  }

  /** Moves a coordinate on to `accountSeq`; where it stood before, undefined when nothing was ever posted there. */
  advance(accountId: Uuid, coordinate: string, accountSeq: bigint): bigint | undefined {
    const remembered = this.#remembered.get(accountId);
    if (remembered === undefined) throw new Error(`account ${accountId} was posted to and is not in memory`);
    const previous = remembered.seqs.get(coordinate);
    remembered.seqs.set(coordinate, accountSeq);
    remembered.usedAt = this.#begun;
    return previous;
  }

  touchTransaction(key: string): void {
    this.#transactionsUsedAt.set(key, this.#begun);
  }

  forget(accountIds: Iterable<Uuid>): void {
    for (const accountId of accountIds) {
      this.#remembered.delete(accountId);
      this.view.accounts.delete(accountId);
    }
  }

  #trim(): void {
    this.view.reversed?.clear(); // known for one commit, which had the book to itself
    const horizon = Math.min(...this.#open, this.#begun + 1);
    if (this.#remembered.size > this.#limit)
      for (const accountId of leastRecent(this.#remembered, ({ usedAt }) => usedAt, this.#limit / 2, horizon))
        this.forget([accountId]);
    if (this.#transactionsUsedAt.size > this.#limit)
      for (const key of leastRecent(this.#transactionsUsedAt, (usedAt) => usedAt, this.#limit / 2, horizon)) {
        this.#transactionsUsedAt.delete(key);
        this.view.clientTransactions.delete(key);
      }
  }
}

function groupByAccount(balances: readonly StoredBalance[]): ReadonlyMap<Uuid, readonly StoredBalance[]> {
  const groups = new Map<Uuid, StoredBalance[]>();
  for (const balance of balances) {
    const group = groups.get(balance.accountId);
    if (group === undefined) groups.set(balance.accountId, [balance]);
    else group.push(balance);
  }
  return groups;
}

function seqsOf(balances: readonly StoredBalance[]): Map<string, bigint> {
  return new Map(balances.map((balance) => [coordinateKey(balance), balance.accountSeq]));
}

/** Enough keys, the longest unused first, to leave `keep`; none that was used from `horizon` on. */
function leastRecent<Key, Value>(
  entries: ReadonlyMap<Key, Value>,
  usedAt: (value: Value) => number,
  keep: number,
  horizon: number,
): readonly Key[] {
  const old = [...entries].filter(([, value]) => usedAt(value) < horizon);
  old.sort(([, a], [, b]) => usedAt(a) - usedAt(b));
  return old.slice(0, Math.max(0, entries.size - keep)).map(([key]) => key);
}
