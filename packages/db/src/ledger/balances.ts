import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql } from "../connect-database.js";

/**
 * Reads of balances. Every function answers many accounts in one statement, so one snapshot covers them all.
 *
 *   live         the stored totals of ledger.balance, one row a coordinate
 *   observed     T-3: what had value by V and was known by K, both inclusive, from immutable rows
 *   at a seq     what the posting with exactly that account_seq left behind, one primary-key lookup
 *
 * Observed (000006-history.sql): what was booked by V and known by K is a prefix of the account, up to `account_seq_at`; behind it count only
 * backdated postings, which have an index of their own. At address DEFAULT the prefix is one row, as each posting carries what it left
 * behind. For totals at any coordinate it is summed from the nearer end: from the first posting, or back from the stored totals.
 */
export type PostingPhase = "COMMITTED" | "PENDING_IN" | "PENDING_OUT";

/** Totals of one coordinate (numeric as text). */
export interface CoordinateTotals {
  readonly address: string;
  readonly asset: string;
  readonly denomination: string;
  readonly phase: PostingPhase;
  readonly totalDebit: string;
  readonly totalCredit: string;
}

export interface AccountTotals {
  readonly accountId: Uuid;
  /** Of the last posting that is counted here; 0 when there is none. */
  readonly accountSeq: bigint;
  /** Known time that the totals are complete up to. */
  readonly asOf: Instant;
  readonly coordinates: readonly CoordinateTotals[];
}

/** Both clocks of T-3; undefined is "no bound". */
export interface Observation {
  readonly at: Instant | undefined;
  readonly knownAt: Instant | undefined;
}

const BOOK = 1;

export const instantOrNull = (instant: Instant | undefined): string | null =>
  instant === undefined ? null : formatInstant(instant);

/** In no order; accounts that are not there are left out. Costs one index lookup an account: nothing is aggregated, joined or sorted. */
export async function listLiveTotals(sql: Sql, accountIds: readonly Uuid[]): Promise<readonly AccountTotals[]> {
  if (accountIds.length === 0) return [];
  // The book's known time comes as a row of its own: as a column it would be printed and parsed with every balance.
  const rows = await sql<(CoordinateTotals & LiveKey)[]>`
    select account_id as "accountId", account_seq as "accountSeq", address, asset, denomination, phase,
      total_debit as "totalDebit", total_credit as "totalCredit", null::timestamptz as "knownAt"
    from ledger.balance where book_id = ${BOOK} and account_id = any(${[...accountIds]}::uuid[])
    union all
    select null, null, null, null, null, null, null, null, known_at from ledger.head where book_id = ${BOOK}`;
  const knownAt = rows.find((row) => row.knownAt !== null)?.knownAt;
  if (knownAt === undefined || knownAt === null) throw new Error("The book has no head row. Run the migrations.");
  const found = new Map<Uuid, LiveTotals>();
  for (const row of rows) {
    const { accountId, accountSeq } = row;
    if (accountId === null || accountSeq === null) continue;
    const known = found.get(accountId);
    if (known === undefined) found.set(accountId, { accountId, accountSeq, asOf: knownAt, coordinates: [row] });
    else {
      known.coordinates.push(row);
      if (accountSeq > known.accountSeq) known.accountSeq = accountSeq;
    }
  }
  for (const { coordinates } of found.values()) if (coordinates.length > 1) coordinates.sort(byCoordinate);
  const missing = accountIds.filter((id) => !found.has(id));
  if (missing.length === 0) return [...found.values()];
  return [...found.values(), ...(await listEmptyTotals(sql, missing, knownAt))];
}

type LiveKey = {
  readonly accountId: Uuid | null;
  readonly accountSeq: bigint | null;
  readonly knownAt: Instant | null;
};

interface LiveTotals extends AccountTotals {
  accountSeq: bigint;
  readonly coordinates: CoordinateTotals[];
}

/** Accounts that nothing was posted to by `knownAt`: as empty then, or when they were opened, if that was later. */
async function listEmptyTotals(sql: Sql, accountIds: readonly Uuid[], knownAt: Instant): Promise<AccountTotals[]> {
  const rows = await sql<{ accountId: Uuid; openedAt: Instant }[]>`
    select account_id as "accountId", opened_at as "openedAt" from ledger.account
    where book_id = ${BOOK} and account_id = any(${[...accountIds]}::uuid[])`;
  return rows.map(({ accountId, openedAt }) => {
    return { accountId, accountSeq: 0n, asOf: openedAt > knownAt ? openedAt : knownAt, coordinates: [] };
  });
}

function byCoordinate(a: CoordinateTotals, b: CoordinateTotals): number {
  return (
    compareText(a.address, b.address) ||
    compareText(a.asset, b.asset) ||
    compareText(a.denomination, b.denomination) ||
    compareText(a.phase, b.phase)
  );
}

const compareText = (a: string, b: string): number => Number(a > b) - Number(a < b);

/**
 * Where the observation stands within each account. `booked`: the last account_seq booked by V; `known`: the last one known by K;
 * `prefix`: all up to here counts. What lies in (booked, known] counts only when it is backdated to V or before.
 */
export const observedAccounts = (sql: Sql, accountIds: readonly Uuid[], { at, knownAt }: Observation) => sql`
  select a.account_id, a.tside, a.denomination, s.booked, s.known, least(s.booked, s.known) as prefix,
    ${instantOrNull(at)}::timestamptz as at,
    coalesce(${instantOrNull(knownAt)}::timestamptz, greatest(h.known_at, a.opened_at)) as as_of
  from ledger.account a
  join ledger.head h on h.book_id = a.book_id
  cross join lateral (
    select ledger.account_seq_at(a.book_id, a.account_id, ${instantOrNull(at)}::timestamptz, null) as booked,
      ledger.account_seq_at(a.book_id, a.account_id, null, ${instantOrNull(knownAt)}::timestamptz) as known
    offset 0) s -- not merged into the rows that use it: each position is searched for once
  where a.book_id = ${BOOK} and a.account_id = any(${[...accountIds]}::uuid[])`;

/** Totals at every coordinate. Costs the postings between the observation and the nearer end of the account. */
export async function listObservedTotals(
  sql: Sql,
  accountIds: readonly Uuid[],
  observation: Observation,
): Promise<readonly AccountTotals[]> {
  if (accountIds.length === 0) return [];
  const rows = await sql<(Nullable<CoordinateTotals> & { accountId: Uuid; accountSeq: bigint; asOf: Instant })[]>`
    with observed as materialized (
      select o.*, ledger.account_seq_at(${BOOK}::smallint, o.account_id, null, null) as last
      from (${observedAccounts(sql, accountIds, observation)}) o),
    chosen as (select *, last - prefix < prefix as is_from_live from observed)
    select c.account_id as "accountId", greatest(c.prefix, max(t.late) over (partition by c.account_id)) as "accountSeq",
      c.as_of as "asOf", t.address, t.asset, t.denomination, t.phase, t.debit as "totalDebit", t.credit as "totalCredit"
    from chosen c
    left join lateral (
      select address, asset, denomination, phase, sum(debit) as debit, sum(credit) as credit, max(late) as late from (
        select b.address, b.asset, b.denomination, b.phase, b.total_debit as debit, b.total_credit as credit, 0 as late
        from ledger.balance b where c.is_from_live and b.book_id = ${BOOK} and b.account_id = c.account_id
        union all
        select p.address, p.asset, p.denomination, p.phase,
          case when p.side <> 'DEBIT' then 0 when c.is_from_live then -p.amount else p.amount end,
          case when p.side <> 'CREDIT' then 0 when c.is_from_live then -p.amount else p.amount end, 0
        from ledger.posting p
        where p.book_id = ${BOOK} and p.account_id = c.account_id
          and p.account_seq > case when c.is_from_live then c.prefix else 0 end
          and p.account_seq <= case when c.is_from_live then c.last else c.prefix end
        union all
        select p.address, p.asset, p.denomination, p.phase, case p.side when 'DEBIT' then p.amount else 0 end,
          case p.side when 'CREDIT' then p.amount else 0 end, p.account_seq
        from ledger.posting p
        where p.book_id = ${BOOK} and p.account_id = c.account_id and p.account_seq > c.booked and p.account_seq <= c.known
          and p.value_at < p.booked_at and p.value_at <= c.at) parts
      group by address, asset, denomination, phase
      having sum(debit) <> 0 or sum(credit) <> 0) t on true
    order by c.account_id, t.address collate "C", t.asset collate "C", t.denomination collate "C", t.phase collate "C"`;
  const found = new Map<Uuid, AccountTotals & { readonly coordinates: CoordinateTotals[] }>();
  for (const { accountId, accountSeq, asOf, ...row } of rows) {
    const known = found.get(accountId) ?? { accountId, accountSeq, asOf, coordinates: [] };
    found.set(accountId, known);
    if (isCoordinate(row)) known.coordinates.push(row);
  }
  return [...found.values()];
}

type Nullable<Row> = { [Column in keyof Row]: Row[Column] | null };

function isCoordinate(row: Nullable<CoordinateTotals>): row is CoordinateTotals {
  return row.address !== null;
}

export interface BalanceAtSeq {
  readonly accountId: Uuid;
  readonly accountSeq: bigint;
  /** Net at address DEFAULT in the account's own sense (numeric as text). */
  readonly committed: string;
  readonly pendingIn: string;
  readonly pendingOut: string;
  readonly asOf: Instant;
}

/** At address DEFAULT. Costs two binary searches, one row, and the backdated postings that were booked after V. */
export async function listObservedBalances(
  sql: Sql,
  accountIds: readonly Uuid[],
  observation: Observation,
): Promise<readonly BalanceAtSeq[]> {
  if (accountIds.length === 0) return [];
  return await sql<BalanceAtSeq[]>`
    select o.account_id as "accountId", greatest(o.prefix, late.account_seq) as "accountSeq", o.as_of as "asOf",
      coalesce(p.committed_after, 0) + coalesce(late.committed, 0) as committed,
      coalesce(p.pending_in_after, 0) + coalesce(late.pending_in, 0) as "pendingIn",
      coalesce(p.pending_out_after, 0) + coalesce(late.pending_out, 0) as "pendingOut"
    from (${observedAccounts(sql, accountIds, observation)}) o
    left join ledger.posting p on p.book_id = ${BOOK} and p.account_id = o.account_id and p.account_seq = o.prefix
    left join lateral (
      select max(account_seq) as account_seq, sum(change) filter (where phase = 'COMMITTED') as committed,
        sum(change) filter (where phase = 'PENDING_IN') as pending_in, sum(change) filter (where phase = 'PENDING_OUT') as pending_out
      from (
        select b.account_seq, b.phase,
          case when b.address <> 'DEFAULT' or b.asset <> 'COMMERCIAL_BANK_MONEY' or b.denomination <> o.denomination then 0
            when (b.side = 'CREDIT') = (o.tside = 'LIABILITY') then b.amount else -b.amount end as change
        from ledger.posting b
        where b.book_id = ${BOOK} and b.account_id = o.account_id and b.account_seq > o.booked and b.account_seq <= o.known
          and b.value_at < b.booked_at and b.value_at <= o.at) backdated) late on true`;
}

/** Pairs that do not exist are left out; the two lists are read side by side. */
export async function listBalancesAtSeq(
  sql: Sql,
  pairs: readonly { readonly accountId: Uuid; readonly accountSeq: bigint }[],
): Promise<readonly BalanceAtSeq[]> {
  if (pairs.length === 0) return [];
  return await sql<BalanceAtSeq[]>`
    select p.account_id as "accountId", p.account_seq as "accountSeq", p.committed_after as committed,
      p.pending_in_after as "pendingIn", p.pending_out_after as "pendingOut", k.known_at as "asOf"
    from unnest(${pairs.map((pair) => pair.accountId)}::uuid[],
                ${pairs.map((pair) => pair.accountSeq.toString())}::bigint[]) as wanted (account_id, account_seq)
    join ledger.posting p on p.book_id = ${BOOK} and p.account_id = wanted.account_id and p.account_seq = wanted.account_seq
    join ledger.posting_instruction_batch k on k.book_id = p.book_id and k.batch_id = p.batch_id`;
}
