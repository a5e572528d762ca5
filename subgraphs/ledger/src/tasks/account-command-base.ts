import { sha256Hex } from "@florin/db";
import { canonicalJson, formatId, parseId, type EventEnvelope, type Uuid } from "@florin/kernel";

/**
 * What every command has that comes from an event. The event's id is the command's, so a second delivery is the same command even
 * where the inbox was emptied.
 */
export function commandBaseOf(event: EventEnvelope) {
  const eventId = formatId("event", event.eventId);
  return {
    commandId: event.eventId,
    principal: `svc:${event.stream}`,
    idempotencyKey: eventId,
    fingerprint: sha256Hex(canonicalJson(event.payload)),
    correlationId: event.correlationId,
    createdAt: event.occurredAt,
    causationId: eventId,
    changeId: event.changeId,
  };
}

/** Throws for anything else: the event is then parked, not tried again. */
export function parseAccountId(text: string): Uuid {
  const accountId = parseId("account", text);
  if (accountId === undefined) throw new Error(`accountId is not an account's id: ${text.slice(0, 60)}`);
  return accountId;
}
