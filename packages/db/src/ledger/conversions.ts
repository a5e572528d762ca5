import type { CurrencyCode, Instant, Uuid } from "@florin/kernel";
import type { Sql } from "../connect-database.js";

/** The conversion of every account of a product version (ledger.md §2.9): pages in order of the accounts' ids. */
export interface RunningConversion {
  readonly conversionId: Uuid;
  readonly fromVersionId: Uuid;
  readonly toVersionId: Uuid;
  readonly principal: string;
  readonly correlationId: string;
  readonly afterAccountId: Uuid | null;
}

/** The oldest first. */
export async function listRunningConversions(
  sql: Sql,
  bookId: number,
  limit: number,
): Promise<readonly RunningConversion[]> {
  return await sql<RunningConversion[]>`
    select conversion_id as "conversionId", from_version_id as "fromVersionId", to_version_id as "toVersionId", principal,
      correlation_id as "correlationId", after_account_id as "afterAccountId"
    from ledger.conversion where book_id = ${bookId} and finished_at is null order by started_at, conversion_id limit ${limit}`;
}

/** Open accounts of a version behind an id, in order of id. */
export async function listAccountsOfVersion(
  sql: Sql,
  bookId: number,
  page: { readonly productVersionId: Uuid; readonly after: Uuid | null; readonly limit: number },
): Promise<readonly { readonly accountId: Uuid; readonly denomination: CurrencyCode }[]> {
  return await sql<{ accountId: Uuid; denomination: CurrencyCode }[]>`
    select account_id as "accountId", denomination from ledger.account
    where book_id = ${bookId} and product_version_id = ${page.productVersionId} and status <> 'CLOSED'
      and (${page.after}::uuid is null or account_id > ${page.after}::uuid)
    order by account_id limit ${page.limit}`;
}

export interface ConversionResult {
  readonly accountId: Uuid;
  readonly rejectionCode: string | null;
  readonly rejectionMessage: string | null;
}

/** In order of id. */
export async function listConversionResults(
  sql: Sql,
  bookId: number,
  page: { readonly conversionId: Uuid; readonly after?: Uuid | undefined; readonly limit: number },
): Promise<readonly ConversionResult[]> {
  const after = page.after ?? null;
  return await sql<ConversionResult[]>`
    select account_id as "accountId", rejection_code as "rejectionCode", rejection_message as "rejectionMessage"
    from ledger.conversion_result
    where book_id = ${bookId} and conversion_id = ${page.conversionId} and (${after}::uuid is null or account_id > ${after}::uuid)
    order by account_id limit ${page.limit}`;
}

export interface ConversionSummary {
  readonly converted: number;
  readonly refused: number;
  readonly startedAt: Instant | null;
  readonly finishedAt: Instant | null;
}

export async function findConversionSummary(sql: Sql, bookId: number, conversionId: Uuid): Promise<ConversionSummary> {
  const [row] = await sql<ConversionSummary[]>`
    select
      (select count(*) from ledger.conversion_result r where r.book_id = ${bookId} and r.conversion_id = ${conversionId}
        and r.rejection_code is null)::int as converted,
      (select count(*) from ledger.conversion_result r where r.book_id = ${bookId} and r.conversion_id = ${conversionId}
        and r.rejection_code is not null)::int as refused,
      (select started_at from ledger.conversion where book_id = ${bookId} and conversion_id = ${conversionId}) as "startedAt",
      (select finished_at from ledger.conversion where book_id = ${bookId} and conversion_id = ${conversionId}) as "finishedAt"`;
  if (row === undefined) throw new Error("a select of counts gives one row");
  return row;
}
