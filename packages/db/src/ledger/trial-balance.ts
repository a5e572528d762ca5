import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Observation, PostingPhase } from "./balances.js";
import type { Sql } from "../connect-database.js";

/** Totals of one internal account, or of all customer accounts of one product, in one denomination and phase. */
export interface TrialBalanceRow {
  /** Internal accounts only. */
  readonly accountId: Uuid | null;
  /** The internal account's code, or the product's. */
  readonly code: string;
  readonly asset: string;
  readonly denomination: string;
  readonly phase: PostingPhase;
  /** numeric as text */
  readonly debit: string;
  readonly credit: string;
}

const BOOK = 1;

const groupTotals = (sql: Sql) => sql`
  select case when a.kind = 'INTERNAL' then a.account_id end as "accountId", coalesce(a.code, r.code) as code,
    t.asset, t.denomination, t.phase, sum(t.debit)::text as debit, sum(t.credit)::text as credit
  from totals t
  join ledger.account a on a.book_id = ${BOOK} and a.account_id = t.account_id
  left join ledger.product_version v on v.product_version_id = a.product_version_id
  left join ledger.product r on r.product_id = v.product_id
  group by 1, 2, 3, 4, 5
  order by 4, 5, 2, 3`;

/** Live without a bound, else by T-3. */
export async function listTrialBalance(sql: Sql, observation: Observation): Promise<readonly TrialBalanceRow[]> {
  if (observation.at === undefined && observation.knownAt === undefined) {
    return await sql<TrialBalanceRow[]>`
      with totals as (
        select account_id, asset, denomination, phase, total_debit as debit, total_credit as credit
        from ledger.balance where book_id = ${BOOK})
      ${groupTotals(sql)}`;
  }
  const at = observation.at === undefined ? null : formatInstant(observation.at);
  const knownAt = observation.knownAt === undefined ? null : formatInstant(observation.knownAt);
  return await sql<TrialBalanceRow[]>`
    with totals as (
      select p.account_id, p.asset, p.denomination, p.phase,
        coalesce(sum(p.amount) filter (where p.side = 'DEBIT'), 0) as debit,
        coalesce(sum(p.amount) filter (where p.side = 'CREDIT'), 0) as credit
      from ledger.posting p
      join ledger.posting_instruction_batch k on k.book_id = p.book_id and k.batch_id = p.batch_id
      where p.book_id = ${BOOK}
        and (${at}::timestamptz is null or p.value_at <= ${at}::timestamptz)
        and (${knownAt}::timestamptz is null or k.known_at <= ${knownAt}::timestamptz)
      group by p.account_id, p.asset, p.denomination, p.phase)
    ${groupTotals(sql)}`;
}

/** Known time of the book's last batch; undefined before the first. */
export async function findKnownAt(sql: Sql): Promise<Instant | undefined> {
  const rows = await sql<{ knownAt: Instant | null }[]>`
    select nullif(known_at, '-infinity') as "knownAt" from ledger.head where book_id = ${BOOK}`;
  return rows[0]?.knownAt ?? undefined;
}
