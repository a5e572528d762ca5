import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/** One login at one institution. Cursor, lease and polls are the sync's (linked-sync.ts, linked-jobs.ts). */
export type StoredItemStatus =
  | "HEALTHY"
  | "EXPIRING"
  | "LOGIN_REQUIRED"
  | "ACTION_AT_INSTITUTION"
  | "INSTITUTION_DOWN"
  | "REVOKED"
  | "TOKEN_LOST"
  | "REMOVED";

export interface LinkedItemRecord {
  readonly itemId: Uuid;
  readonly userId: Uuid;
  /** Plaid's; null once the item was purged. */
  readonly plaidItemId: string | null;
  readonly institutionId: string | null;
  readonly institutionName: string | null;
  readonly status: StoredItemStatus;
  readonly statusReason: string | null;
  readonly statusSince: Instant;
  readonly expiresAt: Instant | null;
  readonly hasNewAccounts: boolean;
  readonly createdAt: Instant;
  readonly removedAt: Instant | null;
  readonly purgedAt: Instant | null;
}

export interface NewLinkedItem {
  readonly itemId: Uuid;
  readonly userId: Uuid;
  readonly plaidItemId: string;
  readonly plaidItemDigest: Uint8Array;
  readonly environment: "production" | "sandbox" | "simulator";
  readonly institutionId: string | undefined;
  readonly institutionName: string | undefined;
  /** Digests in hexadecimal. */
  readonly chosenAccounts: readonly string[];
  readonly createdAt: Instant;
}

const columns = (sql: Sql | Transaction) => sql`
  item_id as "itemId", user_id as "userId", plaid_item_id as "plaidItemId", institution_id as "institutionId",
  institution_name as "institutionName", status, status_reason as "statusReason", status_since as "statusSince",
  expires_at as "expiresAt", has_new_accounts as "hasNewAccounts", created_at as "createdAt", removed_at as "removedAt",
  purged_at as "purgedAt"`;

/** HEALTHY until something else is heard; due to be polled at once. */
export async function insertLinkedItem(tx: Transaction, item: NewLinkedItem): Promise<void> {
  const at = formatInstant(item.createdAt);
  await tx`
    insert into accounts.linked_item (item_id, user_id, plaid_item_id, plaid_item_digest, environment, institution_id,
      institution_name, chosen_accounts, status, status_since, created_at, next_poll_at)
    values (${item.itemId}, ${item.userId}, ${item.plaidItemId}, ${Buffer.from(item.plaidItemDigest)}, ${item.environment},
      ${item.institutionId ?? null}, ${item.institutionName ?? null},
      ${[...item.chosenAccounts]}::text[], 'HEALTHY', ${at}, ${at}, ${at})`;
}

export async function listLinkedItemsByIds(
  sql: Sql | Transaction,
  itemIds: readonly Uuid[],
): Promise<LinkedItemRecord[]> {
  return sql<LinkedItemRecord[]>`
    select ${columns(sql)} from accounts.linked_item where item_id = any(${[...itemIds]}::uuid[])`;
}

/** Those that are not removed, oldest first. */
export async function listLinkedItemsOf(sql: Sql | Transaction, userIds: readonly Uuid[]): Promise<LinkedItemRecord[]> {
  return sql<LinkedItemRecord[]>`
    select ${columns(sql)} from accounts.linked_item
    where user_id = any(${[...userIds]}::uuid[]) and removed_at is null order by created_at, item_id`;
}

export async function lockLinkedItem(tx: Transaction, itemId: Uuid): Promise<LinkedItemRecord | undefined> {
  const [item] = await tx<LinkedItemRecord[]>`
    select ${columns(tx)} from accounts.linked_item where item_id = ${itemId} for update`;
  return item;
}

/** The tombstone, with the role that serves people. false: it stood there already. */
export async function markItemRemoved(tx: Transaction, itemId: Uuid, reason: string, at: Instant): Promise<boolean> {
  const now = formatInstant(at);
  const rows = await tx`
    update accounts.linked_item set status = 'REMOVED', status_reason = ${reason}, status_since = ${now}, removed_at = ${now},
      next_poll_at = null
    where item_id = ${itemId} and status <> 'REMOVED'`;
  return rows.count === 1;
}

/** Until the transaction ends, nobody else decides about this person's links: whether one is the same login as another. */
export async function lockLinksOf(tx: Transaction, userId: Uuid): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtextextended(${`florin linked items of ${userId}`}, 0))`;
}

/** What an item was told apart by when it was linked, and what is known of its accounts since. */
export interface ItemLikeness {
  readonly itemId: Uuid;
  readonly status: StoredItemStatus;
  /** Digests in hexadecimal. */
  readonly chosenAccounts: readonly string[];
  readonly accounts: readonly {
    readonly name: string;
    readonly mask: string | null;
    readonly type: string;
    readonly subtype: string | null;
  }[];
}

/** The person's items at one institution that are not removed, oldest first. */
export async function listItemLikenesses(
  sql: Sql | Transaction,
  userId: Uuid,
  institutionId: string,
): Promise<ItemLikeness[]> {
  return sql<ItemLikeness[]>`
    select i.item_id as "itemId", i.status, i.chosen_accounts as "chosenAccounts",
      coalesce((select jsonb_agg(jsonb_build_object('name', a.name, 'mask', a.mask, 'type', a.type, 'subtype', a.subtype)
        order by a.linked_account_id)
        from accounts.linked_account a where a.item_id = i.item_id and a.removed_at is null), '[]') as accounts
    from accounts.linked_item i
    where i.user_id = ${userId} and i.institution_id = ${institutionId} and i.removed_at is null
    order by i.created_at, i.item_id`;
}

export interface ItemChange {
  readonly itemId: Uuid;
  readonly at: Instant;
  readonly status: StoredItemStatus;
  readonly reason: string | null;
}

/** Newest first, at most `limit` of each item. */
export async function listItemHistory(
  sql: Sql | Transaction,
  itemIds: readonly Uuid[],
  limit: number,
): Promise<ItemChange[]> {
  return sql<ItemChange[]>`
    select h.item_id as "itemId", h.at, h.status, h.reason from unnest(${[...itemIds]}::uuid[]) i (item_id)
    cross join lateral (select * from accounts.linked_item_history h where h.item_id = i.item_id
      order by h.ordinal desc limit ${limit}) h
    order by h.item_id, h.ordinal desc`;
}
