import { connectDatabase, createInvariantWatch, invariantIdsOf } from "@florin/db";
import type { Clock } from "@florin/kernel";
import type { RepeatingTask } from "@florin/resilience";
import { createInvariantMeters, type Logger, type Metrics } from "@florin/telemetry";
import { startRepeatingJob } from "../repeating-job.js";

const EVERY_MS = 60_000;

/**
 * This area's invariants, checked every minute (docs/invariants.md): findings become metrics and errors in the log. On a connection
 * of its own and in a read-only transaction, so it neither holds a lock nor takes a place from a request.
 */
export function startInvariantChecks(options: {
  readonly databaseUrl: string;
  readonly timelineFile?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Default 60 000; 0: never. */
  readonly everyMs?: number | undefined;
}): RepeatingTask {
  const { databaseUrl, timelineFile, clock, logger, metrics, everyMs = EVERY_MS } = options;
  if (everyMs === 0) return { stop: () => Promise.resolve() };
  const database = connectDatabase({
    url: databaseUrl,
    timelineFile,
    area: "portfolio",
    applicationName: "florin-portfolio-invariants",
    maxConnections: 1,
  });
  const watch = createInvariantWatch({ database, area: "portfolio" });
  const invariants = invariantIdsOf("portfolio");
  const meters = createInvariantMeters({ area: "portfolio", invariants, logger, metrics });
  const check = async (): Promise<void> => {
    const report = await watch.run();
    if (report !== undefined) meters.report(report, Number(clock.now() / 1_000_000n));
  };
  const job = startRepeatingJob("check-invariants", everyMs, check, logger);
  return {
    stop: async () => {
      await job.stop();
      await database.stop();
    },
  };
}
