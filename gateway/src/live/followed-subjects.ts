import type { Viewer } from "@florin/auth";
import type { EventEnvelope } from "@florin/kernel";
import { isAudience } from "./live-events.js";
import type { LiveCaller, LiveExecutor, LiveSnapshot } from "./live-execution.js";
import type { Sight, Subject } from "./state-follower.js";
import { readLinkedItemIds, readOperationStatus } from "./visible-objects.js";

/** Who looks, and through what. */
export interface Onlooker {
  readonly executor: LiveExecutor;
  readonly snapshot: LiveSnapshot;
  readonly caller: LiveCaller;
  readonly viewer: Viewer;
}

const terminalStates: readonly string[] = ["COMPLETED", "REJECTED"];
const terminalEvents: readonly string[] = ["operation.completed", "operation.rejected"];

/** `operationUpdated`: the present state, then the terminal one, then the end. Events of the ledger. */
export function operationSubject({ executor, snapshot, caller }: Onlooker, id: string): Subject {
  const root = { operationUpdated: { __typename: "Operation", id } };
  return {
    conflates: false,
    wants: (event) => event.key === id && terminalEvents.includes(event.type),
    async present() {
      const status = await readOperationStatus(executor, snapshot, caller, id);
      return [{ id, root, isLast: terminalStates.includes(status) }];
    },
    after: () => Promise.resolve({ id, root, isLast: true }),
  };
}

/** What accounts publishes whenever something that people see of an item has changed: its status, a product's, its accounts. */
const ITEM_UPDATED = "linked_item.updated";

/**
 * `linkedItemUpdated`: every item of a virtual account as it is, then each one again when it changed. Events of accounts.
 *
 * It has no end: a removed item is shown once more as REMOVED, and the next one may be linked a moment later.
 *
 * @param virtualAccountId absent: the viewer's own, by the audience of the events alone, so staff do not follow everybody. With it, an item that
 * was not there at first is looked up: another person's items never come in through a role.
 */
export function linkedItemSubject(onlooker: Onlooker, virtualAccountId: string | undefined): Subject {
  const { executor, snapshot, caller, viewer } = onlooker;
  const known = new Set<string>();

  async function read(): Promise<readonly string[]> {
    const ids = await readLinkedItemIds(executor, snapshot, caller, virtualAccountId);
    for (const id of ids) known.add(id);
    return ids;
  }

  return {
    conflates: true,
    wants: (event) => itemOf(event) !== undefined && isAudience(viewer, event, virtualAccountId !== undefined),
    present: async () => (await read()).map(itemSight),
    async after(event) {
      const id = itemOf(event);
      if (id === undefined) return undefined;
      if (virtualAccountId !== undefined && !known.has(id)) await read();
      return virtualAccountId === undefined || known.has(id) ? itemSight(id) : undefined;
    },
  };
}

function itemSight(id: string): Sight {
  return { id, root: { linkedItemUpdated: { __typename: "LinkedItem", id } }, isLast: false };
}

/** undefined for another type of event and for a payload that is not what its producer promised. */
function itemOf({ type, payload }: EventEnvelope): string | undefined {
  if (type !== ITEM_UPDATED || payload === null || typeof payload !== "object" || !("itemId" in payload))
    return undefined;
  return typeof payload.itemId === "string" ? payload.itemId : undefined;
}
