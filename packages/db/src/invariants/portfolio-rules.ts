import type { Invariant } from "./invariant.js";

/** I6 of portfolio: what it shows of the ledger and of institutions, against what it was told. */
export const portfolioRules: readonly Invariant[] = [
  {
    id: "I6",
    sentence: "the balance that portfolio knows of an account is the sum of what its batches did",
    areas: ["portfolio"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select b.account_id::text as who, concat('balance ', b.committed, ', flows ', coalesce(f.total, 0)) as what
      from portfolio.own_balance b
      left join (select account_id, sum(amount) as total from portfolio.own_flow group by account_id) f using (account_id)
      where b.committed <> coalesce(f.total, 0)`,
  },
  {
    id: "I6",
    sentence: "no page is kept of a version that was applied, or of an item that was removed",
    areas: ["portfolio"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select p.item_id::text as who, concat(p.product, ' version ', p.version, ', applied ', a.version) as what
      from portfolio.snapshot_page p
      left join portfolio.applied_snapshot a using (item_id, product)
      left join portfolio.item_removal r using (item_id)
      where p.version <= a.version or r.item_id is not null`,
  },
  {
    id: "I6",
    sentence: "nothing is kept of an item that was removed",
    areas: ["portfolio"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select r.item_id::text as who, 'has rows' as what from portfolio.item_removal r
      where exists (select from portfolio.linked_account t where t.item_id = r.item_id)
        or exists (select from portfolio.linked_transaction t where t.item_id = r.item_id)
        or exists (select from portfolio.liability t where t.item_id = r.item_id)
        or exists (select from portfolio.liability_history t where t.item_id = r.item_id)
        or exists (select from portfolio.holding t where t.item_id = r.item_id)
        or exists (select from portfolio.holding_history t where t.item_id = r.item_id)
        or exists (select from portfolio.investment_transaction t where t.item_id = r.item_id)
        or exists (select from portfolio.security t where t.item_id = r.item_id)
        or exists (select from portfolio.linked_balance_history t where t.item_id = r.item_id)`,
  },
  {
    id: "I6",
    sentence: "portfolio has heard of every posting to an account that a person owns",
    areas: ["ledger", "portfolio"],
    holds: "at rest",
    isWhole: true,
    sql: () => `
      select told.account_id::text as who, concat('posting ', told.last, ', heard of ', coalesce(b.account_seq, 0)) as what
      from (select p.account_id, max(p.account_seq) as last from ledger.posting p
            join ledger.account_owner o using (book_id, account_id) group by p.account_id) told
      left join portfolio.own_balance b using (account_id)
      where b.account_seq is distinct from told.last
        and not exists (select from portfolio.dead_letter d
          where d.key = florin.border_id('acct', told.account_id) and d.status <> 'REPLAYED')`,
  },
];
