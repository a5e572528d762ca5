import { describe, expect, test } from "@jest/globals";
import { createWaiters } from "./waiters.js";

describe("waiters", () => {
  test("all who wait for a key get what it is settled with, others wait on", async () => {
    const waiters = createWaiters<string>();
    const [a1, a2, b] = [waiters.wait("a", 5_000), waiters.wait("a", 5_000), waiters.wait("b", 5_000)];
    expect(waiters.keys()).toEqual(["a", "b"]);
    expect(waiters.settle("a", "done")).toBe(2);
    expect(await Promise.all([a1, a2])).toEqual(["done", "done"]);
    expect(waiters.has("a")).toBe(false);
    expect(waiters.size()).toBe(1);
    waiters.stop();
    expect(await b).toBeUndefined();
  });

  test("gives up at the deadline and forgets the key", async () => {
    const waiters = createWaiters<string>();
    expect(await waiters.wait("slow", 10)).toBeUndefined();
    expect(waiters.size()).toBe(0);
    expect(waiters.keys()).toEqual([]);
    expect(waiters.settle("slow", "too late")).toBe(0);
  });

  test("one who gives up does not take another's place away", async () => {
    const waiters = createWaiters<string>();
    const patient = waiters.wait("key", 5_000);
    expect(await waiters.wait("key", 5)).toBeUndefined();
    expect(waiters.settle("key", "came")).toBe(1);
    expect(await patient).toBe("came");
  });

  test("never holds more than its bound: the next is told at once that nothing is known", async () => {
    const waiters = createWaiters<string>({ limit: 2 });
    const held = [waiters.wait("a", 5_000), waiters.wait("b", 5_000)];
    expect(await waiters.wait("c", 5_000)).toBeUndefined();
    expect(waiters.size()).toBe(2);
    waiters.settle("a", "x");
    const next = waiters.wait("c", 5_000);
    expect(waiters.size()).toBe(2);
    waiters.stop();
    expect(await Promise.all([...held, next])).toEqual(["x", undefined, undefined]);
  });

  test("waits for nothing when there is no time, or when waiting was stopped", async () => {
    const waiters = createWaiters<string>();
    expect(await waiters.wait("a", 0)).toBeUndefined();
    expect(await waiters.wait("a", Number.NaN)).toBeUndefined();
    waiters.stop();
    expect(await waiters.wait("a", 5_000)).toBeUndefined();
    expect(waiters.size()).toBe(0);
  });
});
