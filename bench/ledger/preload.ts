import type { Transaction } from "@florin/db";
import type { Uuid } from "@florin/kernel";
import { connectAdmin, CURRENCY } from "./bench-book.js";

/**
 * Fills a book with history as if its writer had booked it: operations, batches, instructions, postings with their balances after, stored
 * balances, the head. Set-based, 50 000 transfers a transaction, through the real tables with their triggers and constraints, so the book
 * balances when it is done and every account's postings are numbered without a gap. About 40 µs a posting.
 *
 * The book's writer must not run meanwhile. What was preloaded has no links: the audit chain of such a book proves nothing.
 */
export interface PreloadOptions {
  readonly wallets: readonly Uuid[];
  readonly postings: number;
  /** Postings of the first wallet, evenly spread; as many as all others share when it is larger than their number. */
  readonly longPostings: number;
  /** Everything is booked within so many days before now. The wallets must have been opened, and funded, before. */
  readonly days: number;
  readonly seed: number;
  readonly onProgress?: (postings: number) => void;
}

/** How many transfers there are now that the writer did not make. */
export interface Preloaded {
  readonly transfers: number;
  readonly longPostings: number;
}

const TRANSFERS_A_CHUNK = 50_000;
/** Of a hundred transfers, one has a value time up to three days before it was booked. */
const BACKDATED_EVERY = 100;

export async function preload(url: string, options: PreloadOptions): Promise<Preloaded> {
  const transfers = Math.floor(options.postings / 2);
  if (transfers === 0) return { transfers: 0, longPostings: 0 };
  const longEvery = Math.max(1, Math.round(transfers / Math.max(1, options.longPostings)));
  const admin = connectAdmin(url);
  try {
    for (let first = 1; first <= transfers; first += TRANSFERS_A_CHUNK) {
      const last = Math.min(transfers, first + TRANSFERS_A_CHUNK - 1);
      await admin.transaction((tx) => addChunk(tx, { ...options, first, last, transfers, longEvery }));
      options.onProgress?.(last * 2);
    }
    await admin.sql`vacuum (analyze) ledger.balance`;
    await admin.sql`vacuum (analyze) ledger.posting`;
    await admin.sql`vacuum (analyze) ledger.posting_instruction_batch`;
    await admin.sql`vacuum (analyze) ledger.posting_instruction`;
    await admin.sql`vacuum (analyze) ledger.operation`;
    return { transfers, longPostings: Math.floor(transfers / longEvery) };
  } finally {
    await admin.stop();
  }
}

interface Chunk extends PreloadOptions {
  readonly first: number;
  readonly last: number;
  readonly transfers: number;
  readonly longEvery: number;
}

async function addChunk(tx: Transaction, chunk: Chunk): Promise<void> {
  await tx`select set_config('work_mem', '256MB', true), set_config('synchronous_commit', 'off', true)`;
  await drawTransfers(tx, chunk);
  await tx`
    insert into ledger.operation (operation_id, book_id, principal, idempotency_key, fingerprint, type, status, account_id, amount,
      denomination, batch_id, correlation_id, created_at, completed_at)
    select operation_id, 1, 'usr_bench', key, md5(key), 'BOOK_TRANSFER', 'COMPLETED', debtor, amount, ${CURRENCY}, batch_id, key,
      booked_at, booked_at
    from chunk order by i`;
  await tx`
    insert into ledger.posting_instruction_batch (book_id, batch_id, seq, client_id, status, value_at, booked_at, known_at,
      outbox_position, operation_id)
    select 1, batch_id, seq, 'usr_bench', 'ACCEPTED', value_at, booked_at, booked_at, outbox_position, operation_id
    from chunk order by i`;
  await tx`
    insert into ledger.posting_instruction (book_id, batch_id, ordinal, type, client_id, client_transaction_id, details)
    select 1, batch_id, 0, 'TRANSFER', 'usr_bench', florin.border_id('op', operation_id), jsonb_build_object('reference', key)
    from chunk order by i`;
  await insertPostings(tx);
  await tx`
    update ledger.balance b set total_debit = b.total_debit + m.debit, total_credit = b.total_credit + m.credit, account_seq = m.last
    from (select account_id, max(account_seq) as last,
            coalesce(sum(amount) filter (where side = 'DEBIT'), 0) as debit,
            coalesce(sum(amount) filter (where side = 'CREDIT'), 0) as credit
          from ledger.posting where book_id = 1 and seq > (select seq from ledger.head where book_id = 1) group by account_id) m
    where b.book_id = 1 and b.account_id = m.account_id and b.address = 'DEFAULT' and b.phase = 'COMMITTED'`;
  await tx`
    update ledger.head h set seq = c.seq, known_at = c.booked_at, outbox_position = c.outbox_position, batch = batch + 1
    from (select seq, booked_at, outbox_position from chunk order by i desc limit 1) c where h.book_id = 1`;
  await tx`update ledger.hook_cursor set seq = (select seq from ledger.head where book_id = 1) where book_id = 1`;
  await tx`drop table chunk`;
}

/** Who pays whom, how much and when: hashes of the transfer's number and the seed, so that the same options give the same history. */
async function drawTransfers(tx: Transaction, chunk: Chunk): Promise<void> {
  const { wallets, first, last, transfers, longEvery, days, seed } = chunk;
  await tx`create temp table wallet (n integer primary key, account_id uuid not null) on commit drop`;
  await tx`insert into wallet select n - 1, account_id from unnest(${[...wallets]}::uuid[]) with ordinality w (account_id, n)`;
  await tx`
    create temp table chunk on commit drop as
    with drawn as (
      select i, 'preload-' || ${String(seed)}::text || '-' || i as key,
        1 + mod(hashint8extended(i, ${seed}::bigint) & 2147483647, ${wallets.length - 1}::bigint) as one,
        1 + mod(hashint8extended(i, ${seed + 1}::bigint) & 2147483647, ${wallets.length - 2}::bigint) as step,
        1 + mod(hashint8extended(i, ${seed + 2}::bigint) & 2147483647, 999) as cents,
        mod(hashint8extended(i, ${seed + 3}::bigint) & 2147483647, 72) as hours_late,
        mod(i, ${longEvery}::bigint) = 0 as is_long, mod(i / ${longEvery}::bigint, 2) = 0 as is_credit,
        date_trunc('second', now()) - make_interval(days => ${days}) + (make_interval(days => ${days}) / ${transfers}::float8) * (i - 1) as booked_at
      from generate_series(${first}::bigint, ${last}::bigint) i)
    select d.i, d.key, h.seq + d.i - ${first}::bigint + 1 as seq, h.outbox_position + 3 * (d.i - ${first}::bigint + 1) as outbox_position,
      florin.derived_id('operation', 'usr_bench', d.key) as operation_id, uuidv7(d.booked_at - clock_timestamp()) as batch_id,
      case when d.is_long and d.is_credit then a.account_id when d.is_long then z.account_id else a.account_id end as debtor,
      case when d.is_long and d.is_credit then z.account_id when d.is_long then a.account_id else b.account_id end as creditor,
      (d.cents / 100.0)::numeric(38, 2) as amount, d.booked_at,
      case when mod(d.i, ${BACKDATED_EVERY}) = 0 then d.booked_at - make_interval(hours => 1 + d.hours_late::integer)
        else d.booked_at end as value_at
    from drawn d
    cross join ledger.head h
    join wallet z on z.n = 0
    join wallet a on a.n = d.one
    join wallet b on b.n = 1 + mod(d.one - 1 + d.step, ${wallets.length - 1}::bigint)
    where h.book_id = 1`;
  await tx`analyze chunk`;
}

/** Each account goes on from its stored balance: the next account_seq, and what is on it after each leg. */
async function insertPostings(tx: Transaction): Promise<void> {
  await tx`
    insert into ledger.posting (book_id, account_id, account_seq, seq, batch_id, ordinal, address, asset, denomination, phase, side,
      amount, value_at, booked_at, committed_after, pending_in_after, pending_out_after)
    select 1, l.account_id, b.account_seq + row_number() over own, c.seq, c.batch_id, 0, b.address, b.asset, b.denomination, b.phase,
      l.side, c.amount, c.value_at, c.booked_at,
      b.total_credit - b.total_debit + sum(case l.side when 'CREDIT' then c.amount else -c.amount end) over own, 0, 0
    from chunk c
    cross join lateral (values (c.debtor, 'DEBIT'), (c.creditor, 'CREDIT')) l (account_id, side)
    join ledger.balance b on b.book_id = 1 and b.account_id = l.account_id and b.address = 'DEFAULT' and b.phase = 'COMMITTED'
    window own as (partition by l.account_id order by c.i, l.side)
    order by c.i, l.side`;
}
