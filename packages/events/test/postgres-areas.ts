import {
  appendOutbox,
  connectDatabase,
  createOutboxStore,
  insertInbox,
  isKeyParked,
  listKeysToReplay,
  parkEvent,
  replayDeadLetters,
  type Database,
  type Transaction,
} from "@florin/db";
import {
  asUuid,
  formatInstant,
  instantFromMillis,
  type Area,
  type EventEnvelope,
  type Json,
  type NewEvent,
} from "@florin/kernel";
import { randomUUID } from "node:crypto";
import {
  createConsumerGroup,
  createInProcessBus,
  createRelay,
  startReplayLoop,
  type Bus,
  type ConsumerGroup,
  type Consumption,
  type RedisBusOptions,
} from "../src/index.js";
import { newMetrics, silent } from "./group-model.js";

/** Two that tell each other. */
export const areas = ["accounts", "ledger"] as const satisfies readonly Area[];
export type TestArea = (typeof areas)[number];
export const otherArea = (area: TestArea): TestArea => (area === "accounts" ? "ledger" : "accounts");

/** A table per area that counts effects: a row per application, in the order of application. */
export async function createEffectTables(url: string): Promise<void> {
  const database = connectDatabase({ url, applicationName: "events-test", maxConnections: 1 });
  for (const area of areas) {
    await database.sql.unsafe(`
      create table ${area}.effect (n bigint generated always as identity, key text, position bigint, number bigint);
      grant select, insert on ${area}.effect to florin_${area};`);
  }
  await database.stop();
}

export function connectArea(url: string, area: TestArea, idleInTransactionMs?: number): Database {
  return connectDatabase({
    url,
    area,
    applicationName: `events-test-${area}`,
    maxConnections: 12,
    idleInTransactionMs,
  });
}

/** One event of the area, in a transaction of its own. */
export async function commitEvent(database: Database, area: TestArea, key: string, number: number): Promise<void> {
  const event: NewEvent = {
    eventId: asUuid(randomUUID()),
    key,
    type: "thing.happened",
    schemaVersion: 1,
    occurredAt: instantFromMillis(Date.now()),
    correlationId: "events-test",
    audience: [],
    payload: { number: String(number) },
  };
  await database.transaction((tx) =>
    area === "ledger" ? appendNumbered(tx, event, number) : appendOutbox(tx, area, [event]),
  );
}

/** As the book's one writer does: it numbers for itself, in commit order, under a lock. */
async function appendNumbered(tx: Transaction, event: NewEvent, number: number): Promise<void> {
  await tx`
    with head as (update ledger.outbox_head set numbered = numbered + 1 returning numbered)
    insert into ledger.outbox (event_id, position, ordinal, key, type, schema_version, occurred_at, correlation_id, audience, payload)
    select ${event.eventId}, numbered, 0, ${event.key}, ${event.type}, 1, ${formatInstant(event.occurredAt)},
      ${event.correlationId}, array[]::text[], ${tx.json({ number: String(number) })} from head`;
}

export interface Effect {
  readonly key: string;
  readonly position: bigint;
  readonly number: bigint;
}

export async function listEffects(database: Database, area: TestArea): Promise<readonly Effect[]> {
  return database.sql<Effect[]>`select key, position, number from ${database.sql(`${area}.effect`)} order by n`;
}

function parseNumber(payload: Json): bigint {
  if (typeof payload === "object" && payload !== null && "number" in payload && typeof payload.number === "string") {
    return BigInt(payload.number);
  }
  throw new Error("expected { number }");
}

export interface GroupSetting {
  readonly database: Database;
  /** The consuming area. */
  readonly area: TestArea;
  readonly hasInbox?: boolean;
  readonly beforeEffect?: (event: EventEnvelope) => Promise<void>;
}

/** The group of one area over the other area's stream, whose effect is a row of `effect`. */
export function createEffectGroup({ database, area, hasInbox = true, beforeEffect }: GroupSetting): ConsumerGroup {
  return createConsumerGroup({
    name: area,
    stream: otherArea(area),
    logger: silent,
    transaction: (work: (tx: Transaction) => Promise<(() => void) | undefined>) => database.transaction(work),
    insertInbox: async (tx, consumer, event) => (hasInbox ? insertInbox(tx, area, consumer, event) : true),
    parkEvent: (consumer, event, failure) => parkEvent(database.sql, area, consumer, event, failure),
    isKeyParked: (parked) => isKeyParked(database.sql, area, parked),
    handlers: {
      "thing.happened": {
        parse: parseNumber,
        apply: async (tx, event, number) => {
          await beforeEffect?.(event);
          await tx`insert into ${tx(`${area}.effect`)} (key, position, number) values (${event.key}, ${event.position}, ${number})`;
        },
      },
    },
  });
}

export interface Life {
  readonly bus: Bus;
  readonly consumptions: Readonly<Record<TestArea, Consumption>>;
  wake(): void;
  /** As a kill: nothing is drained, nothing is written down; what PostgreSQL already runs may still commit. */
  kill(): Promise<void>;
  end(): Promise<void>;
}

/** What both adapters of the bus take. */
export type CreateBus = (
  options: Pick<RedisBusOptions, "logger" | "metrics" | "groupConcurrency" | "expectedGroups">,
) => Bus;

export interface LifeSetting {
  readonly createBus?: CreateBus;
  readonly saveEveryMs?: number;
}

/** One process: a bus, and per area a relay, a group and its replay. */
export function startLife(
  databases: Readonly<Record<TestArea, Database>>,
  groups: Readonly<Record<TestArea, ConsumerGroup>>,
  { createBus = createInProcessBus, saveEveryMs = 50 }: LifeSetting = {},
): Life {
  const bus = createBus({
    logger: silent,
    metrics: newMetrics(),
    groupConcurrency: 8,
    expectedGroups: { accounts: ["ledger"], ledger: ["accounts"] },
  });
  const relays = areas.map((area) => {
    const store = createOutboxStore(databases[area], area);
    return createRelay({ store, bus, stream: area, logger: silent, metrics: newMetrics(), pollMs: 50, saveEveryMs });
  });
  for (const relay of relays) relay.start();
  const consumptions = { accounts: bus.consume(groups.accounts), ledger: bus.consume(groups.ledger) };
  const replays = areas.map((area) =>
    startReplayLoop({
      group: groups[area],
      logger: silent,
      pollMs: 25,
      store: {
        listKeysToReplay: (consumer, stream, limit) =>
          listKeysToReplay(databases[area].sql, area, consumer, stream, limit),
        replayDeadLetters: (parked, handle) => replayDeadLetters(databases[area], area, parked, handle),
      },
    }),
  );
  const stop = async (deadlineMs: number): Promise<void> => {
    await bus.stop(deadlineMs);
    await Promise.all(replays.map((replay) => replay.stop(5_000)));
    await Promise.all(relays.map((relay) => relay.stop(5_000)));
  };
  return {
    bus,
    consumptions,
    wake: () => relays.forEach((relay) => relay.wake()),
    kill: () => stop(0),
    end: () => stop(5_000),
  };
}
