import type { Instant, Uuid } from "@florin/kernel";
import type { Sql } from "../connect-database.js";
import { instantOrNull, observedAccounts, type Observation, type PostingPhase } from "./balances.js";

/**
 * The postings behind balances: what changed one in an interval of value time (T-4), and what an observation was made of.
 * Both read the account along its primary key and the index of backdated postings, and never more than they give back, save for postings
 * that are backdated from the interval's own stretch of booking time to before it.
 */
export interface BalanceChange {
  readonly accountSeq: bigint;
  /** The book's order (ORD-1). */
  readonly seq: bigint;
  readonly batchId: Uuid;
  readonly address: string;
  readonly asset: string;
  readonly denomination: string;
  readonly phase: PostingPhase;
  readonly side: "DEBIT" | "CREDIT";
  /** numeric as text */
  readonly amount: string;
  readonly valueAt: Instant;
  readonly bookedAt: Instant;
  readonly knownAt: Instant;
}

/** `(start, end]` in value time, as of one known time. */
export interface ValueInterval {
  readonly start: Instant;
  readonly end: Instant;
  readonly knownAt: Instant | undefined;
}

/** FET-5: absent is "any". */
export interface ChangeFilter {
  readonly addresses?: readonly string[] | undefined;
  readonly phases?: readonly PostingPhase[] | undefined;
}

const BOOK = 1;

const selectChange = (sql: Sql) => sql`
  select p.account_seq as "accountSeq", p.seq, p.batch_id as "batchId", p.address, p.asset, p.denomination, p.phase, p.side, p.amount,
    p.value_at as "valueAt", p.booked_at as "bookedAt", k.known_at as "knownAt"
  from p join ledger.posting_instruction_batch k on k.book_id = p.book_id and k.batch_id = p.batch_id`;

/** T-4: ordered by (value time, seq), at most `limit`. */
export async function listBalanceChanges(
  sql: Sql,
  accountId: Uuid,
  { start, end, knownAt }: ValueInterval,
  filter: ChangeFilter,
  limit: number,
): Promise<readonly BalanceChange[]> {
  const addresses = filter.addresses === undefined ? sql`` : sql`and p.address = any(${[...filter.addresses]}::text[])`;
  const phases = filter.phases === undefined ? sql`` : sql`and p.phase = any(${[...filter.phases]}::text[])`;
  return await sql<BalanceChange[]>`
    with place as materialized (
      select ledger.account_seq_at(${BOOK}::smallint, ${accountId}::uuid, ${instantOrNull(start)}::timestamptz, null) as after,
        ledger.account_seq_at(${BOOK}::smallint, ${accountId}::uuid, ${instantOrNull(end)}::timestamptz, null) as until,
        ledger.account_seq_at(${BOOK}::smallint, ${accountId}::uuid, null, ${instantOrNull(knownAt)}::timestamptz) as known),
    p as (
      (select p.* from place, ledger.posting p
       where p.book_id = ${BOOK} and p.account_id = ${accountId}::uuid and p.value_at = p.booked_at
         and p.account_seq > place.after and p.account_seq <= least(place.until, place.known) ${addresses} ${phases}
       order by p.account_seq limit ${limit})
      union all
      (select p.* from place, ledger.posting p
       where p.book_id = ${BOOK} and p.account_id = ${accountId}::uuid and p.value_at < p.booked_at
         and p.account_seq > place.after and p.account_seq <= place.known
         and p.value_at > ${instantOrNull(start)}::timestamptz and p.value_at <= ${instantOrNull(end)}::timestamptz ${addresses} ${phases}
       order by p.value_at, p.account_seq limit ${limit}))
    ${selectChange(sql)}
    order by p.value_at, p.seq, p.account_seq
    limit ${limit}`;
}

/** What an observed balance was made of: the newest of the postings that count, and how many of either sort. */
export interface BalanceContributions {
  readonly postings: bigint;
  readonly backdatedPostings: bigint;
  /** Booked by V: newest first. */
  readonly latest: readonly BalanceChange[];
  /** Booked after V with a value time by V: newest first. */
  readonly backdated: readonly BalanceChange[];
}

/** At most `limit` of each sort. */
export async function listBalanceContributions(
  sql: Sql,
  accountId: Uuid,
  observation: Observation,
  limit: number,
): Promise<BalanceContributions> {
  const place = sql`place as materialized (${observedAccounts(sql, [accountId], observation)})`;
  const isBackdated = sql`p.book_id = ${BOOK} and p.account_id = place.account_id and p.account_seq > place.booked
    and p.account_seq <= place.known and p.value_at < p.booked_at and p.value_at <= place.at`;
  const [counted, latest, backdated] = await Promise.all([
    sql<{ postings: bigint; backdated: bigint }[]>`
      with ${place} select place.prefix as postings, (select count(*) from ledger.posting p where ${isBackdated}) as backdated from place`,
    sql<BalanceChange[]>`
      with ${place}, p as (
        select p.* from place, ledger.posting p
        where p.book_id = ${BOOK} and p.account_id = place.account_id and p.account_seq <= place.prefix
          and p.account_seq > place.prefix - ${limit}::bigint)
      ${selectChange(sql)} order by p.account_seq desc`,
    sql<BalanceChange[]>`
      with ${place}, p as (
        select p.* from place, ledger.posting p where ${isBackdated} order by p.account_seq desc limit ${limit})
      ${selectChange(sql)} order by p.account_seq desc`,
  ]);
  const { postings = 0n, backdated: late = 0n } = counted[0] ?? {};
  return { postings: postings + late, backdatedPostings: late, latest, backdated };
}
