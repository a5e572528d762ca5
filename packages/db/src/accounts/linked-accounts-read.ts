import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/** What the graph shows of linked accounts. Amounts are decimal text as they were said. */
export interface LinkedAccountRecord {
  readonly linkedAccountId: Uuid;
  readonly itemId: Uuid;
  readonly userId: Uuid;
  readonly name: string;
  readonly officialName: string | null;
  readonly mask: string | null;
  /** As it came: `depository`. */
  readonly type: string;
  readonly subtype: string | null;
  readonly available: string | null;
  readonly current: string | null;
  readonly limit: string | null;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
  readonly balanceAsOf: Instant;
  readonly balanceSource: "CACHED" | "REALTIME" | "SYNC";
  readonly removedAt: Instant | null;
}

export interface LinkedTransactionRecord {
  readonly linkedTransactionId: Uuid;
  readonly linkedAccountId: Uuid;
  readonly userId: Uuid;
  /** Positive leaves the account. */
  readonly amount: string;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
  readonly name: string;
  readonly merchantName: string | null;
  readonly categoryPrimary: string | null;
  readonly isPending: boolean;
  /** `2026-11-21`. */
  readonly date: string;
  readonly authorizedDate: string | null;
  readonly userCategory: string | null;
  readonly userNote: string | null;
}

/** As text: amounts without the zeros that only the column adds. */
const decimal = (sql: Sql | Transaction, column: string) => sql`trim_scale(${sql(column)})::text`;

const accountColumns = (sql: Sql | Transaction) => sql`
  a.linked_account_id as "linkedAccountId", a.item_id as "itemId", a.user_id as "userId", a.name,
  a.official_name as "officialName", a.mask, a.type, a.subtype, ${decimal(sql, "a.available")} as available,
  ${decimal(sql, "a.current")} as current, ${decimal(sql, "a.credit_limit")} as limit, a.iso_code as "isoCode",
  a.unofficial_code as "unofficialCode", a.balance_as_of as "balanceAsOf", a.balance_source as "balanceSource",
  a.removed_at as "removedAt"`;

const transactionColumns = (sql: Sql | Transaction) => sql`
  t.linked_transaction_id as "linkedTransactionId", t.linked_account_id as "linkedAccountId", a.user_id as "userId",
  ${decimal(sql, "t.amount")} as amount, t.iso_code as "isoCode", t.unofficial_code as "unofficialCode", t.name,
  t.merchant_name as "merchantName", t.category_primary as "categoryPrimary", t.is_pending as "isPending",
  t.date::text as date, t.authorized_date::text as "authorizedDate", t.user_category as "userCategory",
  t.user_note as "userNote"`;

/** Removed ones too: they say so. */
export async function listLinkedAccountsByIds(
  sql: Sql | Transaction,
  linkedAccountIds: readonly Uuid[],
): Promise<LinkedAccountRecord[]> {
  return sql<LinkedAccountRecord[]>`
    select ${accountColumns(sql)} from accounts.linked_account a
    where a.linked_account_id = any(${[...linkedAccountIds]}::uuid[])`;
}

/** Of items that are not removed, in the order in which they were first seen; removed accounts left out. */
export async function listLinkedAccountsOfItems(sql: Sql, itemIds: readonly Uuid[]): Promise<LinkedAccountRecord[]> {
  return sql<LinkedAccountRecord[]>`
    select ${accountColumns(sql)} from accounts.linked_account a join accounts.linked_item i using (item_id)
    where a.item_id = any(${[...itemIds]}::uuid[]) and a.removed_at is null and i.removed_at is null
    order by a.linked_account_id`;
}

export interface LinkedAccountFilter {
  readonly userId: Uuid;
  /** Types as the institution says them. undefined: any. `other`: none of the four that have names. */
  readonly type: string | undefined;
}

const namedTypes = ["depository", "credit", "loan", "investment"];

const matches = (sql: Sql, { userId, type }: LinkedAccountFilter) => sql`
  a.user_id = ${userId} and a.removed_at is null and i.removed_at is null
  and (${type ?? null}::text is null or a.type = ${type ?? null}::text
    or ${type ?? null}::text = 'other' and a.type <> all(${namedTypes}::text[]))`;

/** In the order of ids, at most `limit` behind `after`. */
export async function listLinkedAccounts(
  sql: Sql,
  filter: LinkedAccountFilter,
  page: { readonly after: Uuid | undefined; readonly limit: number },
): Promise<LinkedAccountRecord[]> {
  return sql<LinkedAccountRecord[]>`
    select ${accountColumns(sql)} from accounts.linked_account a join accounts.linked_item i using (item_id)
    where ${matches(sql, filter)}
      and (${page.after ?? null}::uuid is null or a.linked_account_id > ${page.after ?? null}::uuid)
    order by a.linked_account_id limit ${page.limit}`;
}

export async function countLinkedAccounts(sql: Sql, filter: LinkedAccountFilter): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::integer as count from accounts.linked_account a join accounts.linked_item i using (item_id)
    where ${matches(sql, filter)}`;
  return row?.count ?? 0;
}

/** One page of one account's transactions, newest first. */
export interface TransactionPageRequest {
  readonly linkedAccountId: Uuid;
  /** Behind this one. */
  readonly after: { readonly date: string; readonly linkedTransactionId: Uuid } | undefined;
  readonly limit: number;
}

/** Several pages in one query, each row with the place of its page among them. Nothing of an account, or an item, that is removed. */
export async function listLinkedTransactions(
  sql: Sql,
  pages: readonly TransactionPageRequest[],
): Promise<(LinkedTransactionRecord & { readonly page: number })[]> {
  return sql<(LinkedTransactionRecord & { readonly page: number })[]>`
    select ${transactionColumns(sql)}, p.ordinal::integer - 1 as page
    from unnest(${pages.map((page) => page.linkedAccountId)}::uuid[], ${pages.map((page) => page.after?.date ?? null)}::date[],
      ${pages.map((page) => page.after?.linkedTransactionId ?? null)}::uuid[], ${pages.map((page) => page.limit)}::integer[])
      with ordinality as p (account_id, after_date, after_id, most, ordinal)
    join accounts.linked_account a on a.linked_account_id = p.account_id and a.removed_at is null
    join accounts.linked_item i on i.item_id = a.item_id and i.removed_at is null
    cross join lateral (
      select * from accounts.linked_transaction t
      where t.linked_account_id = p.account_id and t.removed_at is null
        and (p.after_date is null or (t.date, t.linked_transaction_id) < (p.after_date, p.after_id))
      order by t.date desc, t.linked_transaction_id desc limit p.most) t
    order by p.ordinal, t.date desc, t.linked_transaction_id desc`;
}

/** Those that are still there. */
export async function listLinkedTransactionsByIds(
  sql: Sql | Transaction,
  ids: readonly Uuid[],
): Promise<LinkedTransactionRecord[]> {
  return sql<LinkedTransactionRecord[]>`
    select ${transactionColumns(sql)} from accounts.linked_transaction t
    join accounts.linked_account a using (linked_account_id) join accounts.linked_item i on i.item_id = a.item_id
    where t.linked_transaction_id = any(${[...ids]}::uuid[]) and t.removed_at is null and a.removed_at is null
      and i.removed_at is null`;
}

/** What the person makes of it; null takes the word back. With the role that serves people. */
export async function editLinkedTransaction(
  tx: Transaction,
  linkedTransactionId: Uuid,
  edit: { readonly category?: string | null | undefined; readonly note?: string | null | undefined },
  at: Instant,
): Promise<void> {
  const keepsCategory = edit.category === undefined;
  const keepsNote = edit.note === undefined;
  await tx`
    update accounts.linked_transaction set
      user_category = case when ${keepsCategory} then user_category else ${edit.category ?? null} end,
      user_note = case when ${keepsNote} then user_note else ${edit.note ?? null} end,
      changed_at = ${formatInstant(at)}
    where linked_transaction_id = ${linkedTransactionId} and removed_at is null`;
}

export interface LinkedProductRecord {
  readonly itemId: Uuid;
  readonly product: "BALANCES" | "TRANSACTIONS" | "LIABILITIES" | "INVESTMENTS";
  readonly status: "READY" | "SYNCING" | "NOT_READY" | "NOT_APPLICABLE" | "FAILING";
  readonly reason: string | null;
  readonly lastSyncedAt: Instant | null;
}

export async function listLinkedProducts(sql: Sql, itemIds: readonly Uuid[]): Promise<LinkedProductRecord[]> {
  return sql<LinkedProductRecord[]>`
    select item_id as "itemId", product, status, reason, last_synced_at as "lastSyncedAt" from accounts.linked_product
    where item_id = any(${[...itemIds]}::uuid[])`;
}
