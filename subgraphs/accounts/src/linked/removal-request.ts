import { appendOutbox, type Transaction } from "@florin/db";
import { insertRemoval, lockLinkedItem, markItemRemoved, requestJobs, type RemovalReason } from "@florin/db/accounts";
import type { Clock, IdSource, Uuid } from "@florin/kernel";
import { linkedItemRemoved, linkedItemUpdated } from "./linked-events.js";

/**
 * The tombstone (linked-accounts.md §1.9): from this transaction on the item is gone for people and for every other area; the institution
 * and what was kept follow by a job. Both roles of the area may ask. false: it was removed before.
 */
export async function requestRemoval(
  source: { readonly clock: Clock; readonly ids: IdSource },
  tx: Transaction,
  removal: {
    readonly itemId: Uuid;
    readonly requestedBy: string;
    readonly reason: RemovalReason;
    readonly correlationId: string;
    /** Of the event that people hear, where somebody waits for its position. */
    readonly eventId?: Uuid | undefined;
  },
): Promise<boolean> {
  const { itemId, requestedBy, reason, correlationId } = removal;
  const now = source.clock.now();
  const item = await lockLinkedItem(tx, itemId);
  if (item === undefined || !(await markItemRemoved(tx, itemId, reason, now))) return false;
  await insertRemoval(tx, { itemId, requestedBy, reason, requestedAt: now });
  await requestJobs(tx, itemId, ["REMOVE"], { at: now, correlationId, isUrgent: true });
  const about = { itemId, userId: item.userId };
  const updated = linkedItemUpdated(source, { ...about, status: "REMOVED", reason }, correlationId);
  await appendOutbox(tx, "accounts", [
    linkedItemRemoved(source, about, correlationId),
    { ...updated, eventId: removal.eventId ?? updated.eventId },
  ]);
  return true;
}
