import type { Sql } from "@florin/db";
import { deleteExpiredRefreshTokens, deleteIdempotencyKeys, deleteOldLoginAttempts } from "@florin/db/accounts";
import { addMicros, type Clock } from "@florin/kernel";
import { LOGIN_WINDOW_MICROS } from "../login-guard.js";

const DAY_MICROS = 24n * 3_600n * 1_000_000n;
/** api.md, Idempotency: money for ever, and there is none here; everything else 30 days. */
const KEY_LIFE_MICROS = 30n * DAY_MICROS;
/** A spent token that comes back after its end still tells of a theft for a week. */
const TOKEN_AFTERLIFE_MICROS = 7n * DAY_MICROS;
const ROWS_AT_ONCE = 5_000;

export const FORGET_EVERY_MS = 10 * 60_000;

/** Deletes what has no use any more, a bounded number of rows a time; what is left goes in the next round. */
export async function forgetExpired(sql: Sql, clock: Clock): Promise<void> {
  const now = clock.now();
  await deleteIdempotencyKeys(sql, addMicros(now, -KEY_LIFE_MICROS), ROWS_AT_ONCE);
  await deleteExpiredRefreshTokens(sql, addMicros(now, -TOKEN_AFTERLIFE_MICROS), ROWS_AT_ONCE);
  await deleteOldLoginAttempts(sql, addMicros(now, -LOGIN_WINDOW_MICROS), ROWS_AT_ONCE);
}
