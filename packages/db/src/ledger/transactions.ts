import { formatInstant, type CurrencyCode, type Instant, type Uuid } from "@florin/kernel";
import type { Sql } from "../connect-database.js";

/** One posting at address DEFAULT, phase COMMITTED, as the line of a statement. */
export interface TransactionRow {
  readonly accountId: Uuid;
  readonly accountSeq: bigint;
  readonly batchId: Uuid;
  readonly instructionType: string;
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
  readonly instructionTypes?: readonly string[] | undefined;
  /** CREDIT: the account's own balance grew. */
  readonly direction?: "CREDIT" | "DEBIT" | undefined;
  readonly valueGte?: Instant | undefined;
  readonly valueLt?: Instant | undefined;
  readonly bookedGte?: Instant | undefined;
  readonly bookedLt?: Instant | undefined;
  readonly minAmount?: string | undefined;
  readonly maxAmount?: string | undefined;
}

const BOOK = 1;

// The other leg stands under the same book-wide seq (index posting_by_seq) and the same instruction.
const selectTransaction = (sql: Sql) => sql`
  select p.account_id as "accountId", p.account_seq as "accountSeq", p.batch_id as "batchId", i.type as "instructionType",
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

/** Newest first, at most `limit`, below `beforeSeq` when it is given. Costs the rows it walks along the primary key. */
export async function listTransactions(
  sql: Sql,
  accountId: Uuid,
  page: { readonly beforeSeq: bigint | undefined; readonly limit: number },
  filter: TransactionListFilter,
): Promise<readonly TransactionRow[]> {
  const instant = (value: Instant | undefined) => (value === undefined ? null : formatInstant(value));
  const types = filter.instructionTypes === undefined ? null : [...filter.instructionTypes];
  const before = page.beforeSeq === undefined ? null : page.beforeSeq.toString();
  return await sql<TransactionRow[]>`
    ${selectTransaction(sql)}
    where p.book_id = ${BOOK} and p.account_id = ${accountId}::uuid and p.address = 'DEFAULT' and p.phase = 'COMMITTED'
      and (${before}::bigint is null or p.account_seq < ${before}::bigint)
      and (${types}::text[] is null or i.type = any(${types}::text[]))
      and (${filter.direction ?? null}::text is null
           or (case when (p.side = 'CREDIT') = (a.tside = 'LIABILITY') then 'CREDIT' else 'DEBIT' end) = ${filter.direction ?? null}::text)
      and (${instant(filter.valueGte)}::timestamptz is null or p.value_at >= ${instant(filter.valueGte)}::timestamptz)
      and (${instant(filter.valueLt)}::timestamptz is null or p.value_at < ${instant(filter.valueLt)}::timestamptz)
      and (${instant(filter.bookedGte)}::timestamptz is null or p.booked_at >= ${instant(filter.bookedGte)}::timestamptz)
      and (${instant(filter.bookedLt)}::timestamptz is null or p.booked_at < ${instant(filter.bookedLt)}::timestamptz)
      and (${filter.minAmount ?? null}::numeric is null or p.amount >= ${filter.minAmount ?? null}::numeric)
      and (${filter.maxAmount ?? null}::numeric is null or p.amount <= ${filter.maxAmount ?? null}::numeric)
    order by p.account_seq desc
    limit ${page.limit}`;
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
