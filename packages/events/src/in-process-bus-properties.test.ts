import type { EventEnvelope } from "@florin/kernel";
import fc from "fast-check";
import { GroupModel, makeEvent, newMetrics, silent } from "../test/group-model.js";
import { VirtualTimers } from "../test/virtual-timers.js";
import type { Bus } from "./bus.js";
import { startReplayLoop } from "./dead-letters.js";
import { createInProcessBus, type InProcessBusOptions } from "./in-process-bus.js";

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
        const safe: Promise<void>[] = [];
        const check = (): void => {
          const mark = consumption.position();
          expect(mark).toBeGreaterThanOrEqual(highest);
          highest = mark;
          safe.push(bus.safePosition("ledger").then((position) => expect(position).toBe(mark)));
          const unfinished = wanted.filter((event) => event.position <= mark && !group.isFinished(event));
          expect(unfinished).toEqual([]);
        };
        await timers.runUntil(() => consumption.position() === BigInt(events.length), check);
        await Promise.all(safe);
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
