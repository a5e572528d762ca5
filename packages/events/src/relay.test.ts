import { instantFromMillis } from "@florin/kernel";
import fc from "fast-check";
import { GroupModel, newMetrics, silent } from "../test/group-model.js";
import { OutboxModel } from "../test/outbox-model.js";
import { microtasks, VirtualTimers } from "../test/virtual-timers.js";
import type { Bus } from "./bus.js";
import { createInProcessBus } from "./in-process-bus.js";
import { createRelay, type RelayOptions } from "./relay.js";

function setUp(store: OutboxModel, timers: VirtualTimers, group: GroupModel, more: Partial<RelayOptions> = {}) {
  const bus = createInProcessBus({ logger: silent, metrics: newMetrics(), timers });
  const consumption = bus.consume(group);
  const published: bigint[] = [];
  const counting: Bus = {
    publish: (stream, events) => {
      published.push(...events.map((event) => event.position));
      return bus.publish(stream, events);
    },
    resume: (stream, known) => bus.resume(stream, known),
    safePosition: (stream) => bus.safePosition(stream),
    consume: (consumer) => bus.consume(consumer),
    tap: (stream, listener) => bus.tap(stream, listener),
    stop: (deadlineMs) => bus.stop(deadlineMs),
  };
  const relay = createRelay({
    store,
    bus: counting,
    stream: "ledger",
    logger: silent,
    metrics: newMetrics(),
    timers,
    clock: { now: () => instantFromMillis(0) },
    ...more,
  });
  return { bus, relay, consumption, published };
}

test("publishes everything once and in order, in batches, and writes down what was delivered", async () => {
  const store = new OutboxModel();
  const timers = new VirtualTimers();
  const { bus, relay, consumption, published } = setUp(store, timers, new GroupModel(), { batch: 7 });
  store.commit(100);
  relay.start();
  await timers.runUntil(() => consumption.position() === 100n);
  expect(published).toEqual(store.committed.map((event) => event.position));
  await timers.runUntil(() => store.delivered === 100n);
  const later = timers.now() + 10_000;
  await timers.runUntil(() => timers.now() >= later);
  expect(store.saves).toEqual([...new Set(store.saves)].sort((a, b) => Number(a - b))); // each once, and never back
  await bus.stop(100);
  await relay.stop(100);
});

test("killed between publish and the delivered position at any time: repetitions on the wire, effects once and in order", async () => {
  let repetitions = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 80 }),
      fc.array(fc.nat({ max: 80 }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 20 }),
      async (count, crashes, batch) => {
        const store = new OutboxModel();
        const timers = new VirtualTimers();
        const group = new GroupModel();
        group.latency = () => timers.sleep(3);
        store.commit(count);
        let onWire = 0;
        for (const crashAfter of crashes) {
          const life = setUp(store, timers, group, { batch });
          store.canSave = crashAfter % 2 === 0;
          life.relay.start();
          await timers.runUntil(() => group.applied.length >= Math.min(crashAfter, count));
          store.canSave = false; // dies here: whatever it would still write is lost
          await life.bus.stop(0);
          const stopped = life.relay.stop(0);
          await stopped;
          onWire += life.published.length;
        }
        store.canSave = true;
        const last = setUp(store, timers, group, { batch });
        last.relay.start();
        await timers.runUntil(() => last.consumption.position() === BigInt(count) && store.delivered === BigInt(count));
        onWire += last.published.length;
        repetitions += onWire - count;
        for (const key of ["key-0", "key-1", "key-2"]) {
          const expected = store.committed.filter((event) => event.key === key).map((event) => event.position);
          expect(group.appliedPositions(key)).toEqual(expected);
        }
        await last.bus.stop(10);
        await last.relay.stop(10);
      },
    ),
    { numRuns: 60 },
  );
  expect(repetitions).toBeGreaterThan(0);
});

test("never writes a delivered position beyond an event that is unfinished", async () => {
  const store = new OutboxModel();
  const timers = new VirtualTimers();
  const group = new GroupModel();
  group.latency = (event) => timers.sleep(event.position === 4n ? 5_000 : 1);
  const { bus, relay } = setUp(store, timers, group, { pollMs: 50 });
  store.commit(30, (position) => `key-${position}`);
  relay.start();
  await timers.runUntil(() => group.applied.length === 29);
  const before = timers.now();
  await timers.runUntil(() => timers.now() > before + 1_000);
  expect(store.delivered).toBe(3n);
  await timers.runUntil(() => store.delivered === 30n);
  await bus.stop(10);
  await relay.stop(10);
});

test("wake-ups during a round make one more round, and an idle relay only polls", async () => {
  const store = new OutboxModel();
  const timers = new VirtualTimers();
  const { bus, relay, consumption } = setUp(store, timers, new GroupModel());
  relay.start();
  await timers.runUntil(() => store.rounds === 1);
  store.commit(1);
  for (let i = 0; i < 1_000; i++) relay.wake();
  await timers.runUntil(() => consumption.position() === 1n);
  expect(store.rounds).toBeLessThanOrEqual(3);
  const quietFrom = timers.now() + 2_000;
  await timers.runUntil(() => timers.now() >= quietFrom);
  const before = store.rounds;
  await timers.runUntil(() => timers.now() >= quietFrom + 60_000);
  expect(store.rounds - before).toBeLessThanOrEqual(61);
  await bus.stop(10);
  await relay.stop(10);
});

test("looks again soon for an event that an older transaction holds back", async () => {
  const store = new OutboxModel();
  const timers = new VirtualTimers();
  const { bus, relay, consumption } = setUp(store, timers, new GroupModel());
  relay.start();
  await timers.runUntil(() => store.rounds === 1);
  store.commit(1);
  store.unnumberable = 1;
  relay.wake();
  const wokenAt = timers.now();
  timers.after(20, () => (store.unnumberable = 0)); // the older one ends, and wakes nobody
  await timers.runUntil(() => consumption.position() === 1n);
  expect(timers.now() - wokenAt).toBeLessThan(100);
  await bus.stop(10);
  await relay.stop(10);
});

test("goes on after an outage without spinning, also while it is woken all the time", async () => {
  const store = new OutboxModel();
  const timers = new VirtualTimers();
  const { bus, relay, consumption } = setUp(store, timers, new GroupModel(), { random: () => 0.99 });
  store.isAway = true;
  store.commit(5);
  relay.start();
  timers.after(60_000, () => (store.isAway = false));
  const wakeAgain = (): void => {
    relay.wake();
    if (store.isAway) timers.after(10, wakeAgain);
  };
  wakeAgain();
  await timers.runUntil(() => consumption.position() === 5n);
  expect(store.calls).toBeLessThan(60_000 / 1_000); // growing pauses up to five seconds
  await bus.stop(10);
  await relay.stop(10);
});

test("goes back for a group that registers while the relay runs", async () => {
  const store = new OutboxModel();
  const timers = new VirtualTimers();
  const { bus, relay, consumption } = setUp(store, timers, new GroupModel("early"), { pollMs: 100 });
  store.commit(20);
  relay.start();
  await timers.runUntil(() => consumption.position() === 20n);
  const late = new GroupModel("late");
  const lateConsumption = bus.consume(late);
  store.commit(5);
  await timers.runUntil(() => lateConsumption.position() === 25n);
  expect(late.appliedPositions("key-1")).toEqual(
    store.committed.filter((event) => event.key === "key-1").map((event) => event.position),
  );
  await bus.stop(10);
  await relay.stop(10);
});

test("ends by itself when the bus has stopped, and writes the last delivered position at its own stop", async () => {
  const store = new OutboxModel();
  const timers = new VirtualTimers();
  const { bus, relay, consumption } = setUp(store, timers, new GroupModel(), { saveEveryMs: 1e9, pollMs: 1e9 });
  store.commit(5);
  relay.start();
  await timers.runUntil(() => consumption.position() === 5n);
  await bus.stop(10);
  await relay.stop(100);
  expect(store.delivered).toBe(5n);
  expect(() => relay.start()).toThrow("make a new one");
  await microtasks();
});
