import type { Uuid } from "@florin/kernel";
import { instantOrNull, type Observation, type PostingPhase } from "./balances.js";
import type { Sql } from "../connect-database.js";

/** Totals of one internal account, or of all customer accounts of one product, in one denomination and phase. */
export interface TrialBalanceRow {
  /** Internal accounts only. */
  readonly accountId: Uuid | null;
  /** The internal account's code, or the product's. */
  readonly code: string;
  readonly tside: "ASSET" | "LIABILITY";
  readonly asset: string;
  readonly denomination: string;
  readonly phase: PostingPhase;
  /** numeric as text */
  readonly debit: string;
  readonly credit: string;
}

/** Where a code stands in the chart of accounts. */
export interface ChartNode {
  readonly code: string;
  readonly parentCode: string | null;
  readonly name: string;
}

const BOOK = 1;

const groupTotals = (sql: Sql) => sql`
  select case when a.kind = 'INTERNAL' then a.account_id end as "accountId", coalesce(a.code, r.code) as code, a.tside,
    t.asset, t.denomination, t.phase, sum(t.debit) as debit, sum(t.credit) as credit
  from totals t
  join ledger.account a on a.book_id = ${BOOK} and a.account_id = t.account_id
  left join ledger.product_version v on v.product_version_id = a.product_version_id
  left join ledger.product r on r.product_id = v.product_id
  group by 1, 2, 3, 4, 5, 6
  having sum(t.debit) <> 0 or sum(t.credit) <> 0
  order by 5, 6, 2, 4, 1`;

/**
 * Live without a bound, else by T-3. Observed, it is summed from the nearer end of the book, as balances are: back from the stored totals
 * over what was booked since, or from the first posting. So yesterday's costs a day, whatever the age of the book.
 */
export async function listTrialBalance(sql: Sql, observation: Observation): Promise<readonly TrialBalanceRow[]> {
  if (observation.at === undefined && observation.knownAt === undefined) {
    return await sql<TrialBalanceRow[]>`
      with totals as (
        select account_id, asset, denomination, phase, total_debit as debit, total_credit as credit
        from ledger.balance where book_id = ${BOOK})
      ${groupTotals(sql)}`;
  }
  const at = instantOrNull(observation.at);
  const knownAt = instantOrNull(observation.knownAt);
  return await sql<TrialBalanceRow[]>`
    with place as materialized (
      select *, last - least(booked, known) < least(booked, known) as is_from_live from (
        select ledger.batch_seq_at(${BOOK}::smallint, ${at}::timestamptz, null) as booked,
          ledger.batch_seq_at(${BOOK}::smallint, null, ${knownAt}::timestamptz) as known,
          ledger.batch_seq_at(${BOOK}::smallint, null, null) as last offset 0) s),
    totals as (
      select b.account_id, b.asset, b.denomination, b.phase, b.total_debit as debit, b.total_credit as credit
      from ledger.balance b where b.book_id = ${BOOK} and (select is_from_live from place)
      union all
      -- Back from the stored totals: without what came later, unless it was known by K and is backdated to V or before.
      select p.account_id, p.asset, p.denomination, p.phase, case p.side when 'DEBIT' then -p.amount else 0 end,
        case p.side when 'CREDIT' then -p.amount else 0 end
      from ledger.posting p
      where p.book_id = ${BOOK} and (select is_from_live from place) and p.seq > (select least(booked, known) from place)
        and not (p.seq <= (select known from place) and (${at}::timestamptz is null or p.value_at <= ${at}::timestamptz))
      union all
      select p.account_id, p.asset, p.denomination, p.phase, case p.side when 'DEBIT' then p.amount else 0 end,
        case p.side when 'CREDIT' then p.amount else 0 end
      from ledger.posting p
      where p.book_id = ${BOOK} and not (select is_from_live from place) and p.seq <= (select known from place)
        and (${at}::timestamptz is null or p.value_at <= ${at}::timestamptz))
    ${groupTotals(sql)}`;
}

/** The whole chart, in no order. */
export async function listChartNodes(sql: Sql): Promise<readonly ChartNode[]> {
  return await sql<ChartNode[]>`select code, parent_code as "parentCode", name from ledger.chart_node`;
}
