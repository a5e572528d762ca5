import { addMicros, instantFromMicros, type Instant } from "./instant.js";

/**
 * Local time of a zone (IANA name) and back. What the clock skips becomes the first instant after the gap, what it shows twice the
 * first of the two (SCH-1). The zone rules are those that the runtime carries.
 */
export interface LocalTime {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly micros: number;
}

const SECOND = 1_000_000n;
const formatters = new Map<string, Intl.DateTimeFormat>();

function formatterOf(timeZone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(timeZone);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "iso8601",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    formatters.set(timeZone, formatter);
  }
  return formatter;
}

/** Throws for a zone that the runtime does not know. */
export function toLocalTime(instant: Instant, timeZone: string): LocalTime {
  const seconds = instant >= 0n ? instant / SECOND : (instant - (SECOND - 1n)) / SECOND;
  const parts = formatterOf(timeZone).formatToParts(new Date(Number(seconds) * 1000)); // exact: whole seconds fit a double
  const read = (type: Intl.DateTimeFormatPartTypes) => Number(parts.find((part) => part.type === type)?.value);
  return {
    year: read("year"),
    month: read("month"),
    day: read("day"),
    hour: read("hour"),
    minute: read("minute"),
    second: read("second"),
    micros: Number(instant - seconds * SECOND),
  };
}

/** Days and months beyond their range carry over, as in a Date: month 13 is January, day 0 the last of the month before. */
export function fromLocalTime(local: LocalTime, timeZone: string): Instant {
  const wanted = microsAsIfUtc(local);
  // An offset from a day before and one from a day after bracket every change of the clock.
  const day = 86_400n * SECOND;
  const before = offsetAt(instantFromMicros(wanted - day), timeZone);
  const after = offsetAt(instantFromMicros(wanted + day), timeZone);
  const candidates = [wanted - before, wanted - after].sort((a, b) => Number(a > b) - Number(a < b));
  const found = candidates.find((micros) => offsetAt(instantFromMicros(micros), timeZone) === wanted - micros);
  return found === undefined ? firstAfterGap(candidates[0]!, candidates[1]!, timeZone) : instantFromMicros(found);
}

/** The clock jumps between the two: the instant of the jump, found by halving. */
function firstAfterGap(low: bigint, high: bigint, timeZone: string): Instant {
  const offset = offsetAt(instantFromMicros(low), timeZone);
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (offsetAt(instantFromMicros(middle), timeZone) === offset) low = middle;
    else high = middle;
  }
  return instantFromMicros(high);
}

function offsetAt(instant: Instant, timeZone: string): bigint {
  return microsAsIfUtc(toLocalTime(instant, timeZone)) - instant;
}

function microsAsIfUtc({ year, month, day, hour, minute, second, micros }: LocalTime): bigint {
  return BigInt(Date.UTC(year, month - 1, day, hour, minute, second)) * 1000n + BigInt(micros);
}

export interface Shift {
  readonly years?: number;
  readonly months?: number;
  readonly days?: number;
  readonly hours?: number;
  readonly minutes?: number;
  readonly seconds?: number;
}

/** Years and months first, clamped to the month's end; then days on the calendar; then hours and less on the clock (FET-2). */
export function shiftInstant(instant: Instant, shift: Shift, timeZone: string): Instant {
  const { years = 0, months = 0, days = 0, hours = 0, minutes = 0, seconds = 0 } = shift;
  let moved = instant;
  if (years !== 0 || months !== 0 || days !== 0) {
    const local = toLocalTime(instant, timeZone);
    const month = local.year * 12 + (local.month - 1) + years * 12 + months;
    const year = Math.floor(month / 12);
    const lastDay = new Date(Date.UTC(year, (month % 12) + 1, 0)).getUTCDate();
    const day = Math.min(local.day, lastDay) + days;
    moved = fromLocalTime({ ...local, year, month: (month % 12) + 1, day }, timeZone);
  }
  return addMicros(moved, (BigInt(hours) * 3600n + BigInt(minutes) * 60n + BigInt(seconds)) * SECOND);
}
