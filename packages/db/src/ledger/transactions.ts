import { addMicros, formatInstant, type CurrencyCode, type Instant, type Uuid } from "@florin/kernel";
import { instantOrNull } from "./balances.js";
import type { Sql } from "../connect-database.js";

export type TransactionType =
  "DEPOSIT" | "WITHDRAWAL" | "TRANSFER" | "CARD" | "FEE" | "INTEREST" | "REVERSAL" | "ADJUSTMENT" | "OTHER";

/** One posting at address DEFAULT, phase COMMITTED, as the line of a statement. */
export interface TransactionRow {
  readonly accountId: Uuid;
  readonly accountSeq: bigint;
  readonly batchId: Uuid;
  readonly instructionType: string;
  /** What a statement calls it. */
  readonly type: TransactionType;
  /** It was taken back by another instruction (T-8). */
  readonly isReversed: boolean;
  readonly side: "DEBIT" | "CREDIT";
  readonly tside: "ASSET" | "LIABILITY";
  readonly denomination: CurrencyCode;
  /** numeric as text */
  readonly amount: string;
  readonly committedAfter: string;
  readonly reference: string | null;
  readonly valueAt: Instant;
  readonly bookedAt: Instant;
  readonly otherAccountId: Uuid | null;
  /** Set when the other side is an internal account. */
  readonly otherName: string | null;
}

/** What a list is narrowed by; undefined is "any". Amounts are decimal text, both ends of minAmount and maxAmount included. */
export interface TransactionListFilter {
  readonly types?: readonly TransactionType[] | undefined;
  /** true: only what was taken back; false: only what was not. */
  readonly isReversed?: boolean | undefined;
  /** CREDIT: the account's own balance grew. */
  readonly direction?: "CREDIT" | "DEBIT" | undefined;
  /** T-6: each bound of each clock by its own name. */
  readonly valueGte?: Instant | undefined;
  readonly valueGt?: Instant | undefined;
  readonly valueLte?: Instant | undefined;
  readonly valueLt?: Instant | undefined;
  readonly bookedGte?: Instant | undefined;
  readonly bookedGt?: Instant | undefined;
  readonly bookedLte?: Instant | undefined;
  readonly bookedLt?: Instant | undefined;
  readonly knownGte?: Instant | undefined;
  readonly knownGt?: Instant | undefined;
  readonly knownLte?: Instant | undefined;
  readonly knownLt?: Instant | undefined;
  readonly minAmount?: string | undefined;
  readonly maxAmount?: string | undefined;
}

const BOOK = 1;

// A settlement is what a card does, or money that was expected and came. What a product books against income is named by its account.
const shownType = (sql: Sql) => sql`
  case when i.reverses_batch_id is not null then 'REVERSAL'
    when i.type = 'INBOUND_HARD_SETTLEMENT' then 'DEPOSIT'
    when i.type = 'OUTBOUND_HARD_SETTLEMENT' then 'WITHDRAWAL'
    when i.type = 'TRANSFER' then 'TRANSFER'
    when i.type = 'SETTLEMENT' then
      case when (p.side = 'CREDIT') = (a.tside = 'LIABILITY') then 'DEPOSIT' else 'CARD' end
    when other.name like 'FEE%' then 'FEE'
    when other.name like 'INTEREST%' then 'INTEREST'
    else 'OTHER' end`;

// A scalar, so that it is looked up for each row: an EXISTS may be planned as a hash of every instruction there ever was.
const isReversed = (sql: Sql) => sql`
  coalesce((select true from ledger.posting_instruction r
    where r.book_id = p.book_id and r.reverses_batch_id = p.batch_id and r.reverses_ordinal = p.ordinal limit 1), false)`;

// The other leg stands under the same book-wide seq (index posting_by_seq) and the same instruction.
const selectTransaction = (sql: Sql) => sql`
  select p.account_id as "accountId", p.account_seq as "accountSeq", p.batch_id as "batchId", i.type as "instructionType",
    ${shownType(sql)} as type, ${isReversed(sql)} as "isReversed",
    p.side, a.tside, p.denomination, p.amount::text as amount, p.committed_after::text as "committedAfter",
    coalesce(i.details ->> 'reference', k.details ->> 'reference') as reference,
    p.value_at as "valueAt", p.booked_at as "bookedAt", other.account_id as "otherAccountId", other.name as "otherName"
  from ledger.posting p
  join ledger.account a on a.book_id = p.book_id and a.account_id = p.account_id
  join ledger.posting_instruction_batch k on k.book_id = p.book_id and k.batch_id = p.batch_id
  join ledger.posting_instruction i on i.book_id = p.book_id and i.batch_id = p.batch_id and i.ordinal = p.ordinal
  left join lateral (
    select o.account_id, oa.code as name from ledger.posting o
    join ledger.account oa on oa.book_id = o.book_id and oa.account_id = o.account_id
    where o.book_id = p.book_id and o.seq = p.seq and o.batch_id = p.batch_id and o.ordinal = p.ordinal
      and o.account_id <> p.account_id
    order by o.account_seq limit 1) other on true`;

/**
 * Newest first, at most `limit`, below `beforeSeq` when it is given. Costs the rows it walks along the primary key, which is where the bounds of
 * booking and known time, and lower ones of value time, begin and end (`account_seq_at`). What is not asked for is not in the statement:
 * a plan for "any or this" would walk from the end of the account to every page.
 */
export async function listTransactions(
  sql: Sql,
  accountId: Uuid,
  page: { readonly beforeSeq: bigint | undefined; readonly limit: number },
  filter: TransactionListFilter,
): Promise<readonly TransactionRow[]> {
  return await sql<TransactionRow[]>`
    ${selectTransaction(sql)}
    where p.book_id = ${BOOK} and p.account_id = ${accountId}::uuid and p.address = 'DEFAULT' and p.phase = 'COMMITTED'
      ${conditionsOf(sql, accountId, page.beforeSeq, filter)}
    order by p.account_seq desc
    limit ${page.limit}`;
}

type Condition = ReturnType<typeof isReversed>;

/** In this order in every statement: as few texts as there are ways of asking. */
function conditionsOf(
  sql: Sql,
  accountId: Uuid,
  beforeSeq: bigint | undefined,
  filter: TransactionListFilter,
): Condition {
  const { types, isReversed: wantsReversed, direction, minAmount, maxAmount } = filter;
  const conditions: Condition[] = [];
  if (beforeSeq !== undefined) conditions.push(sql`and p.account_seq < ${beforeSeq.toString()}::bigint`);
  for (const [name, toCondition] of clockConditions) {
    const instant = filter[name];
    if (instant !== undefined) conditions.push(toCondition(sql, instant, accountId));
  }
  if (types !== undefined) conditions.push(sql`and (${shownType(sql)}) = any(${[...types]}::text[])`);
  if (wantsReversed !== undefined) conditions.push(sql`and (${isReversed(sql)}) = ${wantsReversed}::boolean`);
  if (direction !== undefined)
    conditions.push(
      sql`and (case when (p.side = 'CREDIT') = (a.tside = 'LIABILITY') then 'CREDIT' else 'DEBIT' end) = ${direction}::text`,
    );
  if (minAmount !== undefined) conditions.push(sql`and p.amount >= ${minAmount}::numeric`);
  if (maxAmount !== undefined) conditions.push(sql`and p.amount <= ${maxAmount}::numeric`);
  const [first, ...others] = conditions;
  return first === undefined ? sql`` : others.reduce((all, one) => sql`${all} ${one}`, first);
}

type ClockBound = Extract<keyof TransactionListFilter, `${"value" | "booked" | "known"}${"Gte" | "Gt" | "Lte" | "Lt"}`>;
type ToCondition = (sql: Sql, at: Instant, accountId: Uuid) => Condition;

const justBefore = (at: Instant): Instant => addMicros(at, -1n);

/** Booked and known time grow with account_seq, so they bound the walk. What has value from V on was booked from V on, too (T-2). */
const clockConditions: readonly (readonly [ClockBound, ToCondition])[] = [
  ["bookedGte", (sql, at, id) => sql`and p.account_seq > ${seqAt(sql, id, justBefore(at), undefined)}`],
  ["bookedGt", (sql, at, id) => sql`and p.account_seq > ${seqAt(sql, id, at, undefined)}`],
  ["bookedLte", (sql, at, id) => sql`and p.account_seq <= ${seqAt(sql, id, at, undefined)}`],
  ["bookedLt", (sql, at, id) => sql`and p.account_seq <= ${seqAt(sql, id, justBefore(at), undefined)}`],
  ["knownGte", (sql, at, id) => sql`and p.account_seq > ${seqAt(sql, id, undefined, justBefore(at))}`],
  ["knownGt", (sql, at, id) => sql`and p.account_seq > ${seqAt(sql, id, undefined, at)}`],
  ["knownLte", (sql, at, id) => sql`and p.account_seq <= ${seqAt(sql, id, undefined, at)}`],
  ["knownLt", (sql, at, id) => sql`and p.account_seq <= ${seqAt(sql, id, undefined, justBefore(at))}`],
  [
    "valueGte",
    (sql, at, id) =>
      sql`and p.value_at >= ${formatInstant(at)}::timestamptz and p.account_seq > ${seqAt(sql, id, justBefore(at), undefined)}`,
  ],
  [
    "valueGt",
    (sql, at, id) =>
      sql`and p.value_at > ${formatInstant(at)}::timestamptz and p.account_seq > ${seqAt(sql, id, at, undefined)}`,
  ],
  ["valueLte", (sql, at) => sql`and p.value_at <= ${formatInstant(at)}::timestamptz`],
  ["valueLt", (sql, at) => sql`and p.value_at < ${formatInstant(at)}::timestamptz`],
];

/** As a subselect it is searched for once, and then is a bound of the index. */
function seqAt(sql: Sql, accountId: Uuid, booked: Instant | undefined, known: Instant | undefined): Condition {
  return sql`(select ledger.account_seq_at(${BOOK}::smallint, ${accountId}::uuid, ${instantOrNull(booked)}::timestamptz, ${instantOrNull(known)}::timestamptz))`;
}

/** Pairs that are not there, or are no line of a statement, are left out. */
export async function findTransactions(
  sql: Sql,
  pairs: readonly { readonly accountId: Uuid; readonly accountSeq: bigint }[],
): Promise<readonly TransactionRow[]> {
  if (pairs.length === 0) return [];
  return await sql<TransactionRow[]>`
    ${selectTransaction(sql)}
    where p.book_id = ${BOOK} and p.address = 'DEFAULT' and p.phase = 'COMMITTED'
      and (p.account_id, p.account_seq) in (
        select * from unnest(${pairs.map((pair) => pair.accountId)}::uuid[],
                             ${pairs.map((pair) => pair.accountSeq.toString())}::bigint[]))`;
}
