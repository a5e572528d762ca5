import type { Viewer } from "@florin/auth";
import { requestRemoval } from "../linked/removal-request.js";
import type { RequestFacts, Services } from "../services.js";
import { changeOwnItem, POSITION_WAIT_MS, type ItemInput, type ItemOutcome } from "./linked-command.js";

/** Gone for people from now on; the institution and what was kept follow (`remove-item.ts`). */
export async function removeLinkedItem(
  services: Services,
  viewer: Viewer,
  input: ItemInput,
  facts: RequestFacts,
): Promise<ItemOutcome> {
  const eventId = services.ids.next();
  const position = services.answers.expectPosition(eventId, Math.min(POSITION_WAIT_MS, facts.timeLeftMs()));
  let isRemoved = false;
  const outcome = await changeOwnItem(services, viewer, input, "removeLinkedItem", async (tx, { itemId }) => {
    isRemoved = await requestRemoval(services, tx, {
      itemId,
      requestedBy: viewer.principal,
      reason: "REQUESTED",
      correlationId: facts.correlationId,
      eventId,
    });
  });
  if (isRemoved) services.wakeRelay();
  return { ...outcome, position: isRemoved ? await position : undefined };
}
