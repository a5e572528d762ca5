import { GroupModel, makeEvent, newMetrics, silent } from "../test/group-model.js";
import { microtasks, VirtualTimers } from "../test/virtual-timers.js";
import type { Bus } from "./bus.js";
import { BusStopped, createInProcessBus, type InProcessBusOptions } from "./in-process-bus.js";

function createBus(more: Partial<InProcessBusOptions> = {}): Bus {
  return createInProcessBus({ logger: silent, metrics: newMetrics(), ...more });
}

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
    expect(await bus.safePosition("ledger")).toBeUndefined();
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
    expect(await bus.resume("ledger", { published: 0n, delivered: 0n })).toBe(0n);
    await bus.publish("ledger", events.slice(0, 6));
    expect(await earlyConsumption.reached(6n, 1_000)).toBe(true);
    const late = new GroupModel("late");
    const lateConsumption = bus.consume(late);
    await bus.publish("ledger", events.slice(6, 8)); // a round that was under way: too far ahead for the late group
    expect(await bus.safePosition("ledger")).toBe(0n);
    expect(await bus.resume("ledger", { published: 8n, delivered: 0n })).toBe(0n);
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
    await bus.resume("ledger", { published: 41n, delivered: 41n });
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
    expect(await bus.safePosition("ledger")).toBe(2n);
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
    expect(await bus.safePosition("ledger")).toBe(0n);
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
