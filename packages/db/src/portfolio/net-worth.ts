import type { Instant, Uuid } from "@florin/kernel";
import type { Sql } from "../connect-database.js";

/** Whose: linked accounts go by the person's id, own ones by the principal. */
export interface Person {
  readonly userId: Uuid;
  readonly principal: string;
}

/** What one account adds to a person's net worth: positive is owned, negative is owed. */
export interface AccountWorth {
  readonly linkedAccountId: Uuid | null;
  readonly ownAccountId: Uuid | null;
  /** null: an institution's own unit, or none was said. */
  readonly isoCode: string | null;
  /** Decimal text; null: not known. */
  readonly worth: string | null;
  /** Of a linked account: when its institution said so. */
  readonly asOf: Instant | null;
  readonly openedAt: Instant | null;
}

/**
 * Linked: `current` of deposits and investments is owned, of cards and loans owed; a negative one counts the other way. Where `current` is
 * not said, what is available of a deposit is known to be there; of anything else, and of a kind that we do not know, nothing is
 * guessed. Holdings are not added: they are what the account's balance is made of, and need not sum to it (linked-accounts.md §6).
 * Own: the committed balance, owed where the account is an asset of the bank; a loan whose debt lies on other addresses is not known.
 */
const worthOf = (sql: Sql, { userId, principal }: Person) => sql`
  select a.linked_account_id as "linkedAccountId", null::uuid as "ownAccountId", a.iso_code as "isoCode",
    case when a.type = 'depository' then coalesce(a.current, a.available)
      when a.type in ('investment', 'brokerage') then a.current
      when a.type in ('credit', 'loan') then -a.current end as worth,
    a.as_of as "asOf", null::timestamptz as "openedAt"
  from portfolio.linked_account a where a.user_id = ${userId}
  union all
  select null, o.account_id, coalesce(a.currency, b.currency),
    case when a.has_debt_elsewhere then null when a.tside = 'ASSET' then -coalesce(b.committed, 0) else coalesce(b.committed, 0) end,
    null, a.opened_at
  from portfolio.own_account_owner o
  left join portfolio.own_account a using (account_id) left join portfolio.own_balance b using (account_id)
  where o.principal = ${principal} and a.closed_at is null and (a.opened_at is not null or b.account_id is not null)`;

const MAX_ACCOUNTS = 5_000;

export async function listWorth(sql: Sql, person: Person): Promise<AccountWorth[]> {
  return sql<AccountWorth[]>`
    select * from (${worthOf(sql, person)}) worth
    order by "openedAt" nulls last, "ownAccountId", "linkedAccountId" limit ${MAX_ACCOUNTS}`;
}

export interface WorthOfDay {
  readonly day: string;
  readonly assets: string;
  readonly liabilities: string;
}

/** At the end of each day (UTC), in one currency; a linked account counts from the first day that its balance was known. */
export async function listWorthByDay(
  sql: Sql,
  { userId, principal }: Person,
  period: { readonly from: string; readonly to: string; readonly currency: string },
): Promise<WorthOfDay[]> {
  return sql<WorthOfDay[]>`
    with days as (
      select d::date as day from generate_series(${period.from}::text::date, ${period.to}::text::date, interval '1 day') d),
    linked as (
      select days.day, case when h.type = 'depository' then coalesce(h.current, h.available)
          when h.type in ('investment', 'brokerage') then h.current
          when h.type in ('credit', 'loan') then -h.current end as worth
      from days cross join portfolio.linked_account a join lateral (
        select * from portfolio.linked_balance_history h
        where h.linked_account_id = a.linked_account_id and h.captured_at < days.day + 1
        order by h.captured_at desc limit 1) h on true
      where a.user_id = ${userId} and h.iso_code = ${period.currency}),
    mine as (
      select o.account_id, case when a.tside = 'ASSET' then -1 else 1 end as sign
      from portfolio.own_account_owner o left join portfolio.own_account a using (account_id)
      where o.principal = ${principal} and a.has_debt_elsewhere is not true),
    moved as (
      select m.account_id, m.sign, f.day, sum(f.amount) as amount
      from mine m join portfolio.own_flow f using (account_id)
      where f.currency = ${period.currency} and f.day <= ${period.to}::text::date group by 1, 2, 3),
    own as (
      select days.day, m.sign * sum(m.amount) as worth
      from days join moved m on m.day <= days.day group by days.day, m.account_id, m.sign)
    select days.day::text as day,
      coalesce(sum(w.worth) filter (where w.worth > 0), 0) as assets,
      coalesce(-sum(w.worth) filter (where w.worth < 0), 0) as liabilities
    from days left join (select * from linked union all select * from own) w using (day)
    group by days.day order by days.day`;
}
