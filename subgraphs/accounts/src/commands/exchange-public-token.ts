import type { Viewer } from "@florin/auth";
import { listLinkedItemsByIds } from "@florin/db/accounts";
import type { Uuid } from "@florin/kernel";
import { withDeadline } from "@florin/resilience";
import type { Rejection } from "../account-lifecycle.js";
import type { RequestFacts, Services } from "../services.js";
import { assertKey, linkOperationsOf, personOf, POSITION_WAIT_MS, type ItemOutcome } from "./linked-command.js";

export interface ExchangePublicTokenInput {
  readonly publicToken: string;
  readonly idempotencyKey: string;
}

export interface ExchangeOutcome extends ItemOutcome {
  readonly userId: Uuid;
  readonly rejection: Rejection | undefined;
}

/** What a visit to Link gave becomes an item of the viewer's. A login that is linked already is a refusal, as a result. */
export async function exchangePublicToken(
  services: Services,
  viewer: Viewer,
  input: ExchangePublicTokenInput,
  facts: RequestFacts,
): Promise<ExchangeOutcome> {
  const userId = personOf(viewer);
  assertKey(input.idempotencyKey);
  const eventId = services.ids.next();
  const position = services.answers.expectPosition(eventId, Math.max(0, facts.timeLeftMs()));
  const { itemId, rejection, isReplay } = await linkOperationsOf(services).exchangePublicToken({
    userId,
    publicToken: input.publicToken,
    idempotencyKey: input.idempotencyKey,
    correlationId: facts.correlationId,
    eventId,
    timeLeftMs: facts.timeLeftMs,
  });
  const [linkedItem] = await listLinkedItemsByIds(services.sql, [itemId]);
  if (linkedItem === undefined) throw new Error("an item that was linked is not there");
  const isMade = !isReplay && rejection === undefined;
  return { userId, linkedItem, rejection, isReplay, position: isMade ? await soon(position) : undefined };
}

/** The exchange may have taken its time; the relay numbers its event at once. */
function soon(position: Promise<bigint | undefined>): Promise<bigint | undefined> {
  return withDeadline(position, POSITION_WAIT_MS, "waiting for an event's position").catch(() => undefined);
}
