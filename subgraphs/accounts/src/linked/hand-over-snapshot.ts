import { appendOutbox, type Transaction } from "@florin/db";
import { nextSnapshotVersion } from "@florin/db/accounts";
import { sealSnapshot, type SnapshotProduct, type SnapshotRow } from "@florin/linked-data";
import { formatId, formatInstant, type Instant, type Uuid } from "@florin/kernel";
import { snapshotPageReady } from "./linked-events.js";
import type { SyncParts } from "./sync-parts.js";

/** Pages that are written to the outbox in one statement; a page may have a quarter of a megabyte. */
const PAGES_AT_ONCE = 8;

/**
 * Hands a complete answer to portfolio: a version under the item's lock, its pages into the outbox of the same transaction. What was
 * committed here is what portfolio gets, in this order, and an answer that failed hands over nothing.
 */
export async function handOverSnapshot<Product extends SnapshotProduct>(
  parts: Pick<SyncParts, "clock" | "ids" | "snapshotKey">,
  tx: Transaction,
  snapshot: {
    readonly item: { readonly itemId: Uuid; readonly userId: Uuid };
    readonly product: Product;
    readonly capturedAt: Instant;
    readonly rows: readonly SnapshotRow<Product>[];
    /** Of INVESTMENT_TRANSACTIONS: the days that were read. */
    readonly window?: { readonly from: string; readonly to: string } | undefined;
    readonly correlationId: string;
  },
): Promise<void> {
  const { item, product, capturedAt, correlationId, window } = snapshot;
  const version = await nextSnapshotVersion(tx, item.itemId, product, capturedAt);
  const about = {
    itemId: formatId("linkedItem", item.itemId),
    userId: formatId("user", item.userId),
    product,
    version: version.toString(),
    capturedAt: formatInstant(capturedAt),
    ...window,
  };
  const pages = sealSnapshot(parts.snapshotKey, about, snapshot.rows);
  for (let at = 0; at < pages.length; at += PAGES_AT_ONCE)
    await appendOutbox(
      tx,
      "accounts",
      pages.slice(at, at + PAGES_AT_ONCE).map((page) => snapshotPageReady(parts, page, correlationId)),
    );
}
