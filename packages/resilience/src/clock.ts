import { randomFillSync } from "node:crypto";
import { instantFromMicros, uuidV7, type Clock, type IdSource } from "@florin/kernel";

const originMicros = BigInt(Math.round(performance.timeOrigin * 1000));

/** The machine's clock at microsecond resolution. Only composition roots use it; everything else is passed a Clock. */
export const systemClock: Clock = {
  now: () => {
    const wallMicros = BigInt(Date.now()) * 1000n;
    const fineMicros = originMicros + BigInt(Math.round(performance.now() * 1000));
    // performance.now() does not follow corrections of the wall clock; use it only for the digits that Date lacks.
    return instantFromMicros(wallMicros + (((fineMicros % 1000n) + 1000n) % 1000n));
  },
};

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
