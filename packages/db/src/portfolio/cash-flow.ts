import type { Sql } from "../connect-database.js";
import type { Person } from "./net-worth.js";

/** Calendar days, both included. */
export interface Period {
  readonly from: string;
  readonly to: string;
}

export interface CashFlow {
  /** The interval's first day within the period. */
  readonly from: string;
  readonly currency: string;
  readonly moneyIn: string;
  readonly moneyOut: string;
}

/** What a currency must look like to be one; an institution's own units have no Money. */
const ISO_CODE = "^[A-Z]{3}$";

/**
 * Money that came into and left a person's cash: deposits at institutions and accounts held here. Not a card's purchases, whose payment
 * is what moves cash. Moves between a person's own accounts are left out: of linked ones those that the institution calls transfers
 * (categories TRANSFER_IN and TRANSFER_OUT), of own ones what one batch took from one and gave to another. Pending is not yet.
 */
export async function listCashFlow(
  sql: Sql,
  { userId, principal }: Person,
  { from, to, interval }: Period & { readonly interval: "day" | "week" | "month" },
): Promise<CashFlow[]> {
  return sql<CashFlow[]>`
    with flow as (
      select t.date as day, t.iso_code as currency, -t.amount as amount
      from portfolio.linked_transaction t
      join portfolio.linked_account a on a.item_id = t.item_id and a.plaid_account_id = t.plaid_account_id
      where t.user_id = ${userId} and t.date between ${from}::text::date and ${to}::text::date and not t.is_pending
        and a.type = 'depository' and t.iso_code ~ ${ISO_CODE} and coalesce(t.category, '') !~ '^TRANSFER_(IN|OUT)'
      union all
      select f.day, f.currency, sum(f.amount)
      from portfolio.own_account_owner o
      join portfolio.own_flow f using (account_id) left join portfolio.own_account a using (account_id)
      where o.principal = ${principal} and f.day between ${from}::text::date and ${to}::text::date
        and a.tside is distinct from 'ASSET'
      group by f.batch_id, f.day, f.currency)
    select greatest(date_trunc(${interval}::text, day)::date, ${from}::text::date)::text as from, currency,
      coalesce(sum(amount) filter (where amount > 0), 0) as "moneyIn",
      coalesce(-sum(amount) filter (where amount < 0), 0) as "moneyOut"
    from flow group by 1, 2 order by 1, 2`;
}

export interface CategorySpending {
  readonly category: string;
  readonly currency: string;
  readonly amount: string;
}

const MAX_CATEGORIES = 500;

/**
 * What was spent from deposits and cards, refunds taken off; a category in which more came back than went is left out. Not spending:
 * income, moves between accounts (TRANSFER_IN, TRANSFER_OUT) and payments of cards and loans (LOAN_PAYMENTS), as what was bought with the
 * card counts already. Accounts held here tell no categories and are not in it. The greatest first.
 */
export async function listSpending(sql: Sql, { userId }: Person, { from, to }: Period): Promise<CategorySpending[]> {
  return sql<CategorySpending[]>`
    select coalesce(nullif(t.category, ''), 'UNCATEGORIZED') as category, t.iso_code as currency, sum(t.amount) as amount
    from portfolio.linked_transaction t
    join portfolio.linked_account a on a.item_id = t.item_id and a.plaid_account_id = t.plaid_account_id
    where t.user_id = ${userId} and t.date between ${from}::text::date and ${to}::text::date and not t.is_pending
      and a.type in ('depository', 'credit') and t.iso_code ~ ${ISO_CODE}
      and coalesce(t.category, '') !~ '^(TRANSFER_(IN|OUT)|LOAN_PAYMENTS|INCOME)'
      and not (coalesce(t.category, '') = '' and t.amount < 0)
    group by 1, 2 having sum(t.amount) > 0
    order by sum(t.amount) desc, 1, 2 limit ${MAX_CATEGORIES}`;
}
