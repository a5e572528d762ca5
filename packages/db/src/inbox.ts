import type { Area, EventEnvelope } from "@florin/kernel";
import type { Sql, Transaction } from "./connect-database.js";

/**
 * The inbox makes at-least-once delivery take effect once: its row and the event's effect commit together.
 * false: this consumer has applied the event before, so there is nothing to do.
 */
export async function insertInbox(
  tx: Transaction,
  area: Area,
  consumer: string,
  event: EventEnvelope,
): Promise<boolean> {
  const inserted = await tx`
    insert into ${tx(`${area}.inbox`)} (consumer, event_id, stream, position)
    values (${consumer}, ${event.eventId}, ${event.stream}, ${event.position})
    on conflict (consumer, event_id) do nothing`;
  return inserted.count === 1;
}

/** How far a consumer has come. Never goes back. */
export async function saveConsumerOffset(
  sql: Sql | Transaction,
  area: Area,
  consumer: string,
  stream: Area,
  position: bigint,
): Promise<void> {
  await sql`
    insert into ${sql(`${area}.consumer_offset`)} as known (consumer, stream, position)
    values (${consumer}, ${stream}, ${position})
    on conflict (consumer, stream) do update set position = excluded.position where known.position < excluded.position`;
}

/** 0 for a consumer that has not begun. */
export async function loadConsumerOffset(
  sql: Sql | Transaction,
  area: Area,
  consumer: string,
  stream: Area,
): Promise<bigint> {
  const [row] = await sql<{ position: bigint }[]>`
    select position from ${sql(`${area}.consumer_offset`)} where consumer = ${consumer} and stream = ${stream}`;
  return row?.position ?? 0n;
}
