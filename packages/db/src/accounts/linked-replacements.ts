import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Transaction } from "../connect-database.js";

/** One login under two items: the newer works, the older does not any more (linked-accounts.md §1.8). */
export interface ReplacedItem {
  readonly oldItemId: Uuid;
  readonly newItemId: Uuid;
}

const isLike = (tx: Transaction) => tx`
  (a.persistent_account_id = b.persistent_account_id or (a.mask is not null and (a.name, a.mask, a.type) = (b.name, b.mask, b.type)
    and a.subtype is not distinct from b.subtype))`;

/**
 * Items of the same person and institution as this one, where every account of the older, broken one has one like of its own at the
 * newer, whose transactions were read. Both are locked, in the order of their ids.
 */
export async function listAbsorbableItems(tx: Transaction, itemId: Uuid): Promise<ReplacedItem[]> {
  await tx`
    select from accounts.linked_item i
    where (i.user_id, i.institution_id) = (select user_id, institution_id from accounts.linked_item where item_id = ${itemId})
      and i.removed_at is null
    order by i.item_id for update`;
  return tx<ReplacedItem[]>`
    select o.item_id as "oldItemId", n.item_id as "newItemId"
    from accounts.linked_item o
    join accounts.linked_item n on (n.user_id, n.institution_id) = (o.user_id, o.institution_id) and n.created_at > o.created_at
    where ${itemId} in (o.item_id, n.item_id) and o.removed_at is null and n.removed_at is null
      and o.status in ('LOGIN_REQUIRED', 'REVOKED', 'TOKEN_LOST') and n.status in ('HEALTHY', 'EXPIRING')
      and exists (select from accounts.linked_product p where p.item_id = n.item_id and p.product = 'TRANSACTIONS'
        and p.status in ('READY', 'NOT_APPLICABLE'))
      and (select count(*) > 0 and count(*) = count(l.id) and count(*) = count(distinct l.id)
        from accounts.linked_account a
        left join lateral (
          select min(b.linked_account_id::text) as id from accounts.linked_account b
          where b.item_id = n.item_id and b.removed_at is null and ${isLike(tx)} having count(*) = 1) l on true
        where a.item_id = o.item_id and a.removed_at is null)
    order by o.created_at, n.created_at desc`;
}

/**
 * The old item's accounts, under the ids that people know, become the new item's; what the person wrote on a transaction is carried to
 * its like (account, day, amount, name). The old item's own transactions are hidden, for its purge.
 */
export async function moveAccounts(tx: Transaction, move: ReplacedItem & { readonly at: Instant }): Promise<void> {
  const { oldItemId, newItemId } = move;
  const pairs = await tx<{ old: Uuid; new: Uuid; plaidAccountId: string }[]>`
    select a.linked_account_id as old, b.linked_account_id as new, b.plaid_account_id as "plaidAccountId"
    from accounts.linked_account a join accounts.linked_account b on b.item_id = ${newItemId} and b.removed_at is null and ${isLike(tx)}
    where a.item_id = ${oldItemId} and a.removed_at is null`;
  const map = tx`unnest(${pairs.map((pair) => pair.old)}::uuid[], ${pairs.map((pair) => pair.new)}::uuid[],
    ${pairs.map((pair) => pair.plaidAccountId)}::text[]) as m (old, new, plaid_account_id)`;
  await carryEdits(tx, pairs, move.at);
  await tx`
    update accounts.linked_transaction set removed_at = ${formatInstant(move.at)}
    where item_id = ${oldItemId} and removed_at is null`;
  await tx`
    update accounts.linked_transaction t set linked_account_id = m.old from ${map}
    where t.item_id = ${newItemId} and t.linked_account_id = m.new`;
  await tx`
    update accounts.linked_account b set plaid_account_id = 'moved:' || b.linked_account_id::text from ${map}
    where b.linked_account_id = m.new`;
  await tx`
    update accounts.linked_account a set item_id = ${newItemId}, plaid_account_id = m.plaid_account_id,
      persistent_account_id = b.persistent_account_id, name = b.name, official_name = b.official_name, mask = b.mask, type = b.type,
      subtype = b.subtype, holder_category = b.holder_category, apy = b.apy, available = b.available, current = b.current,
      credit_limit = b.credit_limit, iso_code = b.iso_code, unofficial_code = b.unofficial_code, balance_as_of = b.balance_as_of,
      balance_source = b.balance_source, balance_last_updated_at = b.balance_last_updated_at
    from ${map} join accounts.linked_account b on b.linked_account_id = m.new
    where a.linked_account_id = m.old`;
  await tx`delete from accounts.linked_account where linked_account_id = any(${pairs.map((pair) => pair.new)}::uuid[])`;
}

/** Several that are alike on one day are paired in their order. */
async function carryEdits(
  tx: Transaction,
  pairs: readonly { readonly old: Uuid; readonly new: Uuid }[],
  at: Instant,
): Promise<void> {
  await tx`
    with m as (
      select * from unnest(${pairs.map((pair) => pair.old)}::uuid[], ${pairs.map((pair) => pair.new)}::uuid[]) as m (old, new)
    ), before as (
      select m.new as account_id, t.date, t.amount, t.name, t.user_category, t.user_note,
        row_number() over (partition by m.new, t.date, t.amount, t.name order by t.linked_transaction_id) as n
      from m join accounts.linked_transaction t on t.linked_account_id = m.old and t.removed_at is null
    ), since as (
      select t.linked_transaction_id as id, t.linked_account_id as account_id, t.date, t.amount, t.name,
        row_number() over (partition by t.linked_account_id, t.date, t.amount, t.name order by t.linked_transaction_id) as n
      from m join accounts.linked_transaction t on t.linked_account_id = m.new and t.removed_at is null)
    update accounts.linked_transaction t set user_category = coalesce(t.user_category, before.user_category),
      user_note = coalesce(t.user_note, before.user_note), changed_at = ${formatInstant(at)}
    from before join since using (account_id, date, amount, name, n)
    where t.linked_transaction_id = since.id and (before.user_category is not null or before.user_note is not null)`;
}
