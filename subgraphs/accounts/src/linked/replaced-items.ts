import {
  listAbsorbableItems,
  moveAccounts,
  lockLinksOf,
  listLinkedItemsByIds,
  listLinkedItemsOf,
  requestJobs,
} from "@florin/db/accounts";
import type { Uuid } from "@florin/kernel";
import type { LinkParts } from "./link-parts.js";
import { requestRemoval } from "./removal-request.js";

/**
 * "New works, old broken" (linked-accounts.md §1.8): at some institutions a second item makes the first one void. When every account of a
 * broken item is also an account of a working one of the same person and institution, whose transactions have been read, the accounts
 * keep their ids and belong to the working item from then on; what the person wrote on transactions is carried to their likes; the
 * old item is removed as a duplicate. An item with an account that has no like stays: a person may repair it.
 */
export async function absorbReplacedItems(
  parts: LinkParts,
  itemId: Uuid,
  correlationId: string,
): Promise<readonly Uuid[]> {
  const [known] = await listLinkedItemsByIds(parts.database.sql, [itemId]);
  if (known === undefined || known.removedAt !== null || known.institutionId === null) return [];
  // Most people have one login at an institution, and this is asked after every run.
  const neighbours = await listLinkedItemsOf(parts.database.sql, [known.userId]);
  if (neighbours.filter((item) => item.institutionId === known.institutionId).length < 2) return [];
  const absorbed = await parts.transact(async (tx) => {
    await lockLinksOf(tx, known.userId);
    const pairs = await listAbsorbableItems(tx, itemId);
    const now = parts.clock.now();
    for (const { oldItemId, newItemId } of pairs) {
      await moveAccounts(tx, { oldItemId, newItemId, at: now });
      const reason = "DUPLICATE";
      await requestRemoval(parts, tx, { itemId: oldItemId, requestedBy: "svc:accounts", reason, correlationId });
      // Portfolio hears the accounts under the ids that people know.
      await requestJobs(tx, newItemId, everythingAgain, { at: now, correlationId });
    }
    return pairs.map(({ oldItemId }) => oldItemId);
  });
  if (absorbed.length > 0) parts.wakeRelay();
  return absorbed;
}

const everythingAgain = ["ACCOUNTS", "LIABILITIES", "HOLDINGS", "INVESTMENT_TRANSACTIONS"] as const;
