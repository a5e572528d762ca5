import { asUuid, formatInstant, parseInstant, type Area, type EventEnvelope, type Json } from "@florin/kernel";

/** The envelope as text for the wire; positions and instants are decimal text, so nothing is rounded. */
export function encodeEvent(event: EventEnvelope): string {
  return JSON.stringify({
    ...event,
    position: event.position.toString(),
    occurredAt: formatInstant(event.occurredAt),
  });
}

/** Throws when the text is not an envelope of this stream at this position. */
export function decodeEvent(stream: Area, position: bigint, text: string): EventEnvelope {
  const fields: unknown = JSON.parse(text);
  if (!isRecord(fields)) throw new Error("an entry of the stream is no object");
  if (fields.stream !== stream || fields.position !== position.toString()) {
    throw new Error(`an entry says ${String(fields.stream)} ${String(fields.position)} at ${stream} ${position}`);
  }
  const occurredAt = parseInstant(textOf(fields, "occurredAt"));
  if (occurredAt === undefined) throw new Error("occurredAt is no instant");
  const { schemaVersion, audience, payload } = fields;
  if (typeof schemaVersion !== "number" || !Number.isSafeInteger(schemaVersion)) throw new Error("no schemaVersion");
  if (!Array.isArray(audience) || !audience.every((one) => typeof one === "string")) throw new Error("no audience");
  if (payload === undefined) throw new Error("no payload");
  return {
    stream,
    position,
    eventId: asUuid(textOf(fields, "eventId")),
    key: textOf(fields, "key"),
    type: textOf(fields, "type"),
    schemaVersion,
    occurredAt,
    correlationId: textOf(fields, "correlationId"),
    causationId: optionalTextOf(fields, "causationId"),
    changeId: optionalTextOf(fields, "changeId"),
    audience,
    payload: payload as Json, // came out of JSON.parse
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = fields[name];
  if (typeof value !== "string") throw new Error(`${name} is no text`);
  return value;
}

function optionalTextOf(fields: Readonly<Record<string, unknown>>, name: string): string | undefined {
  return fields[name] === undefined ? undefined : textOf(fields, name);
}
