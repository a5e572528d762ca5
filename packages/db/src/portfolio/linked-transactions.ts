import type { Uuid } from "@florin/kernel";
import type { Transaction } from "../connect-database.js";
import type { SnapshotVersion } from "./snapshot-pages.js";

/** Of one transaction at an institution what cash flow and spending need. */
export interface NewLinkedTransaction {
  readonly linkedTransactionId: Uuid;
  readonly plaidAccountId: string;
  /** Decimal text; positive leaves the account. */
  readonly amount: string;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
  readonly category: string | null;
  readonly isPending: boolean;
  /** A calendar day. */
  readonly date: string;
}

export async function putLinkedTransactions(
  tx: Transaction,
  { itemId, userId }: SnapshotVersion,
  rows: readonly NewLinkedTransaction[],
): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into portfolio.linked_transaction (linked_transaction_id, item_id, user_id, plaid_account_id, amount, iso_code,
      unofficial_code, category, is_pending, date)
    select r."linkedTransactionId", ${itemId}, ${userId}, r."plaidAccountId", r.amount, r."isoCode", r."unofficialCode", r.category,
      r."isPending", r.date
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as r ("linkedTransactionId" uuid, "plaidAccountId" text,
      amount numeric, "isoCode" text, "unofficialCode" text, category text, "isPending" boolean, date date)
    on conflict (linked_transaction_id) do update set item_id = excluded.item_id, user_id = excluded.user_id,
      plaid_account_id = excluded.plaid_account_id, amount = excluded.amount, iso_code = excluded.iso_code,
      unofficial_code = excluded.unofficial_code, category = excluded.category, is_pending = excluded.is_pending,
      date = excluded.date`;
}

export async function removeLinkedTransactions(tx: Transaction, itemId: Uuid, ids: readonly Uuid[]): Promise<void> {
  if (ids.length === 0) return;
  await tx`
    delete from portfolio.linked_transaction
    where item_id = ${itemId} and linked_transaction_id = any(${[...ids]}::uuid[])`;
}
