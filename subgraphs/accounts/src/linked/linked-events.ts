import { SNAPSHOT_EVENT, type SnapshotPage } from "@florin/linked-data";
import { formatId, type Clock, type IdSource, type Instant, type NewEvent, type Uuid } from "@florin/kernel";

/** What is told about linked items. Ids, states and codes in clear; what an institution said travels sealed and is for nobody to see. */
export interface LinkedEventSource {
  readonly clock: Clock;
  readonly ids: IdSource;
}

const office = ["role:staff", "role:auditor"] as const;

export interface LinkedItemState {
  readonly itemId: Uuid;
  readonly userId: Uuid;
  readonly status: string;
  readonly reason: string | null;
}

/** What people see of an item has changed: its state, a product's, its accounts, or what it holds. */
export function linkedItemUpdated(source: LinkedEventSource, item: LinkedItemState, correlationId: string): NewEvent {
  const itemId = formatId("linkedItem", item.itemId);
  return {
    eventId: source.ids.next(),
    schemaVersion: 1,
    occurredAt: source.clock.now(),
    type: "linked_item.updated",
    key: itemId,
    correlationId,
    audience: [formatId("user", item.userId), ...office],
    payload: { itemId, status: item.status, reason: item.reason },
  };
}

/** A page of a snapshot, for portfolio alone: no audience. */
export function snapshotPageEvent(
  source: LinkedEventSource,
  page: SnapshotPage,
  occurredAt: Instant,
  correlationId: string,
): NewEvent {
  return {
    eventId: source.ids.next(),
    schemaVersion: 1,
    occurredAt,
    type: SNAPSHOT_EVENT,
    key: page.itemId,
    correlationId,
    audience: [],
    payload: { ...page },
  };
}
