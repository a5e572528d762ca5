import type { Clock, IdSource } from "@florin/kernel";
import type { Counter, Metrics } from "@florin/telemetry";

/** What consumers of other areas' events work with. */
export interface ConsumerParts {
  readonly clock: Clock;
  readonly ids: IdSource;
  /** 32 bytes, the same as accounts': opens the pages that it seals. */
  readonly snapshotKey: Uint8Array;
  readonly meters: PortfolioMeters;
  /** After a commit: an event waits in the outbox. */
  readonly wakeRelay: () => void;
}

export interface PortfolioMeters {
  readonly applied: Counter<"product">;
  readonly dropped: Counter<"product" | "reason">;
  /** Products of items that have waited for a page too long, as last counted. */
  setStuck(count: number): void;
}

export function createPortfolioMeters(metrics: Metrics): PortfolioMeters {
  const stuck = metrics.gauge({
    name: "florin_portfolio_stuck_snapshots",
    help: "Products of linked items that have waited for more than a minute for a page, or for a version before theirs.",
  });
  return {
    applied: metrics.counter({
      name: "florin_portfolio_snapshots_applied_total",
      help: "Versions of what institutions said that were applied.",
      labelNames: ["product"],
    }),
    dropped: metrics.counter({
      name: "florin_portfolio_snapshot_pages_dropped_total",
      help: "Pages that came too late: a later version was applied, or the item was removed.",
      labelNames: ["product", "reason"],
    }),
    setStuck: (count) => stuck.set(count),
  };
}
