import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";
import type { SnapshotVersion } from "./snapshot-pages.js";

/** Of one account what portfolio needs; its names are told by accounts. Money is decimal text. */
export interface NewLinkedAccount {
  readonly linkedAccountId: Uuid;
  readonly plaidAccountId: string;
  readonly type: string;
  readonly subtype: string | null;
  readonly available: string | null;
  readonly current: string | null;
  readonly creditLimit: string | null;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
  /** RFC 3339 */
  readonly asOf: string;
}

export interface LinkedAccountRecord {
  readonly linkedAccountId: Uuid;
  readonly itemId: Uuid;
  readonly userId: Uuid;
  readonly type: string;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
}

const MAX_ACCOUNTS = 1_000;

const columns = (sql: Sql) => sql`
  linked_account_id as "linkedAccountId", item_id as "itemId", user_id as "userId", type, iso_code as "isoCode",
  unofficial_code as "unofficialCode"`;

export async function deleteLinkedAccounts(tx: Transaction, itemId: Uuid): Promise<void> {
  await tx`delete from portfolio.linked_account where item_id = ${itemId}`;
}

/** An account that was another item's, of the same login linked anew, moves. */
export async function insertLinkedAccounts(
  tx: Transaction,
  { itemId, userId }: SnapshotVersion,
  rows: readonly NewLinkedAccount[],
): Promise<void> {
  await tx`
    insert into portfolio.linked_account (linked_account_id, item_id, user_id, plaid_account_id, type, subtype, available, current,
      credit_limit, iso_code, unofficial_code, as_of)
    select r."linkedAccountId", ${itemId}, ${userId}, r."plaidAccountId", r.type, r.subtype, r.available, r.current, r."creditLimit",
      r."isoCode", r."unofficialCode", r."asOf"
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as r ("linkedAccountId" uuid, "plaidAccountId" text, type text,
      subtype text, available numeric, current numeric, "creditLimit" numeric, "isoCode" text, "unofficialCode" text,
      "asOf" timestamptz)
    on conflict (linked_account_id) do update set item_id = excluded.item_id, user_id = excluded.user_id,
      plaid_account_id = excluded.plaid_account_id, type = excluded.type, subtype = excluded.subtype,
      available = excluded.available, current = excluded.current, credit_limit = excluded.credit_limit,
      iso_code = excluded.iso_code, unofficial_code = excluded.unofficial_code, as_of = excluded.as_of`;
}

/** A row for each account whose balance, kind or currency is another than the last row's. */
export async function recordBalanceHistory(tx: Transaction, { itemId, capturedAt }: SnapshotVersion): Promise<void> {
  await tx`
    insert into portfolio.linked_balance_history (linked_account_id, captured_at, item_id, user_id, type, available, current,
      iso_code, unofficial_code)
    select a.linked_account_id, ${formatInstant(capturedAt)}, a.item_id, a.user_id, a.type, a.available, a.current, a.iso_code,
      a.unofficial_code
    from portfolio.linked_account a left join lateral (
      select h.* from portfolio.linked_balance_history h where h.linked_account_id = a.linked_account_id
      order by h.captured_at desc limit 1) last on true
    where a.item_id = ${itemId} and (a.type, a.available, a.current, a.iso_code, a.unofficial_code)
      is distinct from (last.type, last.available, last.current, last.iso_code, last.unofficial_code)
    on conflict do nothing`;
}

export async function listLinkedAccountsByIds(sql: Sql, ids: readonly Uuid[]): Promise<LinkedAccountRecord[]> {
  return sql<LinkedAccountRecord[]>`
    select ${columns(sql)} from portfolio.linked_account where linked_account_id = any(${[...ids]}::uuid[])`;
}

/** Those that can hold positions, or of which an institution named some. At most 1000. */
export async function listInvestmentAccounts(sql: Sql, userId: Uuid): Promise<LinkedAccountRecord[]> {
  return sql<LinkedAccountRecord[]>`
    select ${columns(sql)} from portfolio.linked_account a
    where user_id = ${userId} and (type in ('investment', 'brokerage') or exists (
      select from portfolio.holding h where h.item_id = a.item_id and h.plaid_account_id = a.plaid_account_id))
    order by linked_account_id limit ${MAX_ACCOUNTS}`;
}

export interface ProductState {
  readonly itemId: Uuid;
  readonly product: string;
  readonly capturedAt: Instant;
}

/** Products that were applied at least once. */
export async function listAppliedProducts(sql: Sql, itemIds: readonly Uuid[]): Promise<ProductState[]> {
  return sql<ProductState[]>`
    select item_id as "itemId", product, captured_at as "capturedAt" from portfolio.applied_snapshot
    where item_id = any(${[...itemIds]}::uuid[]) and version > 0`;
}
