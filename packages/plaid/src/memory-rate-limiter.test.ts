import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { createMemoryRateLimiter } from "./memory-rate-limiter.js";

describe("the limiter of one process", () => {
  it("never lets any 60 seconds hold more than the limit, and never says to wait longer than it has to", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 9_000 }), { minLength: 1, maxLength: 120 }),
        (limit, pausesMs) => {
          let nowMs = 1_800_000_000_123;
          const limiter = createMemoryRateLimiter({ nowMs: () => nowMs });
          const takenAt: number[] = [];
          for (const pauseMs of pausesMs) {
            nowMs += pauseMs;
            const waitMs = limiter.takeNow([{ key: "k", limit }]);
            if (waitMs === 0) takenAt.push(nowMs);
            else {
              expect(waitMs).toBeLessThanOrEqual(61_000);
              nowMs += waitMs;
              expect(limiter.takeNow([{ key: "k", limit }])).toBe(0);
              takenAt.push(nowMs);
            }
          }
          for (const from of takenAt) {
            const within = takenAt.filter((at) => at >= from && at <= from + 60_000);
            expect(within.length).toBeLessThanOrEqual(limit);
          }
        },
      ),
      { numRuns: 80 },
    );
  });

  it("takes of all claims or of none", () => {
    const limiter = createMemoryRateLimiter({ nowMs: () => 0 });
    const item = { key: "item", limit: 1 };
    const client = { key: "client", limit: 3 };
    expect(limiter.takeNow([client, item])).toBe(0);
    for (let refusal = 1; refusal <= 5; refusal++) expect(limiter.takeNow([client, item])).toBeGreaterThan(0);
    expect(limiter.takeNow([client])).toBe(0);
    expect(limiter.takeNow([client])).toBe(0);
    expect(limiter.takeNow([client])).toBeGreaterThan(0);
  });

  it("as one of five keeps to a fifth, and spreads what is less than one call over minutes", () => {
    let nowMs = 0;
    const limiter = createMemoryRateLimiter({ nowMs: () => nowMs, share: 5 });
    const taken = (limit: number) => {
      let count = 0;
      while (limiter.takeNow([{ key: `of ${limit}`, limit }]) === 0) count++;
      return count;
    };
    expect([taken(50), taken(14), taken(1)]).toEqual([10, 2, 1]);
    nowMs += 61_000;
    expect([taken(50), taken(14), taken(1)]).toEqual([10, 2, 0]);
    nowMs += 240_000;
    expect(taken(1)).toBe(1);
  });

  it("forgets who has not called for a minute, so that its memory stays small", () => {
    let nowMs = 0;
    const limiter = createMemoryRateLimiter({ nowMs: () => nowMs });
    for (let item = 0; item < 60_000; item++) {
      nowMs += 1;
      limiter.takeNow([{ key: `item ${item}`, limit: 2 }]);
    }
    // The last one is remembered, and a busy one was never forgotten.
    expect(limiter.takeNow([{ key: "item 59999", limit: 1 }])).toBe(0);
    expect(limiter.takeNow([{ key: "item 59999", limit: 2 }])).toBeGreaterThan(0);
    expect(limiter.size()).toBeLessThanOrEqual(51_100);
  });
});
