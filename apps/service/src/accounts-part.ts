import { eventRoutes, serveSubgraph } from "@florin/graph";
import { systemClock } from "@florin/resilience";
import type { AccountsArea } from "@florin/subgraph-accounts";
import type { Logger } from "@florin/telemetry";
import { composeAccounts } from "./compose-accounts.js";
import type { AccountsEnvironment } from "./environment.js";
import { identityRoutes } from "./identity-http.js";
import { describeDatabase } from "./local-database.js";
import { migrateOrExplain } from "./migrate-or-explain.js";
import { createPartTools, type RunningPart } from "./part.js";
import { createProbe } from "./readiness.js";
import { startUntilDone } from "./until-done.js";
import { createPlaidTools } from "./plaid-tools.js";
import { deriveSecret, readMasterKey } from "./secrets.js";
import { serveMetrics } from "./serve-metrics.js";
import { readServiceIdentity } from "./service-keys.js";
import { webhookRoute } from "./webhook-http.js";

const DATABASE_PATIENCE_MS = 30_000;
const SEED_AGAIN_MS = 1_000;

/**
 * The accounts area as a process: keys → migrations → area (consumer and relay) → door for services → demo identities when they
 * are on. Any number of them run side by side. Down in the opposite order.
 */
export async function startAccountsPart(environment: AccountsEnvironment): Promise<RunningPart> {
  const masterKey = await readMasterKey(environment.keys);
  const identity = await readServiceIdentity(environment.keys, "accounts", systemClock);
  const { logger, metrics, bus, stops } = createPartTools("accounts", environment);
  return stops.undoOnFailure(async () => {
    stops.push((deadlineMs) => bus.stop(deadlineMs));
    const { databaseUrl, timelineFile, isDemo } = environment;
    await migrateOrExplain(
      { url: databaseUrl, description: describeDatabase(databaseUrl), timelineFile },
      { patienceMs: DATABASE_PATIENCE_MS, onApplied: (count) => logger.info({ count }, "migrations applied") },
    );
    const plaid =
      environment.plaid === undefined
        ? undefined
        : createPlaidTools({
            settings: environment.plaid,
            masterKey: deriveSecret(masterKey, "plaid"),
            redisUrl: environment.redisUrl,
            logger,
            metrics,
          });
    if (plaid !== undefined) stops.push(() => plaid.stop());
    const accounts = await composeAccounts(
      { databaseUrl, timelineFile, bus, masterKey, isDemo, logger, metrics },
      { verifyServiceToken: identity.verifyCaller, replicaUrl: environment.databaseReplicaUrl, plaid },
    );
    const { linkedWorker } = accounts;
    // The bus stops before the area that its consumers write to.
    stops.push(async (deadlineMs) => {
      await bus.stop(deadlineMs);
      await accounts.stop(deadlineMs);
    });
    const seeding = isDemo ? startSeeding(accounts, logger) : undefined;
    if (seeding !== undefined) stops.push(seeding.stop);

    const isDatabaseWell = createProbe("asking the accounts database", async () => (await accounts.health()).ready);
    const served = await serveSubgraph(accounts.subgraph, {
      host: environment.host,
      port: environment.port,
      verifyCaller: identity.verifyCaller,
      callers: ["gateway"],
      routes: [
        ...eventRoutes(accounts.stream, ["gateway", "portfolio"]),
        ...identityRoutes(accounts, () => seeding?.isDone() ?? false),
        ...(linkedWorker === undefined ? [] : [webhookRoute(linkedWorker.receiveWebhook)]),
      ],
      health: async () => {
        const database = await isDatabaseWell();
        return {
          isReady: database,
          parts: { database, redis: bus.isReachable(), ...(seeding && { demo: seeding.isDone() }) },
        };
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

/** The wallets of demo identities open only when a ledger runs, which may come later than we. */
function startSeeding(accounts: AccountsArea, logger: Logger) {
  return startUntilDone("seed-demo", SEED_AGAIN_MS, async () => void (await accounts.seedDemo()), logger);
}
