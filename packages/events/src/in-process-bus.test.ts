import type { EventEnvelope } from "@florin/kernel";
import fc from "fast-check";
import { GroupModel, makeEvent, newMetrics, silent } from "../test/group-model.js";
import { microtasks, VirtualTimers } from "../test/virtual-timers.js";
import type { Bus } from "./bus.js";
import { startReplayLoop } from "./dead-letters.js";
import { BusStopped, createInProcessBus, type InProcessBusOptions } from "./in-process-bus.js";

const RUNS = { numRuns: 150 };

function createBus(more: Partial<InProcessBusOptions> = {}): Bus {
  return createInProcessBus({ logger: silent, metrics: newMetrics(), ...more });
}

/** A seeded source that a failing run can be replayed with. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Plan {
  readonly key: string;
  readonly isWanted: boolean;
  readonly failures: number;
  readonly isPoison: boolean;
  readonly latencyMs: number;
}

const plans = fc.array(
  fc.record<Plan>({
    key: fc.constantFrom("a", "b", "c", "d"),
    isWanted: fc.integer({ min: 0, max: 4 }).map((roll) => roll > 0),
    failures: fc.oneof(
      { weight: 6, arbitrary: fc.constant(0) },
      { weight: 2, arbitrary: fc.integer({ min: 1, max: 7 }) },
    ),
    isPoison: fc.integer({ min: 0, max: 30 }).map((roll) => roll === 0),
    latencyMs: fc.integer({ min: 0, max: 40 }),
  }),
  { minLength: 1, maxLength: 60 },
);

interface Scenario {
  readonly bus: Bus;
  readonly group: GroupModel;
  readonly timers: VirtualTimers;
  readonly events: readonly EventEnvelope[];
  readonly wanted: readonly EventEnvelope[];
}

function setUp(planned: readonly Plan[], seed: number, more: Partial<InProcessBusOptions> = {}): Scenario {
  const timers = new VirtualTimers();
  const events = planned.map((plan, i) => makeEvent(i + 1, plan.key, plan.isWanted ? "account.posted" : "other"));
  const group = new GroupModel();
  planned.forEach((plan, i) => {
    group.failuresLeft.set(BigInt(i + 1), plan.failures);
    if (plan.isPoison) group.poison.add(BigInt(i + 1));
  });
  group.latency = (event) => timers.sleep(planned[Number(event.position) - 1]!.latencyMs);
  const bus = createBus({ timers, random: randomFrom(seed), ...more });
  return { bus, group, timers, events, wanted: events.filter((event) => event.type === "account.posted") };
}

const keys = ["a", "b", "c", "d"];
const positions = (events: readonly EventEnvelope[], key: string): bigint[] =>
  events.filter((event) => event.key === key).map((event) => event.position);

describe("the bus of one process, under random failures", () => {
  test("applies each key in order and once, parks from the first hopeless event of a key on, and loses nothing", async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.nat(), async (planned, seed) => {
        const { bus, group, timers, events, wanted } = setUp(planned, seed);
        const consumption = bus.consume(group);
        await bus.publish("ledger", events);
        await timers.runUntil(() => consumption.position() === BigInt(events.length));
        for (const key of keys) {
          const isHopeless = (event: EventEnvelope): boolean => {
            const plan = planned[Number(event.position) - 1]!;
            return plan.isPoison || plan.failures >= 5;
          };
          const ofKey = wanted.filter((event) => event.key === key);
          const firstBad = ofKey.findIndex(isHopeless);
          const applied = firstBad === -1 ? ofKey : ofKey.slice(0, firstBad);
          const held = firstBad === -1 ? [] : ofKey.slice(firstBad);
          expect(group.appliedPositions(key)).toEqual(positions(applied, key));
          expect(group.openLetters(key).map((letter) => letter.event.position)).toEqual(positions(held, key));
          expect(group.openLetters(key).map((letter) => letter.status)).toEqual(
            held.map((_event, i) => (i === 0 ? "PARKED" : "WAITING")),
          );
        }
        await bus.stop(1_000);
      }),
      RUNS,
    );
  });

  test("never reports a position while an event up to it is unfinished", async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.nat(), async (planned, seed) => {
        const { bus, group, timers, events, wanted } = setUp(planned, seed, { groupConcurrency: 3 });
        const consumption = bus.consume(group);
        await bus.publish("ledger", events);
        let highest = 0n;
        const check = (): void => {
          const mark = consumption.position();
          expect(mark).toBeGreaterThanOrEqual(highest);
          highest = mark;
          expect(bus.safePosition("ledger")).toBe(mark);
          const unfinished = wanted.filter((event) => event.position <= mark && !group.isFinished(event));
          expect(unfinished).toEqual([]);
        };
        await timers.runUntil(() => consumption.position() === BigInt(events.length), check);
        await bus.stop(1_000);
      }),
      RUNS,
    );
  });

  test("delivers again whatever is published again, and the inbox makes the effect happen once", async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.nat(), fc.nat({ max: 60 }), async (planned, seed, crashAfter) => {
        const calm = planned.map((plan) => ({ ...plan, failures: Math.min(plan.failures, 4), isPoison: false }));
        const { bus, group, timers, events, wanted } = setUp(calm, seed);
        bus.consume(group);
        await bus.publish("ledger", events);
        await timers.runUntil(() => group.applied.length >= Math.min(crashAfter, wanted.length));
        await bus.stop(0); // the process dies; what runs may still commit

        const next = createBus({ timers, random: randomFrom(seed + 1) });
        const consumption = next.consume(group);
        await next.publish("ledger", events);
        await timers.runUntil(() => consumption.position() === BigInt(events.length));
        for (const key of keys) expect(group.appliedPositions(key)).toEqual(positions(wanted, key));
        await next.stop(1_000);
      }),
      RUNS,
    );
  });

  test("without the inbox a repetition is a second effect (control)", async () => {
    const events = [1, 2, 3].map((position) => makeEvent(position, "a"));
    const group = new GroupModel();
    group.hasInbox = false;
    for (let life = 0; life < 2; life++) {
      const bus = createBus();
      const consumption = bus.consume(group);
      await bus.publish("ledger", events);
      expect(await consumption.reached(3n, 1_000)).toBe(true);
      await bus.stop(1_000);
    }
    expect(group.appliedPositions()).toEqual([1n, 2n, 3n, 1n, 2n, 3n]);
  });

  test("replays a mended key to the end in order, also while new events of it arrive", async () => {
    await fc.assert(
      fc.asyncProperty(plans, fc.nat(), fc.nat({ max: 59 }), async (planned, seed, cut) => {
        const { bus, group, timers, events, wanted } = setUp(planned, seed);
        const consumption = bus.consume(group);
        await bus.publish("ledger", events.slice(0, cut));
        await timers.runUntil(() => consumption.position() === BigInt(Math.min(cut, events.length)) || cut === 0);
        group.poison.clear();
        group.failuresLeft.clear();
        for (const key of keys) group.requestReplay(key);
        const loop = startReplayLoop({ group, store: group.replayStore, logger: silent, timers, pollMs: 20 });
        await bus.publish("ledger", events.slice(cut));
        await timers.runUntil(
          () =>
            consumption.position() === BigInt(events.length) &&
            keys.every((key) => group.openLetters(key).length === 0),
        );
        await loop.stop(1_000);
        for (const key of keys) {
          expect(group.openLetters(key)).toEqual([]);
          expect(group.appliedPositions(key)).toEqual(positions(wanted, key));
        }
        await bus.stop(1_000);
      }),
      RUNS,
    );
  });
});

describe("a group whose store is away", () => {
  test("waits as long as it takes, spends no budget and parks nothing", async () => {
    const timers = new VirtualTimers();
    const bus = createBus({ timers, random: Math.random });
    const group = new GroupModel();
    const consumption = bus.consume(group);
    group.isStoreAway = true;
    timers.after(60_000, () => (group.isStoreAway = false));
    const events = Array.from({ length: 100 }, (_, i) => makeEvent(i + 1, `key-${i % 7}`));
    await bus.publish("ledger", events);
    await timers.runUntil(() => consumption.position() === 100n);
    expect(group.letters).toEqual([]);
    expect(group.applied).toHaveLength(100);
    await bus.stop(1_000);
  });

  test("is not taken for a group whose events are bad when only the look-up of parked keys fails", async () => {
    const timers = new VirtualTimers();
    const bus = createBus({ timers });
    const group = new GroupModel();
    const isKeyParked = group.isKeyParked.bind(group);
    let failures = 20;
    group.isKeyParked = async (key) => {
      if (failures-- > 0) throw new Error("the store is away");
      return isKeyParked(key);
    };
    const consumption = bus.consume(group);
    await bus.publish("ledger", [makeEvent(1, "a"), makeEvent(2, "a")]);
    await timers.runUntil(() => consumption.position() === 2n);
    expect(group.letters).toEqual([]);
    expect(group.appliedPositions()).toEqual([1n, 2n]);
    await bus.stop(1_000);
  });

  test("gives an event that fails and cannot be parked a fresh budget", async () => {
    const timers = new VirtualTimers();
    const bus = createBus({ timers });
    const group = new GroupModel();
    group.failuresLeft.set(1n, 7);
    let isFirst = true;
    const park = group.park.bind(group);
    group.park = async (event, error) => {
      if (isFirst) {
        isFirst = false;
        throw new Error("the store is away");
      }
      await park(event, error);
    };
    const consumption = bus.consume(group);
    await bus.publish("ledger", [makeEvent(1, "a")]);
    await timers.runUntil(() => consumption.position() === 1n);
    expect(group.letters).toEqual([]);
    expect(group.deliveries).toBe(8);
    await bus.stop(1_000);
  });
});

test("poison is parked at its first try, anything else after its budget", async () => {
  const timers = new VirtualTimers();
  const bus = createBus({ timers });
  const group = new GroupModel();
  const attempts: number[] = [];
  const park = group.park.bind(group);
  group.park = async (event, error, tried: number) => {
    attempts.push(tried);
    await park(event, error);
  };
  group.poison.add(1n);
  group.failuresLeft.set(2n, 99);
  const consumption = bus.consume(group);
  await bus.publish("ledger", [makeEvent(1, "a"), makeEvent(2, "b"), makeEvent(3, "b")]);
  await timers.runUntil(() => consumption.position() === 3n);
  expect(attempts).toEqual([1, 5, 0]);
  expect(group.deliveries).toBe(6);
  await bus.stop(1_000);
});

describe("publishing", () => {
  test("holds no more than the queue limit: a full group makes the publisher wait and loses nothing", async () => {
    const bus = createBus({ groupQueueLimit: 10, groupConcurrency: 2 });
    const group = new GroupModel();
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    group.latency = () => gate;
    const consumption = bus.consume(group);
    let told = 0;
    bus.tap("ledger", () => void (told += 1));
    let isPublished = false;
    const publishing = bus
      .publish(
        "ledger",
        Array.from({ length: 100 }, (_, i) => makeEvent(i + 1, `key-${i}`)),
      )
      .then(() => (isPublished = true));
    await microtasks();
    expect(isPublished).toBe(false);
    expect(told).toBe(11); // ten are held, the eleventh waits
    release();
    await publishing;
    expect(await consumption.reached(100n, 1_000)).toBe(true);
    expect(group.applied).toHaveLength(100);
    await bus.stop(1_000);
  });

  test("runs handlers of different keys side by side, up to the concurrency, and of one key one by one", async () => {
    const timers = new VirtualTimers();
    const bus = createBus({ timers, groupConcurrency: 4 });
    const group = new GroupModel();
    const running = new Map<string, number>();
    let most = 0;
    group.latency = async (event) => {
      running.set(event.key, (running.get(event.key) ?? 0) + 1);
      expect(running.get(event.key)).toBe(1);
      most = Math.max(
        most,
        [...running.values()].reduce((sum, count) => sum + count, 0),
      );
      await timers.sleep(10);
      running.set(event.key, 0);
    };
    const consumption = bus.consume(group);
    await bus.publish(
      "ledger",
      Array.from({ length: 60 }, (_, i) => makeEvent(i + 1, `key-${i % 6}`)),
    );
    await timers.runUntil(() => consumption.position() === 60n);
    expect(most).toBe(4);
    await bus.stop(1_000);
  });

  test("refuses a jump, says where to go on, and takes repetitions without a second effect", async () => {
    const bus = createBus();
    const group = new GroupModel();
    const consumption = bus.consume(group);
    await bus.publish("ledger", [makeEvent(5, "a"), makeEvent(6, "a")]);
    await expect(bus.publish("ledger", [makeEvent(9, "a")])).rejects.toThrow("publish from 7");
    await bus.publish("ledger", [makeEvent(5, "a"), makeEvent(6, "a"), makeEvent(7, "a")]);
    expect(await consumption.reached(7n, 1_000)).toBe(true);
    expect(group.deliveries).toBe(3);
    await bus.stop(1_000);
  });

  test("finishes types that a group does not want without calling it", async () => {
    const bus = createBus({ groupQueueLimit: 1 });
    const group = new GroupModel();
    const consumption = bus.consume(group);
    await bus.publish(
      "ledger",
      Array.from({ length: 50 }, (_, i) => makeEvent(i + 1, "a", "operation.completed")),
    );
    expect(consumption.position()).toBe(50n);
    expect(group.deliveries).toBe(0);
    await bus.stop(1_000);
  });

  test("waits for the groups that a stream must have", async () => {
    const bus = createBus({ expectedGroups: { ledger: ["first", "second"] } });
    const first = new GroupModel("first");
    const second = new GroupModel("second");
    bus.consume(first);
    const publishing = bus.publish("ledger", [makeEvent(1, "a")]);
    await microtasks();
    expect(first.deliveries).toBe(0);
    expect(bus.safePosition("ledger")).toBeUndefined();
    const consumption = bus.consume(second);
    await publishing;
    expect(await consumption.reached(1n, 1_000)).toBe(true);
    expect(first.applied).toHaveLength(1);
    await bus.stop(1_000);
  });

  test("asks the relay to go back for a group that comes late, which then gets everything in order", async () => {
    const bus = createBus();
    const early = new GroupModel("early");
    const earlyConsumption = bus.consume(early);
    const events = Array.from({ length: 10 }, (_, i) => makeEvent(i + 1, "a"));
    expect(bus.resume("ledger", 0n)).toBe(0n);
    await bus.publish("ledger", events.slice(0, 6));
    expect(await earlyConsumption.reached(6n, 1_000)).toBe(true);
    const late = new GroupModel("late");
    const lateConsumption = bus.consume(late);
    await bus.publish("ledger", events.slice(6, 8)); // a round that was under way: too far ahead for the late group
    expect(bus.safePosition("ledger")).toBe(0n);
    expect(bus.resume("ledger", 8n)).toBe(0n);
    await bus.publish("ledger", events);
    expect(await lateConsumption.reached(10n, 1_000)).toBe(true);
    expect(late.appliedPositions()).toEqual(events.map((event) => event.position));
    expect(early.deliveries).toBe(10);
    await bus.stop(1_000);
  });

  test("refuses two groups of one name", () => {
    const bus = createBus();
    bus.consume(new GroupModel());
    expect(() => bus.consume(new GroupModel())).toThrow("give the second one its own name");
  });
});

describe("taps", () => {
  test("hear each event once and in order, at once, whatever a neighbour throws or a relay repeats", async () => {
    const bus = createBus();
    const heard: bigint[] = [];
    bus.tap("ledger", () => {
      throw new Error("a listener's bug");
    });
    const untap = bus.tap("ledger", (event) => void heard.push(event.position));
    await bus.publish("ledger", [makeEvent(1, "a"), makeEvent(2, "b")]);
    await bus.publish("ledger", [makeEvent(1, "a"), makeEvent(2, "b"), makeEvent(3, "a")]);
    expect(heard).toEqual([1n, 2n, 3n]);
    untap();
    await bus.publish("ledger", [makeEvent(4, "a")]);
    expect(heard).toEqual([1n, 2n, 3n]);
    await bus.stop(0);
  });
});

describe("waiting for a position", () => {
  test("is true at once when it is reached, true when it comes, and false at the deadline", async () => {
    const timers = new VirtualTimers();
    const bus = createBus({ timers });
    const group = new GroupModel();
    group.latency = () => timers.sleep(50);
    const consumption = bus.consume(group);
    bus.resume("ledger", 41n);
    expect(await consumption.reached(41n, 0)).toBe(true);
    await bus.publish("ledger", [makeEvent(42, "a"), makeEvent(43, "a")]);
    const outcomes: Record<string, boolean> = {};
    void consumption.reached(42n, 1_000).then((isReached) => (outcomes["in time"] = isReached));
    void consumption.reached(43n, 60).then((isReached) => (outcomes["too late"] = isReached));
    await timers.runUntil(() => Object.keys(outcomes).length === 2);
    expect(outcomes).toEqual({ "in time": true, "too late": false });
    await bus.stop(0);
  });
});

describe("stopping", () => {
  test("finishes what was taken, then refuses", async () => {
    const timers = new VirtualTimers();
    const bus = createBus({ timers });
    const group = new GroupModel();
    group.latency = () => timers.sleep(10);
    bus.consume(group);
    await bus.publish("ledger", [makeEvent(1, "a"), makeEvent(2, "a")]);
    let isStopped = false;
    void bus.stop(5_000).then(() => (isStopped = true));
    await timers.runUntil(() => isStopped);
    expect(group.applied).toHaveLength(2);
    expect(bus.safePosition("ledger")).toBe(2n);
    await expect(bus.publish("ledger", [makeEvent(3, "a")])).rejects.toThrow(BusStopped);
  });

  test("does not wait beyond the deadline for a handler that hangs, and frees a publisher that waits for room", async () => {
    const bus = createBus({ groupQueueLimit: 1 });
    const group = new GroupModel();
    group.latency = () => new Promise(() => {});
    const consumption = bus.consume(group);
    const publishing = bus.publish("ledger", [makeEvent(1, "a"), makeEvent(2, "a")]);
    publishing.catch(() => undefined);
    const waiting = consumption.reached(2n, 60_000);
    await microtasks();
    await bus.stop(20);
    await expect(publishing).rejects.toThrow(BusStopped);
    expect(await waiting).toBe(false);
    expect(bus.safePosition("ledger")).toBe(0n);
  });

  test("gives a handler that hangs up at its deadline and tries it again", async () => {
    const bus = createBus({ handleDeadlineMs: 20, retry: { attempts: 3, baseMs: 1, maxMs: 2 } });
    const group = new GroupModel();
    let calls = 0;
    group.latency = () => (++calls === 1 ? new Promise(() => {}) : Promise.resolve());
    const consumption = bus.consume(group);
    await bus.publish("ledger", [makeEvent(1, "a")]);
    expect(await consumption.reached(1n, 5_000)).toBe(true);
    expect(group.appliedPositions()).toEqual([1n]);
    await bus.stop(1_000);
  });
});
