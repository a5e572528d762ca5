import type { Invariant } from "./invariant.js";

/** I6 of linked accounts: what hangs together does, and what was given up is gone. */
export const linkedRules: readonly Invariant[] = [
  {
    id: "I6",
    sentence: "a linked account and its transactions are of the item's person and item",
    areas: ["accounts"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select a.linked_account_id::text as who, concat('person ', a.user_id, ', item of ', i.user_id) as what
      from accounts.linked_account a join accounts.linked_item i using (item_id) where a.user_id <> i.user_id
      union all
      select t.linked_transaction_id::text, concat('item ', t.item_id, ', account of ', a.item_id)
      from accounts.linked_transaction t join accounts.linked_account a using (linked_account_id)
      where t.item_id <> a.item_id and t.removed_at is null`,
  },
  {
    id: "I6",
    sentence: "a linked item that works has its token",
    areas: ["accounts"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select i.item_id::text as who, i.status as what from accounts.linked_item i
      where i.status not in ('REMOVED', 'TOKEN_LOST')
        and not exists (select from accounts.linked_item_token t where t.item_id = i.item_id)`,
  },
  {
    id: "I6",
    sentence: "a linked item is removed and purged as its removal says",
    areas: ["accounts"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select i.item_id::text as who, concat('removed ', i.removed_at, ', purged ', i.purged_at, '; proof ', r.purged_at) as what
      from accounts.linked_item i left join accounts.linked_item_removal r using (item_id)
      where (i.removed_at is null) <> (r.item_id is null) or i.purged_at is distinct from r.purged_at`,
  },
  {
    id: "I6",
    sentence: "nothing is kept of a linked item that was purged",
    areas: ["accounts"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select i.item_id::text as who, 'has rows' as what from accounts.linked_item i
      where i.purged_at is not null and (exists (select from accounts.linked_account t where t.item_id = i.item_id)
        or exists (select from accounts.linked_transaction t where t.item_id = i.item_id)
        or exists (select from accounts.linked_product t where t.item_id = i.item_id)
        or exists (select from accounts.linked_item_token t where t.item_id = i.item_id))`,
  },
  {
    id: "I6",
    sentence: "a visit to Link made an item of its own person",
    areas: ["accounts"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select l.attempt_id::text as who, concat(l.status, ' ', l.result_item_id) as what
      from accounts.link_attempt l left join accounts.linked_item i on i.item_id = l.result_item_id
      where l.status in ('LINKED', 'DUPLICATE') and i.user_id is distinct from l.user_id`,
  },
];
