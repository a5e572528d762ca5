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
  /** Of the audit chain: of the record at `seq` (AUD-2). */
  readonly link: Uint8Array;
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

/** Told when a lease is given back, so that nobody waits for its end. */
export const LEASE_CHANNEL = "florin_ledger_lease";

export type ClaimedLease =
  | { readonly epoch: bigint }
  /** Somebody else's, for so long at least. */
  | { readonly epoch: undefined; readonly leftMs: number };

/** Takes a lease that has run out (or is ours) and bumps the epoch. */
export async function claimLease(sql: Sql, claim: LeaseClaim): Promise<ClaimedLease> {
  const rows = await sql<{ epoch: bigint | null; leftMs: number }[]>`
    with claimed as (
      update ledger.head set epoch = epoch + 1, holder = ${claim.holder}, lease_until = ${leaseEnd(sql, claim.leaseMs)}
      where book_id = ${claim.bookId} and (lease_until < clock_timestamp() or holder = ${claim.holder})
      returning epoch)
    select (select epoch from claimed) as epoch,
      case when h.lease_until = '-infinity' then 0
        else greatest(0, extract(epoch from h.lease_until - clock_timestamp()) * 1000) end::float8 as "leftMs"
    from ledger.head h where h.book_id = ${claim.bookId}`;
  const row = rows[0];
  if (row === undefined) throw new Error(`book ${claim.bookId} has no head row. Run the migrations.`);
  return row.epoch === null ? { epoch: undefined, leftMs: row.leftMs } : { epoch: row.epoch };
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
    with released as (
      update ledger.head set lease_until = '-infinity', holder = null
      where book_id = ${claim.bookId} and epoch = ${epoch} and holder = ${claim.holder}
      returning 1)
    select pg_notify(${LEASE_CHANNEL}, '') from released`;
}

export async function getHead(sql: Sql | Transaction, bookId: number): Promise<BookHead> {
  const [head] = await sql<BookHead[]>`
    select epoch, holder, batch, seq, known_at as "knownAt", outbox_position as "outboxPosition", link
    from ledger.head where book_id = ${bookId}`;
  if (head === undefined) throw new Error(`book ${bookId} has no head row. Run the migrations.`);
  return head;
}
