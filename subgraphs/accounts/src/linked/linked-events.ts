import { REMOVAL_EVENT, SNAPSHOT_EVENT, type SnapshotPage } from "@florin/linked-data";
import { formatId, type Clock, type IdSource, type NewEvent, type Uuid } from "@florin/kernel";

/** What the area says of linked items in clear: ids, a status and a code. No balances, no names, no tokens. */
interface EventSource {
  readonly clock: Clock;
  readonly ids: IdSource;
}

export const ITEM_UPDATED_EVENT = "linked_item.updated";
const office = ["role:staff", "role:auditor"] as const;

/** Whatever people see of the item has changed: status, a product's status, accounts, balances, a sync that finished. */
export function linkedItemUpdated(
  source: EventSource,
  item: {
    readonly itemId: Uuid;
    readonly userId: Uuid;
    readonly status: string;
    readonly reason: string | undefined;
  },
  correlationId: string,
): NewEvent {
  const itemId = formatId("linkedItem", item.itemId);
  return {
    eventId: source.ids.next(),
    key: itemId,
    type: ITEM_UPDATED_EVENT,
    schemaVersion: 1,
    occurredAt: source.clock.now(),
    correlationId,
    audience: [formatId("user", item.userId), ...office],
    payload: { itemId, status: item.status, reason: item.reason ?? null },
  };
}

/** Everything that was kept of the item goes (packages/linked-data). */
export function linkedItemRemoved(
  source: EventSource,
  item: { readonly itemId: Uuid; readonly userId: Uuid },
  correlationId: string,
): NewEvent {
  const itemId = formatId("linkedItem", item.itemId);
  const userId = formatId("user", item.userId);
  return {
    eventId: source.ids.next(),
    key: itemId,
    type: REMOVAL_EVENT,
    schemaVersion: 1,
    occurredAt: source.clock.now(),
    correlationId,
    audience: [userId, ...office],
    payload: { itemId, userId },
  };
}

/** A page of a snapshot, sealed: for portfolio alone, so it has no audience. */
export function snapshotPageReady(source: EventSource, page: SnapshotPage, correlationId: string): NewEvent {
  return {
    eventId: source.ids.next(),
    key: page.itemId,
    type: SNAPSHOT_EVENT,
    schemaVersion: 1,
    occurredAt: source.clock.now(),
    correlationId,
    audience: [],
    payload: { ...page },
  };
}
