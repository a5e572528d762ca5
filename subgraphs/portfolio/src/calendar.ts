import { formatInstant, parseBusinessDate, parseInstant, type Instant } from "@florin/kernel";

/** A day that exists, or null: institutions may send `2026-02-30`, which must not spoil what stands beside it. */
export function existingDay(text: string | null): string | null {
  return text !== null && text >= "1900" && parseBusinessDate(text) !== undefined ? text : null;
}

/** RFC 3339 in UTC, or null for a point in time that does not exist. */
export function existingInstant(text: string | null): string | null {
  const instant = text === null ? undefined : parseInstant(text);
  return instant === undefined ? null : formatInstant(instant);
}

export function utcDayOf(instant: Instant): string {
  return formatInstant(instant).slice(0, 10);
}

const MILLIS_PER_DAY = 86_400_000;

export function addDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * MILLIS_PER_DAY).toISOString().slice(0, 10);
}

export function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / MILLIS_PER_DAY);
}

export type IntervalName = "DAY" | "WEEK" | "MONTH";

/** The day after the interval that `day` lies in: weeks begin on Monday, months on their first. */
function nextStart(day: string, interval: IntervalName): string {
  if (interval === "DAY") return addDays(day, 1);
  const date = new Date(`${day}T00:00:00Z`);
  if (interval === "WEEK") return addDays(day, 7 - ((date.getUTCDay() + 6) % 7));
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)).toISOString().slice(0, 10);
}

/** The period cut at the interval's boundaries; the first and the last may be shorter. Both ends included. */
export function intervalsOf(
  from: string,
  to: string,
  interval: IntervalName,
): readonly { readonly from: string; readonly to: string }[] {
  const intervals: { from: string; to: string }[] = [];
  for (let start = from; start <= to;) {
    const next = nextStart(start, interval);
    const end = addDays(next, -1);
    intervals.push({ from: start, to: end < to ? end : to });
    start = next;
  }
  return intervals;
}
