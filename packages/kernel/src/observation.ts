import { addLeg, coordinateKey, NO_TOTALS, type Totals } from "./balance.js";
import type { Uuid } from "./ids.js";
import { addMicros, type Instant } from "./instant.js";
import type { Leg } from "./instruction.js";

/**
 * Balances on two clocks (ledger.md §2.7). What counts is what had value by V and was known by K; both are inclusive at
 * microsecond. Here it is a sum over postings, so that whatever is faster has something to be compared with.
 */
export interface PostingEntry {
  readonly leg: Leg;
  readonly batchId: Uuid;
  readonly valueAt: Instant;
  readonly knownAt: Instant;
  /** The book's order (ORD-1). */
  readonly seq: bigint;
}

/** Totals by `coordinateKey`. */
export type BalanceSnapshot = Readonly<Record<string, Totals>>;

/** T-3. Absent `valueAt`: +∞, which is the live balance (INV-5). */
export function observe(
  entries: Iterable<PostingEntry>,
  at: { readonly valueAt?: Instant | undefined; readonly knownAt: Instant },
): BalanceSnapshot {
  const snapshot: Record<string, Totals> = {};
  for (const { leg, valueAt, knownAt } of entries) {
    if (knownAt > at.knownAt || (at.valueAt !== undefined && valueAt > at.valueAt)) continue;
    const key = coordinateKey(leg);
    snapshot[key] = addLeg(snapshot[key] ?? NO_TOTALS, leg);
  }
  return snapshot;
}

/** T-4: the balance at `start`, and what changed it in `(start, end]`, by value time and then by book order. */
export interface BalanceInterval {
  readonly start: Instant;
  readonly end: Instant;
  readonly opening: BalanceSnapshot;
  readonly changes: readonly PostingEntry[];
}

export function observeInterval(
  entries: readonly PostingEntry[],
  { start, end, knownAt }: { readonly start: Instant; readonly end: Instant; readonly knownAt: Instant },
): BalanceInterval {
  const changes = entries
    .filter((entry) => entry.valueAt > start && entry.valueAt <= end && entry.knownAt <= knownAt)
    .sort(compareEntries);
  return { start, end, opening: observe(entries, { valueAt: start, knownAt }), changes };
}

export function compareEntries(a: PostingEntry, b: PostingEntry): number {
  if (a.valueAt !== b.valueAt) return a.valueAt < b.valueAt ? -1 : 1;
  return Number(a.seq > b.seq) - Number(a.seq < b.seq);
}

/** A stretch of value time, `[from, to)`; `to` absent: until now. */
export interface ValueWindow {
  readonly from: Instant;
  readonly to?: Instant | undefined;
}

/** A change of one running sum at a value time. */
export interface ValuedChange {
  readonly valueAt: Instant;
  readonly change: bigint;
}

/**
 * BAL-2: where a running sum that starts at `opening` is below the floor, in value time. Changes of one instant count together. The
 * balance is the sum of what had value by then, so the order of booking does not matter.
 */
export function findWindowsBelow(
  floor: bigint,
  opening: bigint,
  changes: readonly ValuedChange[],
): readonly ValueWindow[] {
  const sorted = [...changes].sort((a, b) => Number(a.valueAt > b.valueAt) - Number(a.valueAt < b.valueAt));
  const windows: ValueWindow[] = [];
  let sum = opening;
  let below: Instant | undefined;
  sorted.forEach(({ valueAt, change }, place) => {
    sum += change;
    if (sorted[place + 1]?.valueAt === valueAt) return;
    if (sum < floor) below ??= valueAt;
    else if (below !== undefined) {
      windows.push({ from: below, to: valueAt });
      below = undefined;
    }
  });
  if (below !== undefined) windows.push({ from: below });
  return windows;
}

/**
 * BAL-2: the past instants that a backdated change puts below the floor and that were not below it before. The last stretch is left
 * out where it reaches to now: the live check has judged that.
 */
export function findIntermediateNegative(
  floor: bigint,
  history: { readonly opening: bigint; readonly changes: readonly ValuedChange[] },
  added: readonly ValuedChange[],
): readonly ValueWindow[] {
  const earlier = findWindowsBelow(floor, history.opening, history.changes);
  return findWindowsBelow(floor, history.opening, [...history.changes, ...added])
    .filter((window) => window.to !== undefined)
    .filter(
      (window) => !earlier.some((before) => before.from <= window.from && (before.to ?? window.to!) >= window.to!),
    );
}

/** The last microsecond before an exclusive end: `closeOf(d)` is the observation there (T-5). */
export function lastBefore(end: Instant): Instant {
  return addMicros(end, -1n);
}
