import { formatInstant, type Instant, type Json, type Uuid } from "@florin/kernel";
import type { JsonValue, Sql, Transaction } from "../connect-database.js";

export type AccountStatus = "PENDING" | "OPEN" | "PENDING_CLOSURE" | "CLOSED" | "REJECTED" | "MIGRATING";

export interface AccountRecord {
  readonly accountId: Uuid;
  readonly kind: "CUSTOMER" | "INTERNAL";
  readonly name: string;
  readonly currency: string;
  readonly status: AccountStatus;
  readonly productId: string | null;
  readonly productVersionId: string | null;
  readonly parameters: Json;
  readonly rejectionCode: string | null;
  readonly rejectionMessage: string | null;
  readonly createdAt: Instant;
  readonly openedAt: Instant | null;
  readonly closedAt: Instant | null;
  /** Of the last event of the ledger that was applied. */
  readonly ledgerPosition: bigint;
  /** Principals; empty for an internal account. */
  readonly owners: readonly string[];
}

export interface NewAccount {
  readonly accountId: Uuid;
  readonly name: string;
  readonly currency: string;
  readonly requestedProduct: string;
  readonly parameters: Json;
  readonly createdAt: Instant;
  readonly owners: readonly string[];
}

/** What a list is narrowed to. `owner` undefined: every customer's account, for staff. */
export interface AccountFilter {
  readonly owner: string | undefined;
  readonly status: AccountStatus | undefined;
  readonly currency: string | undefined;
}

const columns = (sql: Sql | Transaction) => sql`
  a.account_id as "accountId", a.kind, a.name, a.currency, a.status, a.product_id as "productId",
  a.product_version_id as "productVersionId", a.parameters, a.rejection_code as "rejectionCode",
  a.rejection_message as "rejectionMessage", a.created_at as "createdAt", a.opened_at as "openedAt",
  a.closed_at as "closedAt", a.ledger_position as "ledgerPosition",
  array(select o.principal from accounts.account_owner o where o.account_id = a.account_id order by o.principal) as owners`;

const matches = (sql: Sql, filter: AccountFilter) => sql`
  a.kind = 'CUSTOMER'
  and (${filter.owner ?? null}::text is null or exists (
    select from accounts.account_owner o where o.account_id = a.account_id and o.principal = ${filter.owner ?? null}::text))
  and (${filter.status ?? null}::text is null or a.status = ${filter.status ?? null}::text)
  and (${filter.currency ?? null}::text is null or a.currency = ${filter.currency ?? null}::text)`;

/** PENDING until the ledger answers. */
export async function insertAccount(tx: Transaction, account: NewAccount): Promise<void> {
  await tx`
    insert into accounts.account (account_id, kind, name, currency, status, requested_product, parameters, created_at)
    values (${account.accountId}, 'CUSTOMER', ${account.name}, ${account.currency}, 'PENDING', ${account.requestedProduct},
      ${tx.json(account.parameters as JsonValue)}, ${formatInstant(account.createdAt)})`;
  await tx`
    insert into accounts.account_owner (account_id, principal)
    select ${account.accountId}, unnest(${[...account.owners]}::text[])`;
}

export async function listAccountsByIds(sql: Sql | Transaction, accountIds: readonly Uuid[]): Promise<AccountRecord[]> {
  return sql<AccountRecord[]>`
    select ${columns(sql)} from accounts.account a
    where a.account_id = any(${[...accountIds]}::uuid[])`;
}

/** In order of creation: ids are time-ordered. At most `limit` rows behind `after`. */
export async function listAccounts(
  sql: Sql,
  filter: AccountFilter,
  page: { readonly after: Uuid | undefined; readonly limit: number },
): Promise<AccountRecord[]> {
  return sql<AccountRecord[]>`
    select ${columns(sql)} from accounts.account a
    where ${matches(sql, filter)} and (${page.after ?? null}::uuid is null or a.account_id > ${page.after ?? null}::uuid)
    order by a.account_id limit ${page.limit}`;
}

/** Cheap for one owner, whose accounts are few; not offered for everybody's. */
export async function countAccounts(sql: Sql, filter: AccountFilter & { readonly owner: string }): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::integer as count from accounts.account a where ${matches(sql, filter)}`;
  return row?.count ?? 0;
}

export async function lockAccount(tx: Transaction, accountId: Uuid): Promise<AccountRecord | undefined> {
  await tx`select from accounts.account where account_id = ${accountId} for update`;
  const [account] = await listAccountsByIds(tx, [accountId]);
  return account;
}

/** What an event of the ledger, or a request to close, makes of an account. Absent fields stay as they are. */
export interface AccountChange {
  readonly status: AccountStatus;
  readonly ledgerPosition?: bigint | undefined;
  readonly productId?: string | undefined;
  readonly productVersionId?: string | undefined;
  readonly parameters?: Json | undefined;
  readonly rejection?: { readonly code: string; readonly message: string } | undefined;
  readonly openedAt?: Instant | undefined;
  readonly closedAt?: Instant | undefined;
}

/** The row must be locked. The database refuses a status that does not follow and a position that goes back. */
export async function updateAccount(tx: Transaction, accountId: Uuid, change: AccountChange): Promise<void> {
  const openedAt = change.openedAt === undefined ? null : formatInstant(change.openedAt);
  const closedAt = change.closedAt === undefined ? null : formatInstant(change.closedAt);
  const parameters = change.parameters === undefined ? null : tx.json(change.parameters as JsonValue);
  await tx`
    update accounts.account set
      status = ${change.status},
      ledger_position = coalesce(${change.ledgerPosition ?? null}::bigint, ledger_position),
      product_id = coalesce(${change.productId ?? null}::text, product_id),
      product_version_id = coalesce(${change.productVersionId ?? null}::text, product_version_id),
      parameters = coalesce(${parameters}::jsonb, parameters),
      rejection_code = coalesce(${change.rejection?.code ?? null}::text, rejection_code),
      rejection_message = coalesce(${change.rejection?.message ?? null}::text, rejection_message),
      opened_at = coalesce(${openedAt}::timestamptz, opened_at),
      closed_at = coalesce(${closedAt}::timestamptz, closed_at)
    where account_id = ${accountId}`;
}
