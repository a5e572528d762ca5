import {
  asUuid,
  formatInstant,
  parseInstant,
  type Area,
  type EventEnvelope,
  type Instant,
  type Json,
} from "@florin/kernel";
import type { JsonValue } from "./connect-database.js";

/** A row of an area's outbox, as the driver gives it. */
export interface OutboxRow {
  readonly event_id: string;
  readonly position: bigint;
  readonly key: string;
  readonly type: string;
  readonly schema_version: number;
  readonly occurred_at: Instant;
  readonly correlation_id: string;
  readonly causation_id: string | null;
  readonly change_id: string | null;
  readonly audience: string[];
  readonly payload: Json;
}

export function toEnvelope(stream: Area, row: OutboxRow): EventEnvelope {
  return {
    stream,
    position: row.position,
    eventId: asUuid(row.event_id),
    key: row.key,
    type: row.type,
    schemaVersion: row.schema_version,
    occurredAt: row.occurred_at,
    correlationId: row.correlation_id,
    causationId: row.causation_id ?? undefined,
    changeId: row.change_id ?? undefined,
    audience: row.audience,
    payload: row.payload,
  };
}

/** How an envelope is kept beside a dead letter: what JSON cannot carry is text. */
export interface StoredEnvelope {
  readonly [field: string]: JsonValue | undefined;
  readonly eventId: string;
  readonly stream: Area;
  readonly position: string;
  readonly key: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly occurredAt: string;
  readonly correlationId: string;
  readonly causationId?: string;
  readonly changeId?: string;
  readonly audience: string[];
  readonly payload: JsonValue;
}

export function toStoredEnvelope(event: EventEnvelope): StoredEnvelope {
  return {
    eventId: event.eventId,
    stream: event.stream,
    position: event.position.toString(),
    key: event.key,
    type: event.type,
    schemaVersion: event.schemaVersion,
    occurredAt: formatInstant(event.occurredAt),
    correlationId: event.correlationId,
    ...(event.causationId === undefined ? {} : { causationId: event.causationId }),
    ...(event.changeId === undefined ? {} : { changeId: event.changeId }),
    audience: [...event.audience],
    payload: event.payload as JsonValue,
  };
}

export function fromStoredEnvelope(stored: StoredEnvelope): EventEnvelope {
  const occurredAt = parseInstant(stored.occurredAt);
  if (occurredAt === undefined) throw new Error(`dead letter ${stored.eventId} has no instant: ${stored.occurredAt}`);
  return {
    stream: stored.stream,
    position: BigInt(stored.position),
    eventId: asUuid(stored.eventId),
    key: stored.key,
    type: stored.type,
    schemaVersion: stored.schemaVersion,
    occurredAt,
    correlationId: stored.correlationId,
    causationId: stored.causationId,
    changeId: stored.changeId,
    audience: stored.audience,
    payload: stored.payload as Json,
  };
}
