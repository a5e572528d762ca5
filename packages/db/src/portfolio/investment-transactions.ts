import type { Instant, Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";
import type { SnapshotVersion } from "./snapshot-pages.js";

/** Quantities and money are decimal text; a positive amount is cash out. */
export interface NewInvestmentTransaction {
  readonly investmentTransactionId: Uuid;
  readonly plaidInvestmentTransactionId: string;
  readonly plaidAccountId: string;
  readonly plaidSecurityId: string | null;
  readonly date: string;
  readonly transactionAt: string | null;
  readonly name: string;
  readonly quantity: string;
  readonly amount: string;
  readonly price: string;
  readonly fees: string | null;
  readonly type: string;
  readonly subtype: string;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
}

export interface InvestmentTransactionRecord extends Omit<
  NewInvestmentTransaction,
  "plaidInvestmentTransactionId" | "plaidAccountId" | "plaidSecurityId" | "transactionAt"
> {
  readonly userId: Uuid;
  readonly linkedAccountId: Uuid;
  readonly securityId: Uuid | null;
  readonly transactionAt: Instant | null;
}

/** What was read of these days is all that there is of them: cancelled ones are told by their absence alone. */
export async function deleteInvestmentTransactions(
  tx: Transaction,
  itemId: Uuid,
  days: { readonly from: string; readonly to: string },
): Promise<void> {
  await tx`
    delete from portfolio.investment_transaction
    where item_id = ${itemId} and date between ${days.from}::text::date and ${days.to}::text::date`;
}

/** One whose day moved into the window replaces itself. */
export async function putInvestmentTransactions(
  tx: Transaction,
  { itemId, userId }: SnapshotVersion,
  rows: readonly NewInvestmentTransaction[],
): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into portfolio.investment_transaction (investment_transaction_id, item_id, plaid_investment_transaction_id, user_id,
      plaid_account_id, plaid_security_id, date, transaction_at, name, quantity, amount, price, fees, type, subtype, iso_code,
      unofficial_code)
    select distinct on (r."investmentTransactionId") r."investmentTransactionId", ${itemId}, r."plaidInvestmentTransactionId",
      ${userId}, r."plaidAccountId", r."plaidSecurityId", r.date, r."transactionAt", r.name, r.quantity, r.amount, r.price, r.fees,
      r.type, r.subtype, r."isoCode", r."unofficialCode"
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as r ("investmentTransactionId" uuid,
      "plaidInvestmentTransactionId" text, "plaidAccountId" text, "plaidSecurityId" text, date date, "transactionAt" timestamptz,
      name text, quantity numeric, amount numeric, price numeric, fees numeric, type text, subtype text, "isoCode" text,
      "unofficialCode" text)
    order by r."investmentTransactionId"
    on conflict (investment_transaction_id) do update set plaid_account_id = excluded.plaid_account_id,
      plaid_security_id = excluded.plaid_security_id, date = excluded.date, transaction_at = excluded.transaction_at,
      name = excluded.name, quantity = excluded.quantity, amount = excluded.amount, price = excluded.price, fees = excluded.fees,
      type = excluded.type, subtype = excluded.subtype, iso_code = excluded.iso_code, unofficial_code = excluded.unofficial_code`;
}

const shown = (sql: Sql) => sql`
  select t.investment_transaction_id as "investmentTransactionId", t.user_id as "userId", a.linked_account_id as "linkedAccountId",
    (select s.security_id from portfolio.security s
     where s.item_id = t.item_id and s.plaid_security_id = t.plaid_security_id
     order by s.captured_at desc, s.product limit 1) as "securityId",
    t.date::text as date, t.transaction_at as "transactionAt", t.name, t.quantity, t.amount, t.price, t.fees, t.type, t.subtype,
    t.iso_code as "isoCode", t.unofficial_code as "unofficialCode"
  from portfolio.investment_transaction t
  join portfolio.linked_account a on a.item_id = t.item_id and a.plaid_account_id = t.plaid_account_id`;

export interface InvestmentTransactionPage {
  /** Behind this one: its day and id. */
  readonly after: { readonly date: string; readonly id: Uuid } | undefined;
  readonly limit: number;
}

/** Newest first; at most `limit` behind `after`. */
export async function listInvestmentTransactions(
  sql: Sql,
  userId: Uuid,
  { after, limit }: InvestmentTransactionPage,
): Promise<InvestmentTransactionRecord[]> {
  return sql<InvestmentTransactionRecord[]>`
    ${shown(sql)} where t.user_id = ${userId} and (${after?.date ?? null}::text is null
      or (t.date, t.investment_transaction_id) < (${after?.date ?? null}::text::date, ${after?.id ?? null}::uuid))
    order by t.date desc, t.investment_transaction_id desc limit ${limit}`;
}

export async function listInvestmentTransactionsByIds(
  sql: Sql,
  ids: readonly Uuid[],
): Promise<InvestmentTransactionRecord[]> {
  return sql<InvestmentTransactionRecord[]>`
    ${shown(sql)} where t.investment_transaction_id = any(${[...ids]}::uuid[])`;
}

export async function countInvestmentTransactions(sql: Sql, userId: Uuid): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::integer as count from portfolio.investment_transaction t
    join portfolio.linked_account a on a.item_id = t.item_id and a.plaid_account_id = t.plaid_account_id
    where t.user_id = ${userId}`;
  return row?.count ?? 0;
}
