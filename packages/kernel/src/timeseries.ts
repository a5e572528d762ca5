import type { Instant } from "./instant.js";

/**
 * Values that hold from one value time to another, and were told at an insertion time (FLAG-1): flags, parameters, restrictions.
 * Nothing is ever edited; what is told later about the same time wins, from when it is known.
 */
export interface TimeseriesEntry<T> {
  readonly value: T;
  /** Inclusive, on value time. */
  readonly from: Instant;
  /** Exclusive; undefined: for good. */
  readonly to?: Instant | undefined;
  readonly insertedAt: Instant;
}

/** In order of insertion. */
export type Timeseries<T> = readonly TimeseriesEntry<T>[];

/** The value at a value time, as it was known at an insertion time (absent: as it is known now). undefined: none was told. */
export function findValueAt<T>(series: Timeseries<T>, at: Instant, knownAt?: Instant): T | undefined {
  for (let place = series.length - 1; place >= 0; place -= 1) {
    const entry = series[place]!;
    if (knownAt !== undefined && entry.insertedAt > knownAt) continue;
    if (isWithin(entry, at)) return entry.value;
  }
  return undefined;
}

/** `[from, to)`. */
export function isWithin(window: { readonly from: Instant; readonly to?: Instant | undefined }, at: Instant): boolean {
  return window.from <= at && (window.to === undefined || at < window.to);
}

/** The names of the flags that are raised at a value time, sorted. */
export function raisedFlags(
  flags: Readonly<Record<string, Timeseries<boolean>>>,
  at: Instant,
  knownAt?: Instant,
): readonly string[] {
  return Object.keys(flags)
    .filter((name) => findValueAt(flags[name]!, at, knownAt) === true)
    .sort();
}

/** A parameter's history by level: what was said of this account goes before what its template says. */
export interface ParameterHistory {
  readonly template?: Readonly<Record<string, Timeseries<string>>> | undefined;
  readonly instance?: Readonly<Record<string, Timeseries<string>>> | undefined;
}

/** All parameters at a value time: the account's own, else the template's, else `current`. */
export function parametersAt(
  current: Readonly<Record<string, string>>,
  history: ParameterHistory | undefined,
  at: Instant,
  knownAt?: Instant,
): Readonly<Record<string, string>> {
  if (history === undefined) return current;
  const { template = {}, instance = {} } = history;
  const names = new Set([...Object.keys(current), ...Object.keys(template), ...Object.keys(instance)]);
  const values: Record<string, string> = {};
  for (const name of [...names].sort()) {
    const value =
      findValueAt(instance[name] ?? [], at, knownAt) ?? findValueAt(template[name] ?? [], at, knownAt) ?? current[name];
    if (value !== undefined) values[name] = value;
  }
  return values;
}
