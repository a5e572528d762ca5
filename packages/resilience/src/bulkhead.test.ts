import { describe, expect, test } from "@jest/globals";
import { RequestError } from "@florin/kernel";
import { createBulkhead } from "./bulkhead.js";

function createGate() {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}

async function refusalOf(work: Promise<unknown>): Promise<RequestError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RequestError)) throw new Error(`expected a refusal, got ${String(error)}`);
  return error;
}

describe("a bulkhead", () => {
  test("never runs more at once than it may, and runs all in order of arrival", async () => {
    const bulkhead = createBulkhead({ concurrency: 2, queue: 100, waitMs: 5_000 });
    let running = 0;
    let mostAtOnce = 0;
    const started: number[] = [];
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        bulkhead.run(async () => {
          started.push(i);
          mostAtOnce = Math.max(mostAtOnce, ++running);
          await new Promise((resolve) => setImmediate(resolve));
          running--;
          return i;
        }),
      ),
    );
    expect(mostAtOnce).toBe(2);
    expect(results).toEqual(started);
    expect(bulkhead.counts()).toEqual({ running: 0, waiting: 0 });
  });

  test("refuses at once, with a time to come back, when its queue is full", async () => {
    const bulkhead = createBulkhead({ concurrency: 1, queue: 1, waitMs: 5_000, retryAfterMs: 700 });
    const gate = createGate();
    const first = bulkhead.run(() => gate.opened);
    const second = bulkhead.run(async () => "second");
    expect(bulkhead.counts()).toEqual({ running: 1, waiting: 1 });
    const refusal = await refusalOf(bulkhead.run(async () => "third"));
    expect(refusal).toMatchObject({ code: "TEMPORARILY_UNAVAILABLE", retryAfterMs: 700 });
    gate.open();
    await first;
    expect(await second).toBe("second");
  });

  test("refuses who waited too long, never starts that work, and serves those behind it", async () => {
    const bulkhead = createBulkhead({ concurrency: 1, queue: 10, waitMs: 20 });
    const gate = createGate();
    const first = bulkhead.run(() => gate.opened);
    let isStarted = false;
    const impatient = bulkhead.run(async () => {
      isStarted = true;
    });
    expect(await refusalOf(impatient)).toMatchObject({ code: "TEMPORARILY_UNAVAILABLE", retryAfterMs: 20 });
    const behind = bulkhead.run(async () => "served"); // queued behind one that has given up
    gate.open();
    await first;
    expect(await behind).toBe("served");
    expect(isStarted).toBe(false);
    expect(bulkhead.counts()).toEqual({ running: 0, waiting: 0 });
  });

  test("lets work that waited and then began take longer than the longest wait", async () => {
    const bulkhead = createBulkhead({ concurrency: 1, queue: 1, waitMs: 20 });
    const gate = createGate();
    const first = bulkhead.run(() => gate.opened);
    const second = bulkhead.run(() => new Promise((resolve) => setTimeout(() => resolve("slow"), 60)));
    gate.open();
    await first;
    expect(await second).toBe("slow");
  });

  test("does not count time spent running, and passes the work's own failure on", async () => {
    const bulkhead = createBulkhead({ concurrency: 1, queue: 1, waitMs: 5 });
    const slow = bulkhead.run(() => new Promise((resolve) => setTimeout(() => resolve("slow"), 30)));
    expect(await slow).toBe("slow");
    await expect(bulkhead.run(async () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
    await expect(
      bulkhead.run(() => {
        throw new Error("broken at once");
      }),
    ).rejects.toThrow("broken at once");
    expect(await bulkhead.run(async () => "still open")).toBe("still open");
  });
});
