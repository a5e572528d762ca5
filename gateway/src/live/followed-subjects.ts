import type { Viewer } from "@florin/auth";
import { createBoundedCache } from "@florin/graph";
import type { EventEnvelope } from "@florin/kernel";
import { LiveQueryError } from "./live-error.js";
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
    async present(head) {
      const consistency = `ledger=${head}`;
      const status = await readOperationStatus(executor, snapshot, caller, id, consistency);
      return [{ id, root, consistency, isLast: terminalStates.includes(status) }];
    },
    after: ({ position }) => Promise.resolve({ id, root, consistency: `ledger=${position}`, isLast: true }),
  };
}

/** What accounts publishes whenever something that people see of an item has changed: its status, a product's, its accounts. */
const ITEM_UPDATED = "linked_item.updated";
const ITEMS_KEPT = 1_000;

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
  /** Items that were looked up, and whether they are this virtual account's: an item never changes hands. */
  const known = createBoundedCache<boolean>(ITEMS_KEPT);

  async function read(consistency: string): Promise<readonly string[]> {
    const ids = await readLinkedItemIds(executor, snapshot, caller, virtualAccountId, consistency);
    for (const id of ids) known.set(id, true);
    return ids;
  }

  async function isShown(id: string, consistency: string): Promise<boolean> {
    if (virtualAccountId === undefined) return true;
    if (known.get(id) === undefined) {
      await read(consistency).catch(nothingIfNotFound);
      if (known.get(id) === undefined) known.set(id, false);
    }
    return known.get(id) ?? false;
  }

  return {
    conflates: true,
    wants: (event) => itemOf(event) !== undefined && isAudience(viewer, event, virtualAccountId !== undefined),
    async present(head) {
      const consistency = `accounts=${head}`;
      return (await read(consistency)).map((id) => itemSight(id, consistency));
    },
    async after(event) {
      const id = itemOf(event);
      const consistency = `accounts=${event.position}`;
      return id !== undefined && (await isShown(id, consistency)) ? itemSight(id, consistency) : undefined;
    },
  };
}

/** A virtual account of which everything was removed is not there, until something is linked again. */
function nothingIfNotFound(error: unknown): void {
  if (!(error instanceof LiveQueryError) || error.extensions["code"] !== "NOT_FOUND") throw error;
}

function itemSight(id: string, consistency: string): Sight {
  return { id, root: { linkedItemUpdated: { __typename: "LinkedItem", id } }, consistency, isLast: false };
}

/** undefined for another type of event and for a payload that is not what its producer promised. */
function itemOf({ type, payload }: EventEnvelope): string | undefined {
  if (type !== ITEM_UPDATED || payload === null || typeof payload !== "object" || !("itemId" in payload))
    return undefined;
  return typeof payload.itemId === "string" ? payload.itemId : undefined;
}
