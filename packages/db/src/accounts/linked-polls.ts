import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";
import type { LinkedProductName } from "./linked-item-sync.js";

/** When items are asked although nobody told of news: webhooks get lost (linked-accounts.md §1.4). */
export async function schedulePoll(tx: Transaction, itemId: Uuid, at: Instant): Promise<void> {
  await tx`update accounts.linked_item set next_poll_at = ${formatInstant(at)} where item_id = ${itemId}`;
}

/** Items whose time has come; nobody else gets them before `again`, which is their next time if nothing sets another. */
export async function takeItemsToPoll(
  tx: Transaction,
  now: Instant,
  again: Instant,
  limit: number,
): Promise<readonly Uuid[]> {
  const rows = await tx<{ itemId: Uuid }[]>`
    update accounts.linked_item set next_poll_at = ${formatInstant(again)} where item_id in (
      select item_id from accounts.linked_item
      where next_poll_at <= ${formatInstant(now)} and removed_at is null and status not in ('REVOKED', 'TOKEN_LOST')
      order by next_poll_at limit ${limit} for update skip locked)
    returning item_id as "itemId"`;
  return rows.map(({ itemId }) => itemId);
}

/** A person's items that can be read, and what of them was last read when. Both roles of the area may ask. */
export async function listFreshness(
  tx: Sql | Transaction,
  userId: Uuid,
): Promise<readonly { readonly itemId: Uuid; readonly product: LinkedProductName; readonly at: Instant | null }[]> {
  return await tx<{ itemId: Uuid; product: LinkedProductName; at: Instant | null }[]>`
    select i.item_id as "itemId", p.product, p.last_synced_at as at
    from accounts.linked_item i join accounts.linked_product p using (item_id)
    where i.user_id = ${userId} and i.removed_at is null and i.status in ('HEALTHY', 'EXPIRING', 'INSTITUTION_DOWN')
      and p.status <> 'NOT_APPLICABLE'
    order by i.item_id`;
}

/** The oldest data of items that can be read, by product. */
export async function listStaleness(
  sql: Sql,
): Promise<readonly { readonly product: LinkedProductName; readonly oldest: Instant }[]> {
  return await sql<{ product: LinkedProductName; oldest: Instant }[]>`
    select p.product, min(p.last_synced_at) as oldest
    from accounts.linked_product p join accounts.linked_item i using (item_id)
    where i.removed_at is null and i.status in ('HEALTHY', 'EXPIRING', 'INSTITUTION_DOWN')
      and p.status <> 'NOT_APPLICABLE' and p.last_synced_at is not null
    group by p.product`;
}
