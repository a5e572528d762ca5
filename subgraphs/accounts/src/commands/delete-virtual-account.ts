import type { Viewer } from "@florin/auth";
import { cancelOpenAttempts, listLinkedItemsOf } from "@florin/db/accounts";
import { notFound, parseId } from "@florin/kernel";
import { requestRemoval } from "../linked/removal-request.js";
import type { RequestFacts, Services } from "../services.js";
import { assertKey, claimKey, ownsLinked, POSITION_WAIT_MS } from "./linked-command.js";

export interface DeleteVirtualAccountInput {
  readonly id: string;
  readonly idempotencyKey: string;
}

export interface DeleteVirtualAccountOutcome {
  readonly removed: boolean;
  readonly isReplay: boolean;
  readonly position: bigint | undefined;
}

/** Every item of the viewer's is removed, and visits to Link that are open end with nothing: all of it, or none. */
export async function deleteVirtualAccount(
  services: Services,
  viewer: Viewer,
  input: DeleteVirtualAccountInput,
  facts: RequestFacts,
): Promise<DeleteVirtualAccountOutcome> {
  assertKey(input.idempotencyKey);
  const userId = parseId("virtualAccount", input.id);
  if (userId === undefined || !ownsLinked(viewer, userId)) throw notFound("virtual account");
  const eventId = services.ids.next();
  const position = services.answers.expectPosition(eventId, Math.min(POSITION_WAIT_MS, facts.timeLeftMs()));
  const { isReplay, removed } = await services.transact(async (tx) => {
    const isKnown = await claimKey(services, tx, viewer, {
      idempotencyKey: input.idempotencyKey,
      operation: "deleteVirtualAccount",
      fingerprint: { id: input.id },
      entityId: userId,
    });
    if (isKnown) return { isReplay: true, removed: 0 };
    await cancelOpenAttempts(tx, userId, "VIRTUAL_ACCOUNT_DELETED", services.clock.now());
    const items = await listLinkedItemsOf(tx, [userId]);
    for (const [place, { itemId }] of items.entries())
      await requestRemoval(services, tx, {
        itemId,
        requestedBy: viewer.principal,
        reason: "VIRTUAL_ACCOUNT_DELETED",
        correlationId: facts.correlationId,
        // The last one's: whoever has seen it has seen the others.
        eventId: place === items.length - 1 ? eventId : undefined,
      });
    return { isReplay: false, removed: items.length };
  });
  if (removed > 0) services.wakeRelay();
  return { removed: true, isReplay, position: removed > 0 ? await position : undefined };
}
