import type { Instant } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/** Fence, order and clock of a book (ORD-1). Whoever swaps this row in their transaction is the book's writer at that moment. */
export interface BookHead {
  /** Grows with each change of hands: a writer of an older epoch can no longer commit. */
  readonly epoch: bigint;
  readonly holder: string | null;
  readonly batch: bigint;
  readonly seq: bigint;
  readonly knownAt: Instant;
  readonly outboxPosition: bigint;
}

export interface LeaseClaim {
  readonly bookId: number;
  /** Unique per process: the same name twice would share one lease. */
  readonly holder: string;
  readonly leaseMs: number;
}

/** Only the database's own clock counts, so machines need not agree on the time. */
const leaseEnd = (sql: Sql | Transaction, leaseMs: number) =>
  sql`clock_timestamp() + make_interval(secs => ${leaseMs / 1000}::float8)`;

/** Takes a lease that has run out (or is ours) and bumps the epoch. undefined: somebody else holds it. */
export async function claimLease(sql: Sql, claim: LeaseClaim): Promise<bigint | undefined> {
  const rows = await sql<{ epoch: bigint }[]>`
    update ledger.head set epoch = epoch + 1, holder = ${claim.holder}, lease_until = ${leaseEnd(sql, claim.leaseMs)}
    where book_id = ${claim.bookId} and (lease_until < clock_timestamp() or holder = ${claim.holder})
    returning epoch`;
  return rows[0]?.epoch;
}

/** false: the lease is lost. Batches renew it too; this is for the quiet times between them. */
export async function renewLease(sql: Sql, claim: LeaseClaim, epoch: bigint): Promise<boolean> {
  const rows = await sql`
    update ledger.head set lease_until = ${leaseEnd(sql, claim.leaseMs)}
    where book_id = ${claim.bookId} and epoch = ${epoch} and holder = ${claim.holder}
    returning 1`;
  return rows.length === 1;
}

/** Lets the next one in at once. Nothing happens when the lease is no longer ours. */
export async function releaseLease(sql: Sql, claim: LeaseClaim, epoch: bigint): Promise<void> {
  await sql`
    update ledger.head set lease_until = '-infinity', holder = null
    where book_id = ${claim.bookId} and epoch = ${epoch} and holder = ${claim.holder}`;
}

export async function getHead(sql: Sql | Transaction, bookId: number): Promise<BookHead> {
  const [head] = await sql<BookHead[]>`
    select epoch, holder, batch, seq, known_at as "knownAt", outbox_position as "outboxPosition"
    from ledger.head where book_id = ${bookId}`;
  if (head === undefined) throw new Error(`book ${bookId} has no head row. Run the migrations.`);
  return head;
}
