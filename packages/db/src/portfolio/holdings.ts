import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";
import type { SnapshotVersion } from "./snapshot-pages.js";

export interface NewTaxLot {
  readonly institutionLotId: string | null;
  readonly purchasedAt: string | null;
  readonly quantity: string | null;
  readonly purchasePrice: string | null;
  readonly costBasis: string | null;
  readonly currentValue: string | null;
  readonly positionType: string | null;
}

/** A position. Quantities, prices and values are decimal text. */
export interface NewHolding {
  readonly plaidAccountId: string;
  readonly plaidSecurityId: string;
  /** Among those of the same account and security. */
  readonly ordinal: number;
  readonly quantity: string;
  readonly institutionPrice: string;
  readonly institutionPriceAsOf: string | null;
  readonly institutionPriceAt: string | null;
  readonly institutionValue: string;
  readonly costBasis: string | null;
  readonly vestedQuantity: string | null;
  readonly vestedValue: string | null;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
  /** null: absent. */
  readonly taxLots: readonly NewTaxLot[] | null;
}

export interface TaxLotRecord extends Omit<NewTaxLot, "purchasedAt"> {
  readonly purchasedAt: string | null;
}

export interface HoldingRecord {
  readonly linkedAccountId: Uuid;
  readonly securityId: Uuid;
  readonly ordinal: number;
  readonly quantity: string;
  readonly institutionPrice: string;
  readonly institutionPriceAsOf: string | null;
  readonly institutionPriceAt: Instant | null;
  readonly institutionValue: string;
  readonly costBasis: string | null;
  readonly vestedQuantity: string | null;
  readonly vestedValue: string | null;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
  readonly taxLots: readonly TaxLotRecord[] | null;
  readonly capturedAt: Instant;
}

const MAX_HOLDINGS = 2_000;

export async function deleteHoldings(tx: Transaction, itemId: Uuid): Promise<void> {
  await tx`delete from portfolio.holding where item_id = ${itemId}`;
}

export async function insertHoldings(
  tx: Transaction,
  { itemId, userId, capturedAt }: SnapshotVersion,
  rows: readonly NewHolding[],
): Promise<void> {
  if (rows.length === 0) return;
  const text = JSON.stringify(rows);
  await tx`
    insert into portfolio.holding (item_id, plaid_account_id, plaid_security_id, ordinal, user_id, quantity, institution_price,
      institution_price_as_of, institution_price_at, institution_value, cost_basis, vested_quantity, vested_value, iso_code,
      unofficial_code, has_tax_lots, captured_at)
    select ${itemId}, r."plaidAccountId", r."plaidSecurityId", r.ordinal, ${userId}, r.quantity, r."institutionPrice",
      r."institutionPriceAsOf", r."institutionPriceAt", r."institutionValue", r."costBasis", r."vestedQuantity", r."vestedValue",
      r."isoCode", r."unofficialCode", coalesce(jsonb_typeof(r."taxLots"), 'null') <> 'null', ${formatInstant(capturedAt)}
    from jsonb_to_recordset(${text}::text::jsonb) as r ("plaidAccountId" text, "plaidSecurityId" text, ordinal integer,
      quantity numeric, "institutionPrice" numeric, "institutionPriceAsOf" date, "institutionPriceAt" timestamptz,
      "institutionValue" numeric, "costBasis" numeric, "vestedQuantity" numeric, "vestedValue" numeric, "isoCode" text,
      "unofficialCode" text, "taxLots" jsonb)`;
  const lots = rows.flatMap(({ plaidAccountId, plaidSecurityId, ordinal, taxLots }) =>
    (taxLots ?? []).map((taxLot, lot) => ({ plaidAccountId, plaidSecurityId, ordinal, lot, ...taxLot })),
  );
  if (lots.length === 0) return;
  await tx`
    insert into portfolio.tax_lot (item_id, plaid_account_id, plaid_security_id, ordinal, lot, institution_lot_id, purchased_at,
      quantity, purchase_price, cost_basis, current_value, position_type)
    select ${itemId}, r."plaidAccountId", r."plaidSecurityId", r.ordinal, r.lot, r."institutionLotId", r."purchasedAt", r.quantity,
      r."purchasePrice", r."costBasis", r."currentValue", r."positionType"
    from jsonb_to_recordset(${JSON.stringify(lots)}::text::jsonb) as r ("plaidAccountId" text, "plaidSecurityId" text,
      ordinal integer, lot integer, "institutionLotId" text, "purchasedAt" timestamptz, quantity numeric, "purchasePrice" numeric,
      "costBasis" numeric, "currentValue" numeric, "positionType" text)`;
}

/** A row for each position that is another than its last row says, and for each that is held no more. */
export async function recordHoldingHistory(
  tx: Transaction,
  { itemId, userId, version, capturedAt }: SnapshotVersion,
): Promise<void> {
  await tx`
    with last as (
      select distinct on (plaid_account_id, plaid_security_id, ordinal) * from portfolio.holding_history
      where item_id = ${itemId} order by plaid_account_id, plaid_security_id, ordinal, version desc),
    now as (select * from portfolio.holding where item_id = ${itemId})
    insert into portfolio.holding_history (item_id, plaid_account_id, plaid_security_id, ordinal, version, user_id, captured_at,
      quantity, institution_price, institution_value, cost_basis, iso_code, unofficial_code)
    select ${itemId}, plaid_account_id, plaid_security_id, ordinal, ${version}, ${userId}, ${formatInstant(capturedAt)},
      now.quantity, now.institution_price, now.institution_value, now.cost_basis, now.iso_code, now.unofficial_code
    from now full join last using (plaid_account_id, plaid_security_id, ordinal)
    where (now.quantity, now.institution_price, now.institution_value, now.cost_basis, now.iso_code, now.unofficial_code)
      is distinct from
      (last.quantity, last.institution_price, last.institution_value, last.cost_basis, last.iso_code, last.unofficial_code)`;
}

const shown = (sql: Sql) => sql`
  select a.linked_account_id as "linkedAccountId", s.security_id as "securityId", h.ordinal, h.quantity,
    h.institution_price as "institutionPrice", h.institution_price_as_of::text as "institutionPriceAsOf",
    h.institution_price_at as "institutionPriceAt", h.institution_value as "institutionValue", h.cost_basis as "costBasis",
    h.vested_quantity as "vestedQuantity", h.vested_value as "vestedValue", h.iso_code as "isoCode",
    h.unofficial_code as "unofficialCode", h.captured_at as "capturedAt",
    case when h.has_tax_lots then (
      select coalesce(jsonb_agg(jsonb_build_object('institutionLotId', t.institution_lot_id, 'purchasedAt', t.purchased_at,
        'quantity', t.quantity::text, 'purchasePrice', t.purchase_price::text, 'costBasis', t.cost_basis::text,
        'currentValue', t.current_value::text, 'positionType', t.position_type) order by t.lot), '[]')
      from portfolio.tax_lot t where t.item_id = h.item_id and t.plaid_account_id = h.plaid_account_id
        and t.plaid_security_id = h.plaid_security_id and t.ordinal = h.ordinal) end as "taxLots"
  from portfolio.holding h
  join portfolio.linked_account a on a.item_id = h.item_id and a.plaid_account_id = h.plaid_account_id
  join portfolio.security s on s.item_id = h.item_id and s.product = 'HOLDINGS' and s.plaid_security_id = h.plaid_security_id`;

/** In accounts that are on the roster. At most 2000. */
export async function listHoldings(sql: Sql, userId: Uuid): Promise<HoldingRecord[]> {
  return sql<HoldingRecord[]>`
    ${shown(sql)} where h.user_id = ${userId}
    order by a.linked_account_id, h.plaid_security_id, h.ordinal limit ${MAX_HOLDINGS}`;
}

export async function listHoldingsOfAccounts(sql: Sql, accountIds: readonly Uuid[]): Promise<HoldingRecord[]> {
  return sql<HoldingRecord[]>`
    ${shown(sql)} where a.linked_account_id = any(${[...accountIds]}::uuid[])
    order by a.linked_account_id, h.plaid_security_id, h.ordinal limit ${MAX_HOLDINGS}`;
}
