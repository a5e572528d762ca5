import { formatInstant, type Instant, type Json, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";
import type { SnapshotVersion } from "./snapshot-pages.js";

export interface NewLiability {
  readonly kind: string;
  /** Place among those of its kind. */
  readonly ordinal: number;
  readonly plaidAccountId: string | null;
  readonly nextPaymentDueDate: string | null;
  readonly nextPaymentAmount: string | null;
  readonly isOverdue: boolean | null;
  /** All that the institution said; money as decimal text. */
  readonly content: object;
}

export interface LiabilityRecord {
  readonly userId: Uuid;
  readonly kind: string;
  /** null: the institution names no account. */
  readonly linkedAccountId: Uuid | null;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
  readonly capturedAt: Instant;
  readonly content: Json;
}

const MAX_LIABILITIES = 1_000;

export async function deleteLiabilities(tx: Transaction, itemId: Uuid): Promise<void> {
  await tx`delete from portfolio.liability where item_id = ${itemId}`;
}

export async function insertLiabilities(
  tx: Transaction,
  { itemId, userId, capturedAt }: SnapshotVersion,
  rows: readonly NewLiability[],
): Promise<void> {
  await tx`
    insert into portfolio.liability (item_id, kind, ordinal, user_id, plaid_account_id, next_payment_due_date, next_payment_amount,
      is_overdue, captured_at, content)
    select ${itemId}, r.kind, r.ordinal, ${userId}, r."plaidAccountId", r."nextPaymentDueDate", r."nextPaymentAmount",
      r."isOverdue", ${formatInstant(capturedAt)}, r.content
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as r (kind text, ordinal integer, "plaidAccountId" text,
      "nextPaymentDueDate" date, "nextPaymentAmount" numeric, "isOverdue" boolean, content jsonb)`;
}

/** A row for each liability whose content is another than the last row's, and for each that is named no more. */
export async function recordLiabilityHistory(
  tx: Transaction,
  { itemId, userId, version, capturedAt }: SnapshotVersion,
): Promise<void> {
  await tx`
    with now as (
      select kind, coalesce(plaid_account_id, '') as plaid_account_id, content,
        (row_number() over (partition by kind, coalesce(plaid_account_id, '') order by ordinal))::integer as place
      from portfolio.liability where item_id = ${itemId}),
    last as (
      select distinct on (kind, plaid_account_id, place) kind, plaid_account_id, place, content
      from portfolio.liability_history where item_id = ${itemId}
      order by kind, plaid_account_id, place, version desc)
    insert into portfolio.liability_history (item_id, kind, plaid_account_id, place, version, user_id, captured_at, content)
    select ${itemId}, kind, plaid_account_id, place, ${version}, ${userId}, ${formatInstant(capturedAt)}, now.content
    from now full join last using (kind, plaid_account_id, place)
    where now.content is distinct from last.content`;
}

const shown = (sql: Sql) => sql`
  select l.user_id as "userId", l.kind, a.linked_account_id as "linkedAccountId", a.iso_code as "isoCode",
    a.unofficial_code as "unofficialCode", l.captured_at as "capturedAt", l.content
  from portfolio.liability l
  left join portfolio.linked_account a on a.item_id = l.item_id and a.plaid_account_id = l.plaid_account_id`;

/** Of accounts that are on the roster, and those that name none. At most 1000. */
export async function listLiabilities(sql: Sql, userId: Uuid): Promise<LiabilityRecord[]> {
  return sql<LiabilityRecord[]>`
    ${shown(sql)} where l.user_id = ${userId} and (l.plaid_account_id is null or a.linked_account_id is not null)
    order by l.item_id, l.kind, l.ordinal limit ${MAX_LIABILITIES}`;
}

export async function listLiabilitiesOfAccounts(sql: Sql, accountIds: readonly Uuid[]): Promise<LiabilityRecord[]> {
  return sql<LiabilityRecord[]>`
    ${shown(sql)} where a.linked_account_id = any(${[...accountIds]}::uuid[]) order by l.item_id, l.kind, l.ordinal`;
}

export interface LiabilityVersion {
  readonly linkedAccountId: Uuid;
  readonly kind: string;
  readonly capturedAt: Instant;
  /** null: from then on the institution named it no more. */
  readonly content: Json;
}

/** Newest first. */
export async function listLiabilityHistory(
  sql: Sql,
  accountIds: readonly Uuid[],
  limitEach: number,
): Promise<LiabilityVersion[]> {
  return sql<LiabilityVersion[]>`
    select a.linked_account_id as "linkedAccountId", h.kind, h.captured_at as "capturedAt", h.content
    from portfolio.linked_account a join lateral (
      select kind, captured_at, content, version from portfolio.liability_history h
      where h.item_id = a.item_id and h.plaid_account_id = a.plaid_account_id
      order by version desc, kind, place limit ${limitEach}) h on true
    where a.linked_account_id = any(${[...accountIds]}::uuid[])
    order by a.linked_account_id, h.version desc`;
}
