import type { Instant } from "./instant.js";
import { lastBefore } from "./observation.js";
import { fromLocalTime, toLocalTime } from "./zoned-time.js";

/** When the business days of a processing group begin (T-5). */
export interface ProcessingGroup {
  /** IANA name. */
  readonly timeZone: string;
  /** `HH:mm:ss`, local. */
  readonly cutoff: string;
}

/** A business date as text: `2026-01-31`. */
export type BusinessDate = string & { readonly __brand: "BusinessDate" };

/** undefined for text that is no date. */
export function parseBusinessDate(text: string): BusinessDate | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (match === null) return undefined;
  const millis = Date.UTC(+match[1]!, +match[2]! - 1, +match[3]!);
  return new Date(millis).toISOString().slice(0, 10) === text ? (text as BusinessDate) : undefined;
}

/** The first instant of a business day. */
export function cutoffOf(date: BusinessDate, group: ProcessingGroup): Instant {
  const [year, month, day] = date.split("-").map(Number) as [number, number, number];
  const [hour, minute, second] = group.cutoff.split(":").map(Number) as [number, number, number];
  return fromLocalTime({ year, month, day, hour, minute, second, micros: 0 }, group.timeZone);
}

export function nextBusinessDate(date: BusinessDate): BusinessDate {
  return addDays(date, 1);
}

function addDays(date: BusinessDate, days: number): BusinessDate {
  const [year, month, day] = date.split("-").map(Number) as [number, number, number];
  return new Date(Date.UTC(year, month - 1, day + days)).toISOString().slice(0, 10) as BusinessDate;
}

/** Where the balance at the end of a business day is observed: the last microsecond before the next cut-off (T-5). */
export function closeOf(date: BusinessDate, group: ProcessingGroup): Instant {
  return lastBefore(cutoffOf(nextBusinessDate(date), group));
}

/** The business day that an instant belongs to: `[cutoff, next cutoff)`. */
export function businessDateOf(instant: Instant, group: ProcessingGroup): BusinessDate {
  const { year, month, day } = toLocalTime(instant, group.timeZone);
  const local = new Date(Date.UTC(year, month - 1, day)).toISOString().slice(0, 10) as BusinessDate;
  return instant >= cutoffOf(local, group) ? local : addDays(local, -1);
}

/** T-7: a backdated booking changes the closing balances of these days, oldest first; none when it is not backdated. */
export function affectedBusinessDates(
  valueAt: Instant,
  bookedAt: Instant,
  group: ProcessingGroup,
): readonly BusinessDate[] {
  const today = businessDateOf(bookedAt, group);
  const dates: BusinessDate[] = [];
  for (let date = businessDateOf(valueAt, group); date < today; date = nextBusinessDate(date)) dates.push(date);
  return dates;
}
