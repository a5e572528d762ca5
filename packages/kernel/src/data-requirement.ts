import type { Instant } from "./instant.js";
import type { Phase } from "./instruction.js";
import { fromLocalTime, shiftInstant, toLocalTime, type Shift } from "./zoned-time.js";
import { businessDateOf, closeOf, type ProcessingGroup } from "./business-day.js";

/**
 * What a hook may read, declared before it runs (ledger.md §2.8): the executor fetches exactly this, all of it at one known time
 * (FET-6), and the types let nothing else be read.
 */
export type Point =
  /** The hook's effective time. */
  | "EFFECTIVE"
  /** When it really runs. */
  | "LIVE"
  /** The start of the interval whose end this is. */
  | "INTERVAL_START"
  | RelativePoint;

export interface RelativePoint {
  readonly origin: "EFFECTIVE" | "LIVE" | "INTERVAL_START";
  readonly shift?: Shift;
  /** Then to this time of the day or month: `HH:mm:ss`, or by name. */
  readonly at?: string;
}

export interface BalanceFilter {
  /** Absent: DEFAULT only. */
  readonly addresses?: readonly string[];
  /** Absent: all three. */
  readonly phases?: readonly Phase[];
}

export interface ObservationRequirement extends BalanceFilter {
  readonly at: Point;
}

export interface IntervalRequirement extends BalanceFilter {
  readonly start: Point;
  readonly end: Point;
}

export interface CalendarRequirement {
  readonly ids: readonly string[];
  readonly start: Point;
  readonly end: Point;
}

/** `latest`, `latest live`, `1 month`, `90 days live`: FET-3. */
export type RangeShorthand = string;

export interface DataRequirements<Name extends string = string> {
  readonly parameters?: readonly Name[];
  readonly flags?: readonly string[];
  readonly observations?: Readonly<Record<string, ObservationRequirement>>;
  readonly balanceIntervals?: Readonly<Record<string, IntervalRequirement>>;
  readonly postingIntervals?: Readonly<Record<string, IntervalRequirement>>;
  readonly calendars?: Readonly<Record<string, CalendarRequirement>>;
  /** Event types whose last execution is asked for. */
  readonly lastExecutions?: readonly string[];
  /** Shorthands: an observation or interval of the id `balances`, an interval of the id `postings`. */
  readonly balances?: RangeShorthand;
  readonly postings?: RangeShorthand;
}

export interface PointContext {
  readonly effectiveAt: Instant;
  readonly executedAt: Instant;
  readonly group: ProcessingGroup;
  readonly intervalStart?: Instant | undefined;
}

/** FET-2. Throws for INTERVAL_START outside of an interval's end, and for a time of the day that is none. */
export function resolvePoint(point: Point, context: PointContext): Instant {
  const { origin, shift, at } = typeof point === "string" ? { origin: point, shift: undefined, at: undefined } : point;
  const from = originOf(origin, context);
  const shifted = shift === undefined ? from : shiftInstant(from, shift, context.group.timeZone);
  return at === undefined ? shifted : moveTo(at, shifted, context.group);
}

function originOf(origin: RelativePoint["origin"], context: PointContext): Instant {
  if (origin === "EFFECTIVE") return context.effectiveAt;
  if (origin === "LIVE") return context.executedAt;
  if (context.intervalStart === undefined) throw new Error("INTERVAL_START belongs to the end of an interval");
  return context.intervalStart;
}

function moveTo(at: string, instant: Instant, group: ProcessingGroup): Instant {
  if (at === "closeOfBusinessDay") return closeOf(businessDateOf(instant, group), group);
  const midnight = { ...toLocalTime(instant, group.timeZone), hour: 0, minute: 0, second: 0, micros: 0 };
  if (at === "startOfDay") return fromLocalTime(midnight, group.timeZone);
  if (at === "startOfMonth") return fromLocalTime({ ...midnight, day: 1 }, group.timeZone);
  const time = /^([01]\d|2[0-3]):([0-5]\d):([0-5]\d)$/.exec(at);
  if (time === null) throw new Error(`not a time of the day: ${at}. Write HH:mm:ss`);
  return fromLocalTime({ ...midnight, hour: +time[1]!, minute: +time[2]!, second: +time[3]! }, group.timeZone);
}

/** An interval's two ends; the start is known when the end is resolved. */
export function resolveInterval(
  { start, end }: { readonly start: Point; readonly end: Point },
  context: PointContext,
): { readonly start: Instant; readonly end: Instant } {
  const from = resolvePoint(start, context);
  return { start: from, end: resolvePoint(end, { ...context, intervalStart: from }) };
}

const SHORTHAND = /^(?:latest|([1-9]\d{0,3}) (hour|day|month|year)s?)( live)?$/;

/** FET-3: a moment or an interval in words. undefined for words that mean nothing. */
export function parseShorthand(
  text: RangeShorthand,
): { readonly at: Point } | { readonly start: Point; readonly end: Point } | undefined {
  const match = SHORTHAND.exec(text);
  if (match === null) return undefined;
  const [, count, unit, live] = match;
  const origin = live === undefined ? "EFFECTIVE" : "LIVE";
  if (count === undefined || unit === undefined) return { at: origin };
  return { start: { origin, shift: { [`${unit}s`]: -Number(count) } }, end: origin };
}

/** Days that a hook looks back, nearly: what a linter and the cap of FET-5 count. */
export function spanInDays({ start, end }: { readonly start: Point; readonly end: Point }): number {
  const days = (point: Point) => {
    const {
      years = 0,
      months = 0,
      days: d = 0,
      hours = 0,
    } = (typeof point === "string" ? undefined : point.shift) ?? {};
    return years * 365 + months * 30 + d + hours / 24;
  };
  const isFromStart = end === "INTERVAL_START" || (typeof end === "object" && end.origin === "INTERVAL_START");
  return isFromStart ? days(end) : days(end) - days(start);
}
