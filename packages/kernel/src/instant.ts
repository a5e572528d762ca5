/**
 * A point in time: microseconds since 1970-01-01T00:00:00Z, as a bigint.
 *
 * Every clock of the ledger (value, insertion, known) has microsecond resolution (ledger.md T-3); a JavaScript Date has
 * milliseconds and would lose the order of two postings. The kernel never asks what time it is: instants are passed in.
 */
export type Instant = bigint & { readonly __brand: "Instant" };

const MICROS_PER_SECOND = 1_000_000n;
const RFC3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6})\d*)?(?:[Zz]|([+-])(\d{2})(?::?(\d{2}))?)$/;

export function instantFromMicros(micros: bigint): Instant {
  return micros as Instant;
}

export function instantFromMillis(millis: number): Instant {
  return (BigInt(Math.trunc(millis)) * 1000n) as Instant;
}

/** Later by `micros` (may be negative). */
export function addMicros(instant: Instant, micros: bigint): Instant {
  return (instant + micros) as Instant;
}

const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** RFC 3339 in UTC with six digits of fraction: `2026-01-31T09:00:00.000000Z`. */
export function formatInstant(instant: Instant): string {
  // Microseconds of this and the next two centuries are whole numbers that a double holds exactly.
  if (instant >= 0n && instant <= SAFE) return formatMicros(Number(instant));
  const seconds =
    instant >= 0n ? instant / MICROS_PER_SECOND : (instant - (MICROS_PER_SECOND - 1n)) / MICROS_PER_SECOND;
  const micros = instant - seconds * MICROS_PER_SECOND;
  return `${formatSecond(Number(seconds))}.${micros.toString().padStart(6, "0")}Z`;
}

function formatMicros(instant: number): string {
  const micros = instant % 1_000_000;
  return `${formatSecond((instant - micros) / 1_000_000)}.${String(micros).padStart(6, "0")}Z`;
}

let lastSecond = 0;
let lastSecondText = "1970-01-01T00:00:00";

/** What is written together mostly falls into one second, and a Date is the dear part. */
function formatSecond(seconds: number): string {
  if (seconds !== lastSecond) {
    lastSecondText = new Date(seconds * 1000).toISOString().slice(0, 19); // exact: whole seconds fit a double
    lastSecond = seconds;
  }
  return lastSecondText;
}

/**
 * Reads RFC 3339 (any offset) and PostgreSQL's `2026-01-31 09:00:00.123456+00`.
 * Returns undefined for anything else, for dates that do not exist (`2026-02-30`) and for years before 1900 or after 9999.
 */
export function parseInstant(text: string): Instant | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = "", sign, offsetHour, offsetMinute = "00"] = match;
  const millis = Date.UTC(+year!, +month! - 1, +day!, +hour!, +minute!, +second!);
  const roundTrip = new Date(millis).toISOString().slice(0, 19);
  if (roundTrip !== `${year}-${month}-${day}T${hour}:${minute}:${second}` || +year! < 1900) return undefined;
  let micros = BigInt(millis) * 1000n + BigInt(fraction.padEnd(6, "0"));
  if (sign !== undefined) {
    if (+offsetHour! > 14 || +offsetMinute > 59) return undefined;
    const offset = (BigInt(offsetHour!) * 60n + BigInt(offsetMinute)) * 60n * MICROS_PER_SECOND;
    micros += sign === "+" ? -offset : offset;
  }
  return micros as Instant;
}

/** What code that needs the time is given. Only the edge of a process holds a real one. */
export interface Clock {
  now(): Instant;
}
