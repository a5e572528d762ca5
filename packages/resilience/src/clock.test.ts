import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { createSystemClock, randomIds, systemClock } from "./clock.js";

/** A machine whose true time moves as told; its wall clock shows whole milliseconds, off by a phase and by steps. */
function createMachine(phaseMicros: number) {
  let trueMicros = 1_700_000_000_000_000 + phaseMicros;
  let elapsedMicros = 0;
  return {
    clock: createSystemClock(
      () => Math.floor(trueMicros / 1000),
      () => elapsedMicros / 1000,
    ),
    wallMicros: () => BigInt(Math.floor(trueMicros / 1000)) * 1000n,
    pass: (micros: number) => {
      trueMicros += micros;
      elapsedMicros += micros;
    },
    stepWall: (micros: number) => {
      trueMicros += micros;
    },
  };
}

describe("the system clock", () => {
  test("never goes back while the wall clock is steady, whatever the phase of its two sources", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 999 }),
        fc.array(fc.integer({ min: 0, max: 2500 }), { minLength: 2, maxLength: 200 }),
        (phase, pauses) => {
          const machine = createMachine(phase);
          let before = machine.clock.now();
          for (const pause of pauses) {
            machine.pass(pause);
            const now = machine.clock.now();
            expect(now >= before).toBe(true);
            expect(now - machine.wallMicros()).toBeGreaterThanOrEqual(0n);
            expect(now - machine.wallMicros()).toBeLessThan(1000n);
            before = now;
          }
        },
      ),
    );
  });

  test("follows a correction of the wall clock, and goes back at most as far as the wall clock does", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ pause: fc.integer({ min: 0, max: 3000 }), step: fc.integer({ min: -50_000, max: 50_000 }) }),
          {
            minLength: 1,
            maxLength: 100,
          },
        ),
        (moves) => {
          const machine = createMachine(0);
          let before = machine.clock.now();
          let wallBefore = machine.wallMicros();
          for (const { pause, step } of moves) {
            machine.pass(pause);
            machine.stepWall(step);
            const [now, wall] = [machine.clock.now(), machine.wallMicros()];
            const wallWentBack = wall < wallBefore ? wallBefore - wall : 0n;
            expect(before - now <= wallWentBack).toBe(true);
            expect(now - wall >= 0n && now - wall < 1000n).toBe(true);
            [before, wallBefore] = [now, wall];
          }
        },
      ),
    );
  });

  test("tells calls within one millisecond apart once it has seen the millisecond begin", () => {
    const machine = createMachine(400);
    machine.clock.now();
    machine.pass(601); // the wall clock has just turned
    const first = machine.clock.now();
    machine.pass(250);
    expect(machine.clock.now() - first).toBe(250n);
  });

  test("does so on this machine too", () => {
    let before = systemClock.now();
    for (let i = 0; i < 100_000; i++) {
      const now = systemClock.now();
      if (now < before) throw new Error(`went back by ${before - now} µs`);
      before = now;
    }
    expect(Math.abs(Number(before / 1000n) - Date.now())).toBeLessThan(1000);
  });
});

test("random ids are UUIDs of version 7, distinct beyond one pool of randomness, and sorted by millisecond", () => {
  const ids = Array.from({ length: 1000 }, () => randomIds.next());
  expect(new Set(ids).size).toBe(1000);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const millis = ids.map((id) => id.slice(0, 13));
  expect(millis).toEqual([...millis].sort());
});
