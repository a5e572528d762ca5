import { Redis } from "ioredis";
import { eventually, type TestRedis } from "@florin/testkit";
import { createRedisBus, createRelay, type Bus, type Consumption, type RedisBusOptions } from "../src/index.js";
import { newMetrics, silent, type GroupModel } from "./group-model.js";
import type { OutboxModel } from "./outbox-model.js";

/** One process as the bus sees it: its own connections, and maybe a relay, a group and a listener. */
export interface Node {
  readonly bus: Bus;
  readonly consumption: Consumption;
  /** Positions that this node's listener heard. */
  readonly heard: bigint[];
  wake(): void;
  /** Drains and gives back. */
  end(): Promise<void>;
  /** As a kill: nothing is drained, acknowledged or given back. */
  vanish(): Promise<void>;
}

export interface NodeSetting extends Partial<RedisBusOptions> {
  readonly redis: string;
  readonly group: GroupModel;
  /** With a store the node has a relay. */
  readonly store?: OutboxModel;
  readonly batch?: number;
}

export function startNode({ group, store, batch = 50, ...more }: NodeSetting): Node {
  const bus = createRedisBus({
    expectedGroups: { ledger: [group.name], accounts: [] },
    logger: silent,
    metrics: newMetrics(),
    leaseMs: 1_500,
    retry: { attempts: 5, baseMs: 1, maxMs: 10 },
    ...more,
  });
  const heard: bigint[] = [];
  bus.tap("ledger", (event) => void heard.push(event.position));
  const relay =
    store &&
    createRelay({
      store,
      bus,
      stream: "ledger",
      logger: silent,
      metrics: newMetrics(),
      pollMs: 50,
      saveEveryMs: 20,
      batch,
    });
  relay?.start();
  const consumption = bus.consume(group);
  const stop = async (deadlineMs: number): Promise<void> => {
    await bus.stop(deadlineMs);
    await relay?.stop(5_000);
  };
  return {
    bus,
    consumption,
    heard,
    wake: () => relay?.wake(),
    end: () => stop(5_000),
    vanish: () => stop(0),
  };
}

/** Commits events, a few at a time, until told to stop; the numbers are those of the store. */
export function startTraffic(store: OutboxModel, node: Node): { stop(): Promise<void> } {
  let isStopped = false;
  const running = (async () => {
    while (!isStopped) {
      store.commit(5, (position) => `key-${position % 7}`);
      node.wake();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  return {
    stop: () => {
      isStopped = true;
      return running;
    },
  };
}

/** Everything committed is applied once, in order per key, nothing is parked, and nothing is left pending in Redis. */
export async function expectFold(store: OutboxModel, group: GroupModel, node: Node, redis: TestRedis): Promise<void> {
  const count = BigInt(store.committed.length);
  node.wake();
  expect(await node.consumption.reached(count, 30_000)).toBe(true);
  const keys = new Set(store.committed.map((event) => event.key));
  for (const key of keys) {
    const expected = store.committed.filter((event) => event.key === key).map((event) => event.position);
    expect(group.appliedPositions(key)).toEqual(expected);
  }
  expect(group.letters).toEqual([]);
  await eventually(async () => (await pendingOf(redis, group.name)) === 0, 10_000);
}

export function expectHeardOnce(heard: readonly bigint[]): void {
  for (let i = 1; i < heard.length; i++) {
    if (heard[i]! <= heard[i - 1]!) throw new Error(`heard ${heard[i]} after ${heard[i - 1]}`);
  }
}

export async function ask<T>(redis: { readonly url: string }, question: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(redis.url, { retryStrategy: () => null, commandTimeout: 5_000 });
  client.on("error", () => undefined); // told by the rejection
  try {
    return await question(client);
  } finally {
    client.disconnect();
  }
}

export const EVENTS = "florin:{ledger}:events";

export function pendingOf(redis: TestRedis, group: string): Promise<number> {
  return ask(redis, async (client) => Number((await client.xpending(EVENTS, group))[0]));
}

/** The positions that are in the stream. */
export function entriesOf(redis: TestRedis): Promise<bigint[]> {
  return ask(redis, async (client) =>
    (await client.xrange(EVENTS, "-", "+")).map(([id]) => BigInt(id.replace(/-0$/, ""))),
  );
}
