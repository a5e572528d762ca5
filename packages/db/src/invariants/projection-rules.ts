import type { Invariant } from "./invariant.js";

/**
 * I6: what accounts shows of the ledger, against the same built anew from the ledger's events alone. The fold repeats the diagram in
 * subgraphs/accounts/src/account-lifecycle.ts on purpose: a fold that shared its code would share its mistakes.
 *
 * A row that has applied the ledger's events up to its position must be the fold up to there, at any moment; at rest it must have
 * applied all. An event that a person discarded was applied nowhere.
 */
const folded = `
  with told as (
    select florin.border_id('acct', a.account_id) as key, a.* from accounts.account a where a.kind = 'CUSTOMER'),
  heard as (
    select e.key, e.position, e.type, e.payload from ledger.outbox e
    where e.type in ('account.opened', 'account.rejected', 'account.closed', 'account.close_rejected') and not exists (
      select from accounts.dead_letter d
      where d.consumer = 'accounts' and d.event_id = e.event_id and d.status in ('PARKED', 'WAITING', 'DISCARDED'))),
  folded as (
    select t.account_id,
      min(h.position) filter (where h.type = 'account.opened') as opened,
      min(h.position) filter (where h.type = 'account.rejected') as rejected,
      min(h.position) filter (where h.type = 'account.closed') as closed
    from told t left join heard h on h.key = t.key and h.position <= t.ledger_position group by t.account_id)`;

export const projectionRules: readonly Invariant[] = [
  {
    id: "I6",
    sentence: "an account's status is the fold of the ledger's events that were applied to it",
    areas: ["accounts", "ledger"],
    holds: "always",
    isWhole: true,
    sql: () => `
      ${folded},
      expected as (
        select t.key, t.status, t.ledger_position,
          case when f.rejected < coalesce(f.opened, f.rejected + 1) then 'REJECTED'
               when f.opened is null then 'PENDING'
               when f.closed is not null then 'CLOSED'
               when exists (select from accounts.account_closure c where c.account_id = t.account_id and c.status = 'PENDING')
               then 'PENDING_CLOSURE' else 'OPEN' end as folded
        from told t join folded f using (account_id))
      select key as who, concat(status, ' at ', ledger_position, ', folds to ', folded) as what
      from expected where status <> folded`,
  },
  {
    id: "I6",
    sentence: "an account's product and parameters are those that the ledger opened it with",
    areas: ["accounts", "ledger"],
    holds: "always",
    isWhole: true,
    sql: () => `
      ${folded}
      select t.key as who, concat(t.product_version_id, ' ', t.parameters, ', told ', h.payload) as what
      from told t join folded f using (account_id) join heard h on h.key = t.key and h.position = f.opened
      where f.rejected is null
        and (t.product_id, t.product_version_id, t.parameters)
          is distinct from (h.payload->>'productId', h.payload->>'productVersionId', h.payload->'parameters')`,
  },
  {
    id: "I6",
    sentence: "an account has applied all that the ledger told of it",
    areas: ["accounts", "ledger"],
    holds: "at rest",
    isWhole: true,
    sql: () => `
      ${folded}
      select t.key as who, concat('at ', t.ledger_position, ', told ', h.type, ' at ', h.position) as what
      from told t join heard h on h.key = t.key and h.position > t.ledger_position`,
  },
  {
    id: "I6",
    sentence: "the ledger's copy of who owns an account is what accounts says",
    areas: ["accounts", "ledger"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select coalesce(l.account_id, o.account_id)::text as who,
        concat(principal, ': accounts ', o.account_id is not null, ', ledger ', l.account_id is not null) as what
      from (select o.* from accounts.account_owner o join ledger.account a using (account_id)) o
      full join (select l.* from ledger.account_owner l join accounts.account a using (account_id)) l
        using (account_id, principal)
      where o.account_id is null or l.account_id is null`,
  },
  {
    id: "I6",
    sentence: "no account or request to close waits for an answer",
    areas: ["accounts", "ledger"],
    holds: "at rest",
    isWhole: true,
    sql: () => `
      select a.account_id::text as who, concat('is still PENDING') as what from accounts.account a
      where a.status = 'PENDING' and not exists (
        select from ledger.dead_letter d where d.key = florin.border_id('acct', a.account_id) and d.status <> 'REPLAYED')
        and not exists (
        select from accounts.dead_letter d where d.key = florin.border_id('acct', a.account_id) and d.status <> 'REPLAYED')
      union all
      select c.account_id::text, 'has a closure that waits' from accounts.account_closure c
      where c.status = 'PENDING' and not exists (
        select from ledger.dead_letter d where d.key = florin.border_id('acct', c.account_id) and d.status <> 'REPLAYED')
        and not exists (
        select from accounts.dead_letter d where d.key = florin.border_id('acct', c.account_id) and d.status <> 'REPLAYED')`,
  },
];
