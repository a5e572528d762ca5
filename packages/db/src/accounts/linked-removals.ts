import { createHash } from "node:crypto";
import { canonicalJson, formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { JsonValue, Sql, Transaction } from "../connect-database.js";

/**
 * Removing an item: the tombstone first, then the institution, then everything that was kept (linked-accounts.md §1.9). What stays is the
 * row of the item without Plaid's id, its history, and this record: how many rows were deleted, table by table, with their digest.
 */
export type RemovalReason = "REQUESTED" | "VIRTUAL_ACCOUNT_DELETED" | "PERMISSION_REVOKED" | "DUPLICATE";
export type RemoteOutcome = "REMOVED" | "GONE" | "NO_TOKEN";

export interface RemovalRecord {
  readonly itemId: Uuid;
  readonly reason: RemovalReason;
  readonly requestedAt: Instant;
  readonly remoteOutcome: RemoteOutcome | null;
  readonly remoteAt: Instant | null;
  readonly purgedAt: Instant | null;
  readonly purgedRows: Readonly<Record<string, number>> | null;
  readonly proofDigest: Uint8Array | null;
}

/** Nothing happens when it was asked for before: the first reason stays. */
export async function insertRemoval(
  tx: Transaction,
  removal: {
    readonly itemId: Uuid;
    readonly requestedBy: string;
    readonly reason: RemovalReason;
    readonly requestedAt: Instant;
  },
): Promise<void> {
  await tx`
    insert into accounts.linked_item_removal (item_id, requested_by, reason, requested_at)
    values (${removal.itemId}, ${removal.requestedBy}, ${removal.reason}, ${formatInstant(removal.requestedAt)})
    on conflict do nothing`;
}

export async function findRemoval(sql: Sql | Transaction, itemId: Uuid): Promise<RemovalRecord | undefined> {
  const [removal] = await sql<RemovalRecord[]>`
    select item_id as "itemId", reason, requested_at as "requestedAt", remote_outcome as "remoteOutcome",
      remote_at as "remoteAt", purged_at as "purgedAt", purged_rows as "purgedRows", proof_digest as "proofDigest"
    from accounts.linked_item_removal where item_id = ${itemId}`;
  return removal;
}

/** What the institution's side said; kept once. */
export async function saveRemoteOutcome(
  sql: Sql,
  itemId: Uuid,
  outcome: RemoteOutcome,
  requestId: string | undefined,
  at: Instant,
): Promise<void> {
  await sql`
    update accounts.linked_item_removal set remote_outcome = ${outcome}, remote_request_id = ${requestId ?? null},
      remote_at = ${formatInstant(at)}
    where item_id = ${itemId} and remote_outcome is null`;
}

/** Deletes everything that was kept of a removed item, and leaves the proof. Nothing happens when that was done before. */
export async function purgeItem(tx: Transaction, itemId: Uuid, at: Instant): Promise<RemovalRecord | undefined> {
  await tx`select from accounts.linked_item where item_id = ${itemId} for update`;
  const known = await findRemoval(tx, itemId);
  if (known === undefined || known.purgedAt !== null) return known;
  const purgedRows = await deleteRows(tx, itemId);
  await tx`
    update accounts.link_attempt set link_sealed = null where item_id = ${itemId} or result_item_id = ${itemId}`;
  await tx`
    update accounts.plaid_webhook set plaid_item_id = null
    where plaid_item_id = (select plaid_item_id from accounts.linked_item where item_id = ${itemId})`;
  await tx`
    update accounts.linked_item set purged_at = ${formatInstant(at)}, plaid_item_id = null, institution_id = null,
      institution_name = null, transactions_cursor = null, chosen_accounts = '{}'
    where item_id = ${itemId}`;
  const left = await countRows(tx, itemId);
  if (left > 0) throw new Error(`${left} rows of item ${itemId} are left after its purge; look which table is new`);
  const proof = canonicalJson({ itemId, purgedAt: formatInstant(at), purgedRows, remote: known.remoteOutcome });
  const digest = createHash("sha256").update(proof, "utf8").digest();
  await tx`
    update accounts.linked_item_removal set purged_at = ${formatInstant(at)}, purged_rows = ${tx.json(purgedRows as JsonValue)},
      proof_digest = ${digest}
    where item_id = ${itemId}`;
  return findRemoval(tx, itemId);
}

/** In this order: what refers to others goes first. The job that asks for the removal itself stays until it is finished. */
async function deleteRows(tx: Transaction, itemId: Uuid): Promise<Record<string, number>> {
  const transactions = await tx`delete from accounts.linked_transaction where item_id = ${itemId}`;
  const accounts = await tx`delete from accounts.linked_account where item_id = ${itemId}`;
  const staged = await tx`delete from accounts.linked_transaction_staged where item_id = ${itemId}`;
  const products = await tx`delete from accounts.linked_product where item_id = ${itemId}`;
  const snapshots = await tx`delete from accounts.linked_snapshot where item_id = ${itemId}`;
  const jobs = await tx`delete from accounts.linked_job where item_id = ${itemId} and kind <> 'REMOVE'`;
  const tokens = await tx`delete from accounts.linked_item_token where item_id = ${itemId}`;
  return {
    linkedTransaction: transactions.count,
    linkedAccount: accounts.count,
    linkedTransactionStaged: staged.count,
    linkedProduct: products.count,
    linkedSnapshot: snapshots.count,
    linkedJob: jobs.count,
    linkedItemToken: tokens.count,
  };
}

/** Of any table of the schema with a column item_id, but for those that stay: a new table cannot be forgotten. */
async function countRows(tx: Transaction, itemId: Uuid): Promise<number> {
  const tables = await tx<{ name: string }[]>`
    select table_name as name from information_schema.columns
    where table_schema = 'accounts' and column_name = 'item_id' and table_name like 'linked%'
      and table_name not in ('linked_item', 'linked_item_history', 'linked_item_removal')`;
  let left = 0;
  for (const { name } of tables) {
    const isJob = name === "linked_job";
    const [row] = await tx<{ count: number }[]>`
      select count(*)::integer as count from ${tx(`accounts.${name}`)}
      where item_id = ${itemId} and ${isJob ? tx`kind <> 'REMOVE'` : tx`true`}`;
    left += row?.count ?? 0;
  }
  return left;
}
