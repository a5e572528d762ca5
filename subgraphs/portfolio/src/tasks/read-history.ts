import { loadConsumerOffset, saveConsumerOffset, type Database } from "@florin/db";
import { PoisonEvent, type ConsumerGroup, type EventStream } from "@florin/events";
import type { EventEnvelope } from "@florin/kernel";
import type { Logger } from "@florin/telemetry";

const CHUNK = 500;

/**
 * What was published before this area was there for the first time: a bus begins a new group where the others are, so accounts that were
 * opened before would never be heard of. Read once from the areas that own the streams, before the group begins to consume, as a balance of
 * today would hide how it came about. A start that was cut short goes on where it stopped; one that was complete is not repeated.
 */
export async function readHistory(
  database: Database,
  group: ConsumerGroup,
  stream: EventStream,
  logger: Logger,
): Promise<void> {
  const { sql } = database;
  const offsetOf = (mark: string) => loadConsumerOffset(sql, "portfolio", `${group.name}.${mark}`, stream.stream);
  const save = (mark: string, position: bigint) =>
    saveConsumerOffset(sql, "portfolio", `${group.name}.${mark}`, stream.stream, position);
  // Positions begin at 1, so a mark that was set is never 0.
  if ((await offsetOf("history-is-read")) > 0n) return;
  const head = await stream.head();
  let position = await offsetOf("history");
  while (position < head) {
    const events = await stream.range(position, CHUNK);
    const last = events.at(-1);
    if (last === undefined) break;
    await handleInOrder(group, events);
    position = last.position;
    await save("history", position);
  }
  await save("history-is-read", position + 1n);
  if (position > 0n)
    logger.info({ consumer: group.name, position }, "What was told before this area was there is read.");
}

/**
 * In order of each key, keys side by side; what cannot be applied is parked, as it would be on the bus. Balances need no order, as each says
 * which posting it follows: they go together, or an account with a million postings would be a million statements.
 */
async function handleInOrder(group: ConsumerGroup, events: readonly EventEnvelope[]): Promise<void> {
  const lanes = new Map<string, EventEnvelope[]>();
  for (const event of events) {
    if (!group.types.includes(event.type)) continue;
    const lane = event.type === "account.posted" ? event.eventId : event.key;
    const known = lanes.get(lane);
    if (known === undefined) lanes.set(lane, [event]);
    else known.push(event);
  }
  await Promise.all([...lanes.values()].map((own) => handleLane(group, own)));
}

async function handleLane(group: ConsumerGroup, events: readonly EventEnvelope[]): Promise<void> {
  for (const event of events) {
    if (await group.isKeyParked(event.key)) {
      await group.park(event, undefined, 0);
      continue;
    }
    try {
      await group.handle(event);
    } catch (error) {
      if (!(error instanceof PoisonEvent)) throw error;
      await group.park(event, error, 1);
    }
  }
}
