import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";
import type { StoredItemStatus } from "./linked-items.js";
import type { ItemLease } from "./linked-jobs.js";

/** An item as the worker needs it. */
export interface SyncedItem {
  readonly itemId: Uuid;
  readonly userId: Uuid;
  readonly institutionId: string | null;
  readonly institutionName: string | null;
  readonly status: StoredItemStatus;
  readonly statusReason: string | null;
  readonly expiresAt: Instant | null;
  readonly hasNewAccounts: boolean;
  readonly transactionsCursor: string | null;
  readonly cursorVersion: bigint;
  readonly hasInvestmentHistory: boolean;
  readonly removedAt: Instant | null;
  readonly purgedAt: Instant | null;
}

const columns = (sql: Sql | Transaction) => sql`
  item_id as "itemId", user_id as "userId", institution_id as "institutionId", institution_name as "institutionName", status,
  status_reason as "statusReason", expires_at as "expiresAt", has_new_accounts as "hasNewAccounts",
  transactions_cursor as "transactionsCursor", cursor_version as "cursorVersion",
  has_investment_history as "hasInvestmentHistory", removed_at as "removedAt", purged_at as "purgedAt"`;

export async function findSyncedItem(sql: Sql | Transaction, itemId: Uuid): Promise<SyncedItem | undefined> {
  const [item] = await sql<SyncedItem[]>`select ${columns(sql)} from accounts.linked_item where item_id = ${itemId}`;
  return item;
}

/** The item, locked until the transaction ends: first of all of an item's rows, so nobody waits in a circle. */
export async function lockItem(tx: Transaction, itemId: Uuid): Promise<SyncedItem | undefined> {
  const [item] = await tx<SyncedItem[]>`
    select ${columns(tx)} from accounts.linked_item where item_id = ${itemId} for update`;
  return item;
}

/**
 * The fence: whoever writes what an institution said locks the item this way first. undefined: another worker has taken the item over,
 * and nothing that was read under this lease may be written any more.
 */
export async function lockLeasedItem(tx: Transaction, lease: ItemLease): Promise<SyncedItem | undefined> {
  const [item] = await tx<SyncedItem[]>`
    select ${columns(tx)} from accounts.linked_item
    where item_id = ${lease.itemId} and lease_owner = ${lease.owner} and lease_epoch = ${lease.epoch} for update`;
  return item;
}

export interface ItemStandingChange {
  readonly status: StoredItemStatus;
  readonly reason: string | undefined;
  readonly expiresAt: Instant | undefined;
  readonly hasNewAccounts: boolean;
}

/** Under the item's lock. */
export async function saveItemStanding(
  tx: Transaction,
  itemId: Uuid,
  standing: ItemStandingChange,
  at: Instant,
): Promise<void> {
  const { status, reason, expiresAt, hasNewAccounts } = standing;
  await tx`
    update accounts.linked_item set
      status_since = case when status = ${status} then status_since else ${formatInstant(at)}::timestamptz end,
      status = ${status}, status_reason = ${reason ?? null}, has_new_accounts = ${hasNewAccounts},
      expires_at = ${expiresAt === undefined ? null : formatInstant(expiresAt)},
      removed_at = case when ${status} = 'REMOVED' then coalesce(removed_at, ${formatInstant(at)}::timestamptz) end
    where item_id = ${itemId}`;
}

/** What `/item/get` says of an item that the browser also said, and is not to be believed about. */
export async function saveInstitution(
  tx: Transaction,
  itemId: Uuid,
  institution: { readonly institutionId: string | undefined; readonly institutionName: string | undefined },
): Promise<void> {
  await tx`
    update accounts.linked_item set institution_id = coalesce(${institution.institutionId ?? null}, institution_id),
      institution_name = coalesce(${institution.institutionName ?? null}, institution_name)
    where item_id = ${itemId}`;
}

/** All of it is to be read again. */
export async function forgetInvestmentHistory(tx: Transaction, itemId: Uuid): Promise<void> {
  await tx`update accounts.linked_item set has_investment_history = false where item_id = ${itemId}`;
}

/** All of it was read, unless somebody asked again while it was: then what was read may have been too early. */
export async function noteInvestmentHistory(tx: Transaction, itemId: Uuid, target: bigint): Promise<void> {
  await tx`
    update accounts.linked_item set has_investment_history = true
    where item_id = ${itemId} and exists (
      select from accounts.linked_job where item_id = ${itemId} and kind = 'INVESTMENT_TRANSACTIONS' and requested = ${target})`;
}

export type LinkedProductName = "BALANCES" | "TRANSACTIONS" | "LIABILITIES" | "INVESTMENTS";
export type LinkedProductState = "READY" | "SYNCING" | "NOT_READY" | "NOT_APPLICABLE" | "FAILING";

export interface ProductReport {
  readonly product: LinkedProductName;
  readonly state: LinkedProductState;
  readonly reason?: string | undefined;
  /** The kind of job that says it. */
  readonly saidBy: string;
  /** Its data was read whole just now. */
  readonly syncedAt?: Instant | undefined;
}

/** false: people see the same as before. A job's word does not cover the failure of another that feeds the same product. */
export async function saveProduct(tx: Transaction, itemId: Uuid, report: ProductReport): Promise<boolean> {
  const { product, state, saidBy } = report;
  const syncedAt = report.syncedAt === undefined ? null : formatInstant(report.syncedAt);
  const failures = state === "FAILING" ? 1 : 0;
  const changed = await tx`
    insert into accounts.linked_product as p (item_id, product, status, reason, last_synced_at, failures, said_by)
    values (${itemId}, ${product}, ${state}, ${report.reason ?? null}, ${syncedAt}, ${failures}, ${saidBy})
    on conflict (item_id, product) do update set status = excluded.status, reason = excluded.reason,
      last_synced_at = coalesce(excluded.last_synced_at, p.last_synced_at),
      failures = case when ${failures} = 0 then 0 else p.failures + 1 end, said_by = excluded.said_by
    where excluded.status = 'FAILING'
      or (p.status <> 'FAILING' or p.said_by is not distinct from excluded.said_by)
        and (excluded.last_synced_at is not null
          or (p.status, p.reason, p.said_by) is distinct from (excluded.status, excluded.reason, excluded.said_by))
    returning 1`;
  return changed.length > 0;
}

/** Before its first read, so that people see that something is under way. */
export async function beginProduct(
  tx: Sql | Transaction,
  itemId: Uuid,
  product: LinkedProductName,
  saidBy: string,
): Promise<boolean> {
  const begun = await tx`
    insert into accounts.linked_product (item_id, product, status, said_by) values (${itemId}, ${product}, 'SYNCING', ${saidBy})
    on conflict (item_id, product) do nothing returning 1`;
  return begun.length > 0;
}

/** By product: its state, and when it was last read whole. Null: never. */
export async function findLastSynced(
  sql: Sql | Transaction,
  itemId: Uuid,
): Promise<ReadonlyMap<LinkedProductName, { readonly state: LinkedProductState; readonly at: Instant | null }>> {
  const rows = await sql<{ product: LinkedProductName; state: LinkedProductState; at: Instant | null }[]>`
    select product, status as state, last_synced_at as at from accounts.linked_product where item_id = ${itemId}`;
  return new Map(rows.map(({ product, ...row }) => [product, row]));
}

export type SnapshotName = "ACCOUNTS" | "TRANSACTIONS" | "LIABILITIES" | "HOLDINGS" | "INVESTMENT_TRANSACTIONS";

/** The number of the next snapshot of this product, given under the item's lock. */
export async function nextSnapshotVersion(
  tx: Transaction,
  itemId: Uuid,
  product: SnapshotName,
  capturedAt: Instant,
): Promise<bigint> {
  const [row] = await tx<{ version: bigint }[]>`
    insert into accounts.linked_snapshot as s (item_id, product, version, captured_at)
    values (${itemId}, ${product}, 1, ${formatInstant(capturedAt)})
    on conflict (item_id, product) do update set version = s.version + 1, captured_at = excluded.captured_at
    returning version`;
  if (row === undefined) throw new Error("a snapshot got no number");
  return row.version;
}
