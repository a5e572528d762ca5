import { instantFromMicros, type Area, type EventEnvelope, type Json } from "@florin/kernel";
import type { ServiceRoute } from "./serve-subgraph.js";
import type { ServiceClient } from "./service-client.js";
import type { TokenSource } from "./service-json.js";
import { getJson } from "./service-json.js";

/** An area's published events, from its own PostgreSQL: the shape of `EventStream` of @florin/events. */
export interface ReadableStream {
  readonly stream: Area;
  head(): Promise<bigint>;
  range(after: bigint, limit: number): Promise<readonly EventEnvelope[]>;
}

export const MAX_EVENTS = 1_000;
const POSITION = /^(0|[1-9]\d{0,18})$/;
const LIMIT = /^[1-9]\d{0,3}$/;

/** `GET /events/head` and `GET /events?after=&limit=`: what live queries read behind the bus's horizon. */
export function eventRoutes(stream: ReadableStream, callers: readonly string[]): readonly ServiceRoute[] {
  return [
    {
      method: "GET",
      path: "/events/head",
      callers,
      answer: async () => ({ status: 200, json: { head: (await stream.head()).toString() } }),
    },
    {
      method: "GET",
      path: "/events",
      callers,
      answer: async (query) => {
        const after = query.get("after") ?? "";
        const limit = query.get("limit") ?? String(MAX_EVENTS);
        if (!POSITION.test(after) || !LIMIT.test(limit) || Number(limit) > MAX_EVENTS)
          return { status: 400, json: { errors: [{ message: `Send after=<position>&limit=<1 to ${MAX_EVENTS}>.` }] } };
        const events = await stream.range(BigInt(after), Number(limit));
        return { status: 200, json: { events: events.map(toJson) } };
      },
    },
  ];
}

/** The same stream from another process. Throws RequestError TEMPORARILY_UNAVAILABLE. */
export function connectEventStream(
  client: ServiceClient,
  tokens: TokenSource,
  options: { readonly stream: Area; readonly budgetMs: number },
): ReadableStream {
  const { stream, budgetMs } = options;
  return {
    stream,
    head: async () => {
      const { head } = await getJson<{ readonly head: string }>(client, tokens, "/events/head", budgetMs);
      return BigInt(head);
    },
    range: async (after, limit) => {
      const path = `/events?after=${after}&limit=${Math.min(limit, MAX_EVENTS)}`;
      const { events } = await getJson<{ readonly events: readonly EventJson[] }>(client, tokens, path, budgetMs);
      return events.map((event) => fromJson(stream, event));
    },
  };
}

/** An envelope as it travels: positions and instants are decimal strings, exact beyond 2^53. */
interface EventJson extends Omit<EventEnvelope, "position" | "occurredAt" | "payload"> {
  readonly position: string;
  readonly occurredAtMicros: string;
  readonly payload: Json;
}

function toJson({ position, occurredAt, ...event }: EventEnvelope): EventJson {
  return { ...event, position: position.toString(), occurredAtMicros: occurredAt.toString() };
}

function fromJson(stream: Area, { position, occurredAtMicros, ...event }: EventJson): EventEnvelope {
  if (event.stream !== stream) throw new Error(`an event of ${event.stream} came where ${stream}'s were asked for`);
  return { ...event, position: BigInt(position), occurredAt: instantFromMicros(BigInt(occurredAtMicros)) };
}
