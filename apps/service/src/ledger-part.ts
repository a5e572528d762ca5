import { connectService, eventRoutes, serveSubgraph } from "@florin/graph";
import { systemClock } from "@florin/resilience";
import { composeLedger } from "./compose-ledger.js";
import type { LedgerEnvironment } from "./environment.js";
import { connectIdentity } from "./identity-http.js";
import { describeDatabase } from "./local-database.js";
import { migrateOrExplain } from "./migrate-or-explain.js";
import { createPartTools, type RunningPart } from "./part.js";
import { createProbe } from "./readiness.js";
import { createRemoteViewers } from "./remote-viewers.js";
import { readMasterKey } from "./secrets.js";
import { serveMetrics } from "./serve-metrics.js";
import { readServiceIdentity } from "./service-keys.js";

const DATABASE_PATIENCE_MS = 30_000;

/**
 * The ledger as a process: keys → migrations → area (writer, consumer, relay) → door for services. Of several one writes, holder of the
 * lease; the others read, and hand what reaches them to the writer. Stopping gives the lease back.
 */
export async function startLedgerPart(environment: LedgerEnvironment): Promise<RunningPart> {
  const masterKey = await readMasterKey(environment.keys);
  const identity = await readServiceIdentity(environment.keys, "ledger", systemClock);
  const { logger, metrics, bus, stops } = createPartTools("ledger", environment);
  return stops.undoOnFailure(async () => {
    stops.push((deadlineMs) => bus.stop(deadlineMs));
    const { databaseUrl, timelineFile, isDemo } = environment;
    const accounts = connectService({ name: "accounts", urls: environment.accountsUrls });
    stops.push(accounts.stop);
    const viewers = createRemoteViewers({
      identity: connectIdentity(accounts, identity.tokens),
      bus,
      clock: systemClock,
      logger,
    });
    stops.push(viewers.stop);
    await migrateOrExplain(
      { url: databaseUrl, description: describeDatabase(databaseUrl), timelineFile },
      { patienceMs: DATABASE_PATIENCE_MS, onApplied: (count) => logger.info({ count }, "migrations applied") },
    );
    const ledger = await composeLedger(
      { databaseUrl, timelineFile, bus, masterKey, isDemo, logger, metrics },
      {
        verifyServiceToken: identity.verifyCaller,
        verifyViewer: viewers.verifyViewer,
        leaseMs: environment.leaseMs,
        checkpointFile: environment.checkpointFile,
        unsafeNoFence: environment.unsafeNoFence,
        haltsOnViolation: environment.haltsOnViolation,
        replicaUrl: environment.databaseReplicaUrl,
      },
    );
    // The bus stops before the area that its consumers write to.
    stops.push(async (deadlineMs) => {
      await bus.stop(deadlineMs);
      await ledger.stop(deadlineMs);
    });
    const isDatabaseWell = createProbe("asking the ledger database", async () => (await ledger.health()).ready);
    const served = await serveSubgraph(ledger.subgraph, {
      host: environment.host,
      port: environment.port,
      verifyCaller: identity.verifyCaller,
      callers: ["gateway"],
      routes: eventRoutes(ledger.stream, ["gateway", "portfolio"]),
      health: async () => {
        const parts = { database: await isDatabaseWell(), viewers: viewers.isReady(), redis: bus.isReachable() };
        return { isReady: parts.database && parts.viewers, parts };
      },
      logger,
    });
    stops.push(served.stop);
    const { host, metricsPort } = environment;
    if (metricsPort !== undefined) {
      const scraped = await serveMetrics({ host, port: metricsPort, metrics, logger });
      stops.push(scraped.stop);
      logger.info({ url: scraped.url }, "metrics are served");
    }
    return { url: served.url, drain: served.drain, stop: (deadlineMs) => stops.stopAll(deadlineMs) };
  });
}
