import { randomFillSync } from "node:crypto";
import { instantFromMicros, uuidV7, type Clock, type IdSource } from "@florin/kernel";

/**
 * A clock of microseconds out of two that each lack something: the wall clock knows the time but only in whole milliseconds; the
 * monotonic one has the digits but no date, and follows no correction of the wall clock.
 *
 * The monotonic clock plus an offset is believed while it stays within the wall clock's present millisecond; outside it the offset
 * moves just far enough. So, whatever the phase of the two: never more than a millisecond from the wall clock, never
 * backwards while the wall clock stands or advances, and after a step back of the wall clock at most as far back as that step.
 *
 * @param readWallMs milliseconds since 1970 (Date.now)
 * @param readMonotonicMs milliseconds with a fraction since any origin, never decreasing (performance.now)
 */
export function createSystemClock(readWallMs: () => number, readMonotonicMs: () => number): Clock {
  let offsetMicros: bigint | undefined;
  return {
    now: () => {
      const earliest = BigInt(Math.trunc(readWallMs())) * 1000n;
      const latest = earliest + 999n;
      const monotonic = BigInt(Math.floor(readMonotonicMs() * 1000));
      offsetMicros ??= earliest - monotonic;
      const believed = monotonic + offsetMicros;
      const now = believed < earliest ? earliest : believed > latest ? latest : believed;
      offsetMicros = now - monotonic;
      return instantFromMicros(now);
    },
  };
}

/** The machine's clock at microsecond resolution. Only composition roots use it; everything else is passed a Clock. */
export const systemClock: Clock = createSystemClock(
  () => Date.now(),
  () => performance.now(),
);

const pool = Buffer.allocUnsafe(10 * 256);
let used = pool.length;

/** Time-ordered random ids (UUID version 7). */
export const randomIds: IdSource = {
  next: () => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    const random = pool.subarray(used, used + 10);
    used += 10;
    return uuidV7(Date.now(), random);
  },
};
