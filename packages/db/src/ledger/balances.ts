import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql } from "../connect-database.js";

/**
 * Reads of balances, in their three forms:
 * - live: the stored totals of ledger.balance, one row a coordinate;
 * - observed (T-3): Σ postings with value_at ≤ at and known_at ≤ knownAt, both inclusive, from immutable rows;
 * - at a sequence: what the posting with exactly that account_seq left behind, one primary-key lookup.
 * Every function answers many accounts in one statement, so one snapshot covers them all.
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

export async function listLiveTotals(sql: Sql, accountIds: readonly Uuid[]): Promise<readonly AccountTotals[]> {
  if (accountIds.length === 0) return [];
  return await sql<AccountTotals[]>`
    select a.account_id as "accountId", coalesce(max(b.account_seq), 0) as "accountSeq",
      greatest(h.known_at, a.opened_at) as "asOf",
      coalesce(jsonb_agg(jsonb_build_object('address', b.address, 'asset', b.asset, 'denomination', b.denomination,
          'phase', b.phase, 'totalDebit', b.total_debit::text, 'totalCredit', b.total_credit::text)
        order by b.address, b.asset, b.denomination, b.phase) filter (where b.account_id is not null), '[]') as coordinates
    from ledger.account a
    join ledger.head h on h.book_id = a.book_id
    left join ledger.balance b on b.book_id = a.book_id and b.account_id = a.account_id
    where a.book_id = ${BOOK} and a.account_id = any(${[...accountIds]}::uuid[])
    group by a.book_id, a.account_id, a.opened_at, h.known_at`;
}

export async function listObservedTotals(
  sql: Sql,
  accountIds: readonly Uuid[],
  observation: Observation,
): Promise<readonly AccountTotals[]> {
  if (accountIds.length === 0) return [];
  const at = observation.at === undefined ? null : formatInstant(observation.at);
  const knownAt = observation.knownAt === undefined ? null : formatInstant(observation.knownAt);
  return await sql<AccountTotals[]>`
    with counted as (
      select p.account_id, p.address, p.asset, p.denomination, p.phase, max(p.account_seq) as account_seq,
        coalesce(sum(p.amount) filter (where p.side = 'DEBIT'), 0)::text as total_debit,
        coalesce(sum(p.amount) filter (where p.side = 'CREDIT'), 0)::text as total_credit
      from ledger.posting p
      join ledger.posting_instruction_batch k on k.book_id = p.book_id and k.batch_id = p.batch_id
      where p.book_id = ${BOOK} and p.account_id = any(${[...accountIds]}::uuid[])
        and (${at}::timestamptz is null or p.value_at <= ${at}::timestamptz)
        and (${knownAt}::timestamptz is null or k.known_at <= ${knownAt}::timestamptz)
      group by p.account_id, p.address, p.asset, p.denomination, p.phase)
    select a.account_id as "accountId", coalesce(max(c.account_seq), 0) as "accountSeq",
      coalesce(${knownAt}::timestamptz, greatest(h.known_at, a.opened_at)) as "asOf",
      coalesce(jsonb_agg(jsonb_build_object('address', c.address, 'asset', c.asset, 'denomination', c.denomination,
          'phase', c.phase, 'totalDebit', c.total_debit, 'totalCredit', c.total_credit)
        order by c.address, c.asset, c.denomination, c.phase) filter (where c.account_id is not null), '[]') as coordinates
    from ledger.account a
    join ledger.head h on h.book_id = a.book_id
    left join counted c on c.account_id = a.account_id
    where a.book_id = ${BOOK} and a.account_id = any(${[...accountIds]}::uuid[])
    group by a.book_id, a.account_id, a.opened_at, h.known_at`;
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

/** Pairs that do not exist are left out; the two lists are read side by side. */
export async function listBalancesAtSeq(
  sql: Sql,
  pairs: readonly { readonly accountId: Uuid; readonly accountSeq: bigint }[],
): Promise<readonly BalanceAtSeq[]> {
  if (pairs.length === 0) return [];
  return await sql<BalanceAtSeq[]>`
    select p.account_id as "accountId", p.account_seq as "accountSeq", p.committed_after::text as committed,
      p.pending_in_after::text as "pendingIn", p.pending_out_after::text as "pendingOut", k.known_at as "asOf"
    from unnest(${pairs.map((pair) => pair.accountId)}::uuid[],
                ${pairs.map((pair) => pair.accountSeq.toString())}::bigint[]) as wanted (account_id, account_seq)
    join ledger.posting p on p.book_id = ${BOOK} and p.account_id = wanted.account_id and p.account_seq = wanted.account_seq
    join ledger.posting_instruction_batch k on k.book_id = p.book_id and k.batch_id = p.batch_id`;
}
