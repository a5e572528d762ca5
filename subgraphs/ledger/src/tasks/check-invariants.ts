import { connectDatabase, createInvariantWatch, haltOnViolation, invariantIdsOf } from "@florin/db";
import type { Clock } from "@florin/kernel";
import { startRepeatingTask, type RepeatingTask } from "@florin/resilience";
import { createInvariantMeters, type Logger, type Metrics } from "@florin/telemetry";

const EVERY_MS = 60_000;
const MAIN_BOOK = 1;
const AUDITOR = "invariant auditor";

/**
 * The ledger's invariants, checked every minute (docs/invariants.md): findings become metrics and errors in the log. On a connection
 * of its own and in a read-only transaction, so it neither holds a lock nor takes a place from a request. What is money made or lost
 * halts the book's writes (docs/invariants.md), until `florin writes resume`.
 */
export function startInvariantChecks(options: {
  readonly databaseUrl: string;
  readonly timelineFile?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** false: what is found is told and nothing more. Default true. */
  readonly haltsOnViolation?: boolean | undefined;
  /** Default 60 000; 0: never. */
  readonly everyMs?: number | undefined;
}): RepeatingTask {
  const { databaseUrl, timelineFile, clock, logger, metrics, everyMs = EVERY_MS, haltsOnViolation = true } = options;
  if (everyMs === 0) return { stop: () => Promise.resolve() };
  const database = connectDatabase({
    url: databaseUrl,
    timelineFile,
    area: "ledger",
    applicationName: "florin-ledger-invariants",
    maxConnections: 1,
  });
  const watch = createInvariantWatch({ database, area: "ledger" });
  const invariants = invariantIdsOf("ledger");
  const meters = createInvariantMeters({ area: "ledger", invariants, logger, metrics });
  const task = startRepeatingTask({
    everyMs,
    round: async () => {
      const report = await watch.run();
      if (report === undefined) return;
      meters.report(report, Number(clock.now() / 1_000_000n));
      if (haltsOnViolation && (await haltOnViolation(database, MAIN_BOOK, report, AUDITOR)))
        logger.error("The auditor has halted the ledger's writes. See docs/invariants.md, then: florin writes status");
    },
    onFailure: (error) =>
      logger.warn({ err: error }, "The ledger's invariants could not be checked; they are tried again."),
  });
  return {
    stop: async () => {
      await task.stop();
      await database.stop();
    },
  };
}
