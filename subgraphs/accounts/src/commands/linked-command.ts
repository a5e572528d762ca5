import { mayDo, type Viewer } from "@florin/auth";
import { fingerprintOf, type Transaction } from "@florin/db";
import { claimIdempotencyKey, lockLinkedItem, type KeyedOperation, type LinkedItemRecord } from "@florin/db/accounts";
import {
  assertInput,
  idempotencyKeyReused,
  notFound,
  parseId,
  RequestError,
  temporarilyUnavailable,
  type FieldFault,
  type Json,
  type Uuid,
} from "@florin/kernel";
import { checkIdempotencyKey } from "../input-checks.js";
import type { LinkOperations } from "../linked/link-operations.js";
import type { Services } from "../services.js";

/** What the commands about linked accounts share: who asks, for which item, under which key. */
export interface ItemInput {
  readonly itemId: string;
  readonly idempotencyKey: string;
}

export interface ItemOutcome {
  readonly linkedItem: LinkedItemRecord;
  readonly isReplay: boolean;
  readonly position: bigint | undefined;
}

const NOT_CONFIGURED_RETRY_MS = 60_000;
/** The relay numbers an event within milliseconds; an answer waits no longer for its consistency token. */
export const POSITION_WAIT_MS = 500;

/** The viewer as a person: only people link. */
export function personOf(viewer: Viewer): Uuid {
  const userId = parseId("user", viewer.principal);
  if (userId === undefined || !mayDo(viewer, "linked:link").allowed)
    throw new RequestError(
      "FORBIDDEN",
      "Accounts are linked by people. Sign in as the person whose accounts they are.",
    );
  return userId;
}

export function linkOperationsOf(services: Services): LinkOperations {
  if (services.linkOperations === undefined)
    throw temporarilyUnavailable(
      NOT_CONFIGURED_RETRY_MS,
      "Linking accounts is not set up on this server. See docs/plaid.md.",
    );
  return services.linkOperations;
}

export function assertKey(idempotencyKey: string): void {
  const faults: FieldFault[] = [];
  checkIdempotencyKey(idempotencyKey, faults);
  assertInput(faults);
}

/** One change of the viewer's own item: once for a key; a replay shows the item as it is now. */
export async function changeOwnItem(
  services: Services,
  viewer: Viewer,
  input: ItemInput,
  operation: KeyedOperation,
  change: (tx: Transaction, item: LinkedItemRecord) => Promise<void>,
): Promise<Omit<ItemOutcome, "position">> {
  assertKey(input.idempotencyKey);
  const itemId = parseId("linkedItem", input.itemId);
  if (itemId === undefined) throw notFound("linked item");
  return services.transact(async (tx) => {
    const item = await lockLinkedItem(tx, itemId);
    if (item === undefined || !ownsLinked(viewer, item.userId)) throw notFound("linked item");
    const key = {
      idempotencyKey: input.idempotencyKey,
      operation,
      fingerprint: { itemId: input.itemId },
      entityId: itemId,
    };
    const isReplay = await claimKey(services, tx, viewer, key);
    if (!isReplay) await change(tx, item);
    return { linkedItem: (await lockLinkedItem(tx, itemId)) ?? item, isReplay };
  });
}

export function ownsLinked(viewer: Viewer, userId: Uuid): boolean {
  const isOwner = parseId("user", viewer.principal) === userId;
  return mayDo(viewer, "linked:write", { isOwner }).allowed;
}

/** true: the key was used for the very same before. */
export async function claimKey(
  services: Services,
  tx: Transaction,
  viewer: Viewer,
  key: {
    readonly idempotencyKey: string;
    readonly operation: KeyedOperation;
    readonly fingerprint: { readonly [name: string]: Json | undefined };
    readonly entityId: Uuid;
  },
): Promise<boolean> {
  const fingerprint = fingerprintOf(key.fingerprint);
  const kept = await claimIdempotencyKey(tx, {
    principal: viewer.principal,
    key: key.idempotencyKey,
    operation: key.operation,
    fingerprint,
    entityId: key.entityId,
    createdAt: services.clock.now(),
  });
  if (kept === undefined) return false;
  if (kept.operation !== key.operation || kept.fingerprint !== fingerprint) throw idempotencyKeyReused();
  return true;
}
