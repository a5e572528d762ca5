import { formatInstant, type Instant, type Json, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";
import type { SnapshotVersion } from "./snapshot-pages.js";

/** A security as an item's holdings, or its investment transactions, name it. */
export interface NewSecurity {
  readonly plaidSecurityId: string;
  readonly securityId: Uuid;
  readonly name: string | null;
  readonly tickerSymbol: string | null;
  readonly type: string | null;
  readonly closePrice: string | null;
  readonly closePriceAsOf: string | null;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
  /** All that the institution said; money as decimal text. */
  readonly content: object;
}

export interface SecurityRecord {
  readonly securityId: Uuid;
  readonly userId: Uuid;
  readonly closePrice: string | null;
  readonly closePriceAsOf: string | null;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
  readonly capturedAt: Instant;
  readonly content: Json;
}

type Source = "HOLDINGS" | "INVESTMENT_TRANSACTIONS";
const MAX_SECURITIES = 2_000;

export async function deleteSecurities(tx: Transaction, itemId: Uuid, product: Source): Promise<void> {
  await tx`delete from portfolio.security where item_id = ${itemId} and product = ${product}`;
}

/** The later word of the same product counts. */
export async function putSecurities(
  tx: Transaction,
  product: Source,
  { itemId, userId, capturedAt }: SnapshotVersion,
  rows: readonly NewSecurity[],
): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into portfolio.security (item_id, product, plaid_security_id, security_id, user_id, name, ticker_symbol, type,
      close_price, close_price_as_of, iso_code, unofficial_code, captured_at, content)
    select distinct on (r."plaidSecurityId") ${itemId}, ${product}, r."plaidSecurityId", r."securityId", ${userId}, r.name,
      r."tickerSymbol", r.type, r."closePrice", r."closePriceAsOf", r."isoCode", r."unofficialCode", ${formatInstant(capturedAt)},
      r.content
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as r ("plaidSecurityId" text, "securityId" uuid, name text,
      "tickerSymbol" text, type text, "closePrice" numeric, "closePriceAsOf" date, "isoCode" text, "unofficialCode" text,
      content jsonb)
    order by r."plaidSecurityId"
    on conflict (item_id, product, plaid_security_id) do update set security_id = excluded.security_id, user_id = excluded.user_id,
      name = excluded.name, ticker_symbol = excluded.ticker_symbol, type = excluded.type, close_price = excluded.close_price,
      close_price_as_of = excluded.close_price_as_of, iso_code = excluded.iso_code, unofficial_code = excluded.unofficial_code,
      captured_at = excluded.captured_at, content = excluded.content`;
}

/** Plaid's ids of securities that holdings of the item name and nothing describes. */
export async function listUndescribedSecurities(tx: Transaction, itemId: Uuid): Promise<readonly string[]> {
  const rows = await tx<{ plaidSecurityId: string }[]>`
    select distinct h.plaid_security_id as "plaidSecurityId" from portfolio.holding h
    where h.item_id = ${itemId} and not exists (
      select from portfolio.security s
      where s.item_id = h.item_id and s.product = 'HOLDINGS' and s.plaid_security_id = h.plaid_security_id)`;
  return rows.map((row) => row.plaidSecurityId);
}

const columns = (sql: Sql) => sql`
  s.security_id as "securityId", s.user_id as "userId", s.close_price as "closePrice",
  s.close_price_as_of::text as "closePriceAsOf", s.iso_code as "isoCode", s.unofficial_code as "unofficialCode",
  s.captured_at as "capturedAt", s.content`;

/** The newest word on each. */
export async function listSecuritiesByIds(sql: Sql, ids: readonly Uuid[]): Promise<SecurityRecord[]> {
  return sql<SecurityRecord[]>`
    select distinct on (s.security_id) ${columns(sql)} from portfolio.security s
    where s.security_id = any(${[...ids]}::uuid[])
    order by s.security_id, s.captured_at desc, s.product, s.plaid_security_id`;
}

/** Those that are held, or were bought or sold, in accounts that are on the roster. At most 2000. */
export async function listSecurities(sql: Sql, userId: Uuid): Promise<SecurityRecord[]> {
  return sql<SecurityRecord[]>`
    select distinct on (s.security_id) ${columns(sql)} from portfolio.security s
    where s.user_id = ${userId} and exists (
      select from (
        select item_id, plaid_account_id, plaid_security_id from portfolio.holding where user_id = ${userId}
        union all
        select item_id, plaid_account_id, plaid_security_id from portfolio.investment_transaction where user_id = ${userId}) named
      join portfolio.linked_account a using (item_id, plaid_account_id)
      where named.item_id = s.item_id and named.plaid_security_id = s.plaid_security_id)
    order by s.security_id, s.captured_at desc, s.product, s.plaid_security_id limit ${MAX_SECURITIES}`;
}
