import type { Logger } from "./logger.js";
import type { Metrics } from "./metrics.js";

/** What a run over the invariants of docs/invariants.md found; `InvariantReport` of @florin/db has this shape. */
export interface FoundViolations {
  readonly findings: readonly {
    readonly invariant: string;
    readonly sentence: string;
    readonly who: string;
    readonly what: string;
  }[];
  readonly unchecked: readonly { readonly invariant: string; readonly sentence: string; readonly reason: string }[];
}

export interface InvariantMeters {
  report(found: FoundViolations, atSeconds: number): void;
}

/**
 * `florin_invariant_violations{area,invariant}`: 0 is the only good value; a rule counts at most as many rows as it was asked for.
 * `florin_invariant_checked_timestamp_seconds{area}`: when the area was last looked at by this process; other processes of the area
 * take turns, so an alert asks for the newest of them. Each finding is an error in the log.
 */
export function createInvariantMeters(options: {
  readonly area: string;
  /** Each has its series from the first run on, so that an alert can tell 0 from never checked. */
  readonly invariants: readonly string[];
  readonly metrics: Metrics;
  readonly logger: Logger;
}): InvariantMeters {
  const { area, metrics, logger } = options;
  const violations = metrics.gauge({
    name: "florin_invariant_violations",
    help: "Rows that break an invariant of docs/invariants.md, as the last run found them.",
    labelNames: ["area", "invariant"],
  });
  const checkedAt = metrics.gauge({
    name: "florin_invariant_checked_timestamp_seconds",
    help: "When this process last checked the invariants of the area, in seconds since 1970.",
    labelNames: ["area"],
  });
  const unchecked = metrics.gauge({
    name: "florin_invariant_unchecked",
    help: "Rules that the last run could not finish in time.",
    labelNames: ["area"],
  });
  return {
    report: (found, atSeconds) => {
      const counts = new Map(options.invariants.map((invariant) => [invariant, 0]));
      for (const { invariant } of found.findings) counts.set(invariant, (counts.get(invariant) ?? 0) + 1);
      for (const [invariant, count] of counts) violations.set({ area, invariant }, count);
      unchecked.set({ area }, found.unchecked.length);
      checkedAt.set({ area }, atSeconds);
      for (const finding of found.findings)
        logger.error({ area, ...finding }, "An invariant is broken. See docs/invariants.md for what to do.");
      for (const rule of found.unchecked)
        logger.warn({ area, ...rule }, "An invariant could not be checked in time; it is tried again.");
    },
  };
}
