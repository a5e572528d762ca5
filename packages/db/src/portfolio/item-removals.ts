import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Transaction } from "../connect-database.js";

/** What belongs to an item; what refers to others comes first. */
const TABLES = [
  "snapshot_page",
  "linked_transaction",
  "liability",
  "liability_history",
  "tax_lot",
  "holding",
  "holding_history",
  "investment_transaction",
  "security",
  "linked_balance_history",
  "linked_account",
  "applied_snapshot",
] as const;

/** Whoever holds it is alone with the item, until the transaction ends. */
export async function lockItem(tx: Transaction, itemId: Uuid): Promise<{ readonly isRemoved: boolean }> {
  await tx`select pg_advisory_xact_lock(hashtextextended(${`portfolio.item.${itemId}`}, 0))`;
  const [row] = await tx`select from portfolio.item_removal where item_id = ${itemId}`;
  return { isRemoved: row !== undefined };
}

/** Rows by table before anything was deleted, written down first: without it history refuses to be deleted. */
export async function purgeItem(
  tx: Transaction,
  removal: { readonly itemId: Uuid; readonly userId: Uuid; readonly removedAt: Instant },
): Promise<Readonly<Record<string, number>>> {
  const counted: Record<string, number> = {};
  for (const table of TABLES) {
    const [row] = await tx<{ count: number }[]>`
      select count(*)::integer as count from ${tx(`portfolio.${table}`)} where item_id = ${removal.itemId}`;
    counted[table] = row?.count ?? 0;
  }
  await tx`
    insert into portfolio.item_removal (item_id, user_id, removed_at, purged_rows)
    values (${removal.itemId}, ${removal.userId}, ${formatInstant(removal.removedAt)}, ${tx.json(counted)})`;
  for (const table of TABLES) await tx`delete from ${tx(`portfolio.${table}`)} where item_id = ${removal.itemId}`;
  return counted;
}
