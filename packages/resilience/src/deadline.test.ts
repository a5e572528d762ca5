import { describe, expect, test } from "@jest/globals";
import { DeadlineExceeded, withDeadline } from "./deadline.js";

const never = () => new Promise<never>(() => undefined);

describe("withDeadline", () => {
  test("gives the result of work that is in time, from a promise or a function", async () => {
    expect(await withDeadline(Promise.resolve(7), 1000, "counting")).toBe(7);
    expect(await withDeadline(async () => 8, 1000, "counting")).toBe(8);
  });

  test("passes the work's own failure on", async () => {
    await expect(withDeadline(async () => Promise.reject(new Error("broken")), 1000, "counting")).rejects.toThrow(
      "broken",
    );
    await expect(
      withDeadline(
        () => {
          throw new Error("broken at once");
        },
        1000,
        "counting",
      ),
    ).rejects.toThrow("broken at once");
  });

  test("rejects at the deadline, says what took too long and what to do, and aborts the work", async () => {
    let seen: AbortSignal | undefined;
    const late = withDeadline(
      (signal) => {
        seen = signal;
        return never();
      },
      20,
      "reading the lease",
    );
    await expect(late).rejects.toMatchObject({
      name: "DeadlineExceeded",
      what: "reading the lease",
      timeoutMs: 20,
      message: expect.stringMatching(/reading the lease took longer than 20 ms.*look it up/),
    });
    expect(seen?.aborted).toBe(true);
  });

  test("does not start work when no time is left", async () => {
    let isStarted = false;
    const work = async () => {
      isStarted = true;
    };
    await expect(withDeadline(work, 0, "late work")).rejects.toBeInstanceOf(DeadlineExceeded);
    expect(isStarted).toBe(false);
  });

  test("swallows a failure that comes after the deadline", async () => {
    const unhandled: unknown[] = [];
    const listener = (error: unknown) => unhandled.push(error);
    process.on("unhandledRejection", listener);
    let fail: (error: Error) => void = () => undefined;
    const work = new Promise<never>((_resolve, reject) => (fail = reject));
    await expect(withDeadline(work, 5, "slow")).rejects.toBeInstanceOf(DeadlineExceeded);
    await expect(withDeadline(Promise.reject(new Error("early")), -1, "slow")).rejects.toBeInstanceOf(DeadlineExceeded);
    fail(new Error("late"));
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", listener);
    expect(unhandled).toEqual([]);
  });

  test("takes waits that are longer than a timer can hold, and refuses what is no time at all", async () => {
    const slow = new Promise((resolve) => setTimeout(() => resolve("came"), 20));
    expect(await withDeadline(slow, Number.POSITIVE_INFINITY, "waiting")).toBe("came");
    await expect(withDeadline(Promise.resolve(1), Number.NaN, "waiting")).rejects.toThrow(
      /not a number of milliseconds/,
    );
  });
});
