import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { planPauseMs, retry, type RetryOptions } from "./retry.js";

function createFailing(failures: number) {
  let calls = 0;
  return {
    calls: () => calls,
    work: async () => {
      if (++calls <= failures) throw new Error(`failure ${calls}`);
      return "done";
    },
  };
}

function optionsWith(more: Partial<RetryOptions>): { options: RetryOptions; pauses: number[] } {
  const pauses: number[] = [];
  const options: RetryOptions = {
    attempts: 5,
    baseMs: 100,
    maxMs: 1_000,
    random: () => 0.5,
    shouldRetry: () => true,
    sleep: async (ms) => {
      pauses.push(ms);
    },
    ...more,
  };
  return { options, pauses };
}

describe("retry", () => {
  test("tries until it works, with pauses that double up to their bound", async () => {
    const failing = createFailing(4);
    const { options, pauses } = optionsWith({ attempts: 6, maxMs: 300 });
    expect(await retry(failing.work, options)).toBe("done");
    expect(pauses).toEqual([50, 100, 150, 150]);
  });

  test("throws the last failure when the budget is used up, and does not pause after it", async () => {
    const failing = createFailing(99);
    const { options, pauses } = optionsWith({ attempts: 3 });
    await expect(retry(failing.work, options)).rejects.toThrow("failure 3");
    expect(failing.calls()).toBe(3);
    expect(pauses).toHaveLength(2);
  });

  test("does not repeat what is not worth it", async () => {
    const failing = createFailing(99);
    const { options } = optionsWith({ shouldRetry: () => false });
    await expect(retry(failing.work, options)).rejects.toThrow("failure 1");
    expect(failing.calls()).toBe(1);
  });

  test("stops in the middle of a pause when it is called off", async () => {
    const controller = new AbortController();
    const failing = createFailing(99);
    const { sleep: _unused, ...options } = optionsWith({
      baseMs: 60_000,
      maxMs: 60_000,
      signal: controller.signal,
    }).options;
    const ended = retry(failing.work, options);
    setImmediate(() => controller.abort());
    await expect(ended).rejects.toThrow("failure 1");
    expect(failing.calls()).toBe(1);
  });

  test("draws every pause between nothing and its upper end", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 0.999999, noNaN: true }),
        (failures, drawn) => {
          const pause = planPauseMs(failures, { baseMs: 50, maxMs: 2_000, random: () => drawn });
          expect(pause).toBeGreaterThanOrEqual(0);
          expect(pause).toBeLessThanOrEqual(2_000 * drawn);
        },
      ),
    );
  });
});
