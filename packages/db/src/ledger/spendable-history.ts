import {
  amountFromNumeric,
  formatInstant,
  type Amount,
  type CurrencyCode,
  type Instant,
  type Uuid,
  type ValuedChange,
} from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/** What could be spent of an account, in value time: at the beginning, and what changed it from then on (BAL-2). */
export interface SpendableHistory {
  readonly opening: Amount;
  readonly changes: readonly ValuedChange[];
}

/** What one backdated batch may touch: accounts, and the target and counterparty of client transactions. */
export interface BackdatedTouch {
  readonly from: Instant;
  readonly accountIds: readonly Uuid[];
  readonly clientTransactions: readonly { readonly clientId: string; readonly clientTransactionId: string }[];
}

/**
 * The histories of the customers' accounts among them, each from the earliest time asked for on. What can be spent is COMMITTED and
 * PENDING_OUT at DEFAULT, credits less debits (PI-2); a value time is never after its booking, and booking times grow with account_seq, so
 * the first posting to look at is found by halving: log2(n) index probes, then one read for each posting since.
 */
export async function listSpendableHistories(
  tx: Sql | Transaction,
  bookId: number,
  touches: readonly BackdatedTouch[],
): Promise<ReadonlyMap<Uuid, SpendableHistory>> {
  if (touches.length === 0) return new Map();
  const accounts = touches.flatMap(({ from, accountIds }) => accountIds.map((accountId) => ({ from, accountId })));
  const holds = touches.flatMap(({ from, clientTransactions }) => clientTransactions.map((key) => ({ from, ...key })));
  const rows = await tx<
    { accountId: Uuid; denomination: CurrencyCode; live: string; valueAt: Instant | null; change: string | null }[]
  >`
    with recursive touched as (
      select a.account_id, a.denomination, min(w.from_at) as from_at
      from (
        select account_id, from_at
        from unnest(${accounts.map((one) => one.accountId)}::uuid[],
          ${accounts.map((one) => formatInstant(one.from))}::timestamptz[]) as named (account_id, from_at)
        union all
        select party.account_id, held.from_at
        from unnest(${holds.map((one) => one.clientId)}::text[], ${holds.map((one) => one.clientTransactionId)}::text[],
          ${holds.map((one) => formatInstant(one.from))}::timestamptz[]) as held (client_id, id, from_at)
        join ledger.client_transaction c
          on c.book_id = ${bookId} and c.client_id = held.client_id and c.client_transaction_id = held.id
        cross join lateral (values (c.target), (c.counterparty)) party (account_id)) w
      join ledger.account a on a.book_id = ${bookId} and a.account_id = w.account_id and a.kind = 'CUSTOMER'
      group by a.account_id, a.denomination),
    halving as (
      select t.account_id, t.from_at, 1::bigint as low, coalesce(b.last, 0) + 1 as high
      from touched t
      left join lateral (
        select max(account_seq) as last from ledger.balance where book_id = ${bookId} and account_id = t.account_id) b on true
      union all
      select h.account_id, h.from_at,
        case when p.booked_at < h.from_at then p.account_seq + 1 else h.low end,
        case when p.booked_at < h.from_at then h.high else p.account_seq end
      from halving h
      join ledger.posting p
        on p.book_id = ${bookId} and p.account_id = h.account_id and p.account_seq = (h.low + h.high) / 2
      where h.low < h.high)
    select t.account_id as "accountId", t.denomination,
      coalesce((select sum(total_credit - total_debit) from ledger.balance b
        where b.book_id = ${bookId} and b.account_id = t.account_id and b.address = 'DEFAULT'
          and b.asset = 'COMMERCIAL_BANK_MONEY' and b.phase in ('COMMITTED', 'PENDING_OUT')), 0)::text as live,
      p.value_at as "valueAt", p.change::text as change
    from touched t
    join halving h on h.account_id = t.account_id and h.low = h.high
    left join lateral (
      select value_at, sum(case side when 'CREDIT' then amount else -amount end) as change
      from ledger.posting p
      where p.book_id = ${bookId} and p.account_id = t.account_id and p.account_seq >= h.low and p.value_at >= t.from_at
        and p.address = 'DEFAULT' and p.asset = 'COMMERCIAL_BANK_MONEY' and p.phase in ('COMMITTED', 'PENDING_OUT')
      group by value_at) p on true
    order by t.account_id, p.value_at`;
  const histories = new Map<Uuid, { opening: Amount; changes: ValuedChange[] }>();
  for (const { accountId, denomination, live, valueAt, change } of rows) {
    const known = histories.get(accountId) ?? { opening: amountFromNumeric(live, denomination), changes: [] };
    histories.set(accountId, known);
    if (valueAt === null || change === null) continue;
    const amount = amountFromNumeric(change, denomination);
    known.opening = (known.opening - amount) as Amount; // what stands now, less all that came since
    known.changes.push({ valueAt, change: amount });
  }
  return histories;
}
