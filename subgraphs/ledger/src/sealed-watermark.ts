import { setTimeout as pause } from "node:timers/promises";
import { temporarilyUnavailable, type Instant } from "@florin/kernel";

/**
 * T-3: what the book knew at K can be told once K is sealed, which is when the book's known time has reached it; from then on the answer never
 * changes. Until then a read waits a little, as somebody who has just been told a known time may be ahead of a replica.
 * The watermark only grows, so what was seen of it is kept: most reads ask nobody. All who wait share one question at a time.
 */
export interface SealedWatermark {
  /**
   * Resolves when K is sealed or the wait is over, with the watermark then; undefined is a book that nothing happened in.
   * More than a bounded number of waiting reads is TEMPORARILY_UNAVAILABLE.
   */
  reach(knownAt: Instant): Promise<Instant | undefined>;
  /** As the database shows it now. */
  current(): Promise<Instant | undefined>;
}

export interface SealedWatermarkOptions {
  readonly find: () => Promise<Instant | undefined>;
  /** Default 1000. */
  readonly waitMs?: number | undefined;
}

const ASK_AGAIN_MS = 20;
const MAX_WAITING = 1_000;

export function createSealedWatermark({ find, waitMs = 1_000 }: SealedWatermarkOptions): SealedWatermark {
  let highest: Instant | undefined;
  let asking: Promise<void> | undefined;
  let askedAt = -Infinity;
  let waiting = 0;

  const ask = (): Promise<void> => {
    if (asking === undefined) askedAt = performance.now();
    return (asking ??= find()
      .then((found) => {
        if (found !== undefined && (highest === undefined || found > highest)) highest = found;
      })
      .finally(() => (asking = undefined)));
  };
  const isReached = (knownAt: Instant): boolean => highest !== undefined && highest >= knownAt;

  async function wait(knownAt: Instant): Promise<void> {
    const until = performance.now() + waitMs;
    await ask();
    while (!isReached(knownAt) && performance.now() < until) {
      await pause(ASK_AGAIN_MS);
      if (performance.now() - askedAt >= ASK_AGAIN_MS / 2) await ask(); // else another has just asked for all
    }
  }
  return {
    reach: async (knownAt) => {
      if (isReached(knownAt)) return highest;
      if (waiting >= MAX_WAITING) throw temporarilyUnavailable(waitMs, "Too many reads wait for the book. Ask again.");
      waiting++;
      try {
        await wait(knownAt);
      } finally {
        waiting--;
      }
      return highest;
    },
    current: async () => {
      await ask();
      return highest;
    },
  };
}
