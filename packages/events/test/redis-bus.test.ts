import { randomUUID } from "node:crypto";
import { asUuid } from "@florin/kernel";
import fc from "fast-check";
import { eventually, startTestRedis, whereRedisIs, type TestRedis } from "@florin/testkit";
import { BusStopped, createRedisBus } from "../src/index.js";
import { GroupModel, makeEvent, newMetrics, silent } from "./group-model.js";
import { OutboxModel } from "./outbox-model.js";
import { ask, entriesOf, EVENTS, expectFold, expectHeardOnce, pendingOf, startNode, type Node } from "./redis-nodes.js";

const describeWithRedis = whereRedisIs(describe, describe.skip);

const hold = (group: GroupModel): (() => void) => {
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  group.latency = () => gate;
  return () => {
    group.latency = async () => {};
    open();
  };
};

describeWithRedis("the bus over Redis", () => {
  let redis: TestRedis;
  const nodes: Node[] = [];
  const start = (...args: Parameters<typeof startNode>): Node => {
    const node = startNode(...args);
    nodes.push(node);
    return node;
  };

  beforeAll(async () => void (redis = await startTestRedis()));
  beforeEach(() => redis.flushAll());
  afterEach(async () => void (await Promise.all(nodes.splice(0).map((node) => node.end()))));
  afterAll(() => redis.stop());

  test("carries every event once and in order, with its instants and positions exact, and writes down what is delivered", async () => {
    const store = new OutboxModel();
    const group = new GroupModel();
    const node = start({ redis: redis.url, group, store });
    store.commit(1_500);
    await expectFold(store, group, node, redis);
    expect(group.applied.toSorted((a, b) => Number(a.position - b.position))).toEqual(store.committed);
    expect(group.deliveries).toBe(1_500);
    expect(await entriesOf(redis)).toEqual(store.committed.map((event) => event.position));
    await eventually(() => store.delivered === 1_500n);
    await eventually(() => node.heard.at(-1) === 1_500n);
    expectHeardOnce(node.heard);
  });

  test("under random failures applies each key in order, parks from the first hopeless event of a key on, and loses nothing", async () => {
    const plans = fc.array(
      fc.record({
        key: fc.constantFrom("a", "b", "c"),
        failures: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 6 }) }),
        isPoison: fc.nat({ max: 30 }).map((roll) => roll === 0),
        latencyMs: fc.nat({ max: 3 }),
      }),
      { minLength: 1, maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(plans, async (planned) => {
        await redis.flushAll();
        const store = new OutboxModel();
        const group = new GroupModel();
        group.latency = (event) =>
          new Promise((resolve) => setTimeout(resolve, planned[Number(event.position) - 1]!.latencyMs));
        planned.forEach((plan, i) => {
          group.failuresLeft.set(BigInt(i + 1), plan.failures);
          if (plan.isPoison) group.poison.add(BigInt(i + 1));
        });
        store.commit(planned.length, (position) => planned[position - 1]!.key);
        const node = startNode({ redis: redis.url, group, store, batch: 7 });
        expect(await node.consumption.reached(BigInt(planned.length), 20_000)).toBe(true);
        await node.end();
        for (const key of ["a", "b", "c"]) {
          const ofKey = store.committed.filter((event) => event.key === key).map((event) => event.position);
          const isBad = (position: bigint): boolean =>
            planned[Number(position) - 1]!.isPoison || planned[Number(position) - 1]!.failures >= 5;
          const firstBad = ofKey.findIndex(isBad);
          const good = firstBad === -1 ? ofKey : ofKey.slice(0, firstBad);
          expect(group.appliedPositions(key)).toEqual(good);
          expect(group.openLetters(key).map((letter) => letter.event.position)).toEqual(ofKey.slice(good.length));
        }
        expect(await pendingOf(redis, group.name)).toBe(0);
      }),
      { numRuns: 12 },
    );
  });

  test("one process works for a group; when it ends the next goes on, and a reader in either can wait for a position", async () => {
    const store = new OutboxModel();
    const group = new GroupModel();
    const first = start({ redis: redis.url, group, store });
    store.commit(20);
    expect(await first.consumption.reached(20n, 20_000)).toBe(true);
    const second = start({ redis: redis.url, group, store });
    const waiting = second.consumption.reached(60n, 20_000);
    store.commit(40);
    first.wake();
    expect(await waiting).toBe(true);
    expect(await second.consumption.reached(61n, 50)).toBe(false);
    expect(group.deliveries).toBe(60);
    await first.end();
    store.commit(40);
    await expectFold(store, group, second, redis);
    expect(group.deliveries).toBe(100);
  });

  test("what a process took and did not finish is taken over when its lease has run out", async () => {
    const store = new OutboxModel();
    const group = new GroupModel();
    const open = hold(group);
    const first = start({ redis: redis.url, group, store });
    store.commit(80);
    await eventually(async () => group.deliveries > 0 && (await pendingOf(redis, group.name)) === 80, 20_000);
    await first.vanish();
    const inbox = group.inbox.size;
    expect(inbox).toBe(0);
    open();
    const second = start({ redis: redis.url, group, store });
    await expectFold(store, group, second, redis);
    const consumers = await ask(redis, (client) => client.xinfo("CONSUMERS", EVENTS, group.name));
    expect(consumers).toHaveLength(1); // the first one's is removed
  });

  test("events handed to a process that had lost its lease are found by position", async () => {
    const store = new OutboxModel();
    const group = new GroupModel();
    const node = start({ redis: redis.url, group, store });
    store.commit(10);
    expect(await node.consumption.reached(10n, 20_000)).toBe(true);
    await ask(redis, async (client) => {
      const stolen = client.xreadgroup("GROUP", group.name, "zombie", "BLOCK", 5_000, "STREAMS", EVENTS, ">");
      let isStolen = false;
      void stolen.then(() => (isStolen = true));
      await eventually(() => {
        store.commit(10);
        node.wake();
        return isStolen;
      });
    });
    await expectFold(store, group, node, redis);
  });

  test("two relays of one stream publish each event once", async () => {
    const store = new OutboxModel();
    const group = new GroupModel();
    const first = start({ redis: redis.url, group, store, batch: 3 });
    const second = start({ redis: redis.url, group, store, batch: 5 });
    for (let i = 0; i < 40; i++) {
      store.commit(25);
      first.wake();
      second.wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expectFold(store, group, first, redis);
    expect(await entriesOf(redis)).toEqual(store.committed.map((event) => event.position));
    expect(group.deliveries).toBe(1_000);
  });

  test("a full stream holds the relay back, and nothing that the slowest group needs is trimmed", async () => {
    const store = new OutboxModel();
    const group = new GroupModel();
    const open = hold(group);
    const node = start({ redis: redis.url, group, store, maxLength: 100, horizon: 0, groupQueueLimit: 10, batch: 30 });
    store.commit(5_000);
    await eventually(async () => (await entriesOf(redis)).length === 100, 20_000);
    for (let i = 0; i < 10; i++) expect((await entriesOf(redis)).length).toBeLessThanOrEqual(100);
    open();
    await expectFold(store, group, node, redis);
    expect((await entriesOf(redis)).length).toBeLessThan(5_000); // finished ones beyond the horizon are gone
  });

  test("a group that is new gets everything that the stream still holds", async () => {
    const store = new OutboxModel();
    const early = new GroupModel("early");
    const late = new GroupModel("late");
    const first = start({ redis: redis.url, group: early, store });
    store.commit(30);
    expect(await first.consumption.reached(30n, 20_000)).toBe(true);
    await first.end();
    const expectedGroups = { ledger: ["early", "late"], accounts: [] };
    const second = start({ redis: redis.url, group: early, store, expectedGroups });
    expect(await second.bus.safePosition("ledger")).toBeUndefined();
    expect(store.delivered).toBe(30n);
    const consumption = second.bus.consume(late);
    expect(await consumption.reached(30n, 20_000)).toBe(true);
    expect(late.applied).toHaveLength(30);
    await eventually(async () => (await second.bus.safePosition("ledger")) === 30n);
  });

  test("a group whose mark is below what was trimmed has the stream begun anew from its mark", async () => {
    const store = new OutboxModel();
    const early = new GroupModel("early");
    const late = new GroupModel("late");
    const first = start({ redis: redis.url, group: early, store, horizon: 0, batch: 500 });
    store.commit(10);
    expect(await first.consumption.reached(10n, 20_000)).toBe(true);
    await ask(redis, (client) => client.set("florin:{ledger}:group:late:mark", "10")); // it was here, and is away
    for (let round = 0; round < 6; round++) {
      store.commit(1_000);
      await expectFold(store, early, first, redis);
    }
    expect((await entriesOf(redis))[0]).toBeGreaterThan(1_000n); // trimmed by a process that knew no such group
    await first.end();
    const expectedGroups = { ledger: ["early", "late"], accounts: [] };
    const second = start({ redis: redis.url, group: early, store, expectedGroups });
    const consumption = second.bus.consume(late);
    expect(await consumption.reached(6_010n, 20_000)).toBe(true);
    expect(late.applied[0]!.position).toBe(11n);
    expect(late.applied).toHaveLength(6_000);
    expectHeardOnce(second.heard);
  });

  test("a Redis without memory makes the relay wait, and it goes on when there is some", async () => {
    const store = new OutboxModel();
    const group = new GroupModel();
    const node = start({ redis: redis.url, group, store });
    store.commit(10);
    expect(await node.consumption.reached(10n, 20_000)).toBe(true);
    await ask(redis, (client) => client.config("SET", "maxmemory", "1"));
    try {
      store.commit(50);
      node.wake();
      await eventually(() => store.rounds > 3);
      expect(await node.consumption.reached(60n, 500)).toBe(false);
    } finally {
      await ask(redis, (client) => client.config("SET", "maxmemory", "0"));
    }
    await expectFold(store, group, node, redis);
  });

  test("a listener that comes later hears what comes then, also where no event was ever published", async () => {
    const store = new OutboxModel();
    const group = new GroupModel();
    const node = start({ redis: redis.url, group });
    const relaying = start({ redis: redis.url, group, store });
    store.commit(3);
    relaying.wake();
    await eventually(() => node.heard.length === 3, 20_000);
    const later: bigint[] = [];
    const untap = node.bus.tap("ledger", (event) => void later.push(event.position));
    store.commit(2);
    relaying.wake();
    await eventually(() => later.length === 2, 20_000);
    expect(later).toEqual([4n, 5n]);
    untap();
    store.commit(1);
    relaying.wake();
    await eventually(() => node.heard.length === 6, 20_000);
    expect(later).toEqual([4n, 5n]);
  });

  test.each([
    ["ends before it", 10],
    ["is longer by now", 200],
  ])(
    "refuses a bus that belongs to another database, and saves nothing of it: an outbox that %s",
    async (_name, count) => {
      const other = new OutboxModel();
      const group = new GroupModel();
      const first = start({ redis: redis.url, group, store: other });
      other.commit(100);
      expect(await first.consumption.reached(100n, 20_000)).toBe(true);
      await first.end();
      const store = new OutboxModel();
      store.commit(count);
      const strangers = store.committed.map((event) => ({ ...event, eventId: asUuid(randomUUID()) }));
      store.committed.splice(0, count, ...strangers);
      start({ redis: redis.url, group: new GroupModel(), store });
      await eventually(() => store.calls > 6, 10_000);
      expect(store.delivered).toBe(0n);
      expect(await entriesOf(redis)).toHaveLength(100);
      await redis.flushAll(); // as the error says
      await eventually(() => store.delivered === BigInt(count), 20_000);
    },
  );

  test("keeps two databases apart by their prefix", async () => {
    for (const keyPrefix of ["florin-one", "florin-two"]) {
      const store = new OutboxModel();
      const group = new GroupModel();
      const node = start({ redis: redis.url, group, store, keyPrefix });
      store.commit(10);
      expect(await node.consumption.reached(10n, 20_000)).toBe(true);
      expect(group.applied).toHaveLength(10);
    }
  });

  test("refuses a group that is not expected, two of one name, a jump, and anything after its end", async () => {
    const group = new GroupModel();
    const node = start({ redis: redis.url, group });
    expect(() => node.bus.consume(new GroupModel("unknown"))).toThrow("name it there in every process");
    expect(() => node.bus.consume(group)).toThrow("give the second one its own name");
    await eventually(() => node.bus.resume("ledger", { published: 4n, delivered: 4n }));
    await node.bus.publish("ledger", [makeEvent(5, "a")]);
    await expect(node.bus.publish("ledger", [makeEvent(9, "a")])).rejects.toThrow("publish from 6");
    await node.bus.publish("ledger", [makeEvent(5, "a"), makeEvent(6, "a")]);
    expect(await node.consumption.reached(6n, 20_000)).toBe(true);
    expect(group.deliveries).toBe(2);
    await node.bus.stop(5_000);
    await expect(node.bus.publish("ledger", [makeEvent(7, "a")])).rejects.toThrow(BusStopped);
    expect(await node.consumption.reached(7n, 5_000)).toBe(false);
  });

  test("a reader without its own connection to the group waits no longer than its deadline when Redis is away", async () => {
    const away = createRedisBus({
      redis: "redis://127.0.0.1:1",
      expectedGroups: { ledger: ["model"], accounts: [] },
      logger: silent,
      metrics: newMetrics(),
    });
    away.tap("ledger", () => {});
    const consumption = away.consume(new GroupModel());
    const before = performance.now();
    expect(await consumption.reached(1n, 200)).toBe(false);
    await expect(away.publish("ledger", [makeEvent(1, "a")])).rejects.toThrow();
    await expect(away.safePosition("ledger")).rejects.toThrow();
    expect(performance.now() - before).toBeLessThan(5_000);
    await away.stop(1_000);
  });
});
