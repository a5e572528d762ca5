import { connectEventStream, connectService, eventRoutes, serveSubgraph } from "@florin/graph";
import { RequestError } from "@florin/kernel";
import { retry, systemClock } from "@florin/resilience";
import type { PortfolioArea } from "@florin/subgraph-portfolio";
import type { Logger } from "@florin/telemetry";
import { composePortfolio } from "./compose-portfolio.js";
import type { PortfolioEnvironment } from "./environment.js";
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
const EVENTS_BUDGET_MS = 4_000;
/** Every few seconds, for about an hour: the parts are started in any order. */
const HISTORY_PATIENCE = { attempts: 1_000, baseMs: 250, maxMs: 8_000 } as const;

/**
 * The portfolio as a process: keys → migrations → history, once, from accounts and ledger, which are waited for → area (consumers of the
 * other areas' events, relay) → door for services. Any number run
 * side by side; of each consumer group one works at a time.
 */
export async function startPortfolioPart(environment: PortfolioEnvironment): Promise<RunningPart> {
  const masterKey = await readMasterKey(environment.keys);
  const identity = await readServiceIdentity(environment.keys, "portfolio", systemClock);
  const { logger, metrics, bus, stops } = createPartTools("portfolio", environment);
  return stops.undoOnFailure(async () => {
    stops.push((deadlineMs) => bus.stop(deadlineMs));
    const { databaseUrl, timelineFile, isDemo } = environment;
    const accounts = connectService({ name: "accounts", urls: environment.accountsUrls });
    const ledger = connectService({ name: "ledger", urls: environment.ledgerUrls });
    stops.push(() => [accounts, ledger].forEach((client) => client.stop()));
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
    const history = [
      connectEventStream(accounts, identity.tokens, { stream: "accounts", budgetMs: EVENTS_BUDGET_MS }),
      connectEventStream(ledger, identity.tokens, { stream: "ledger", budgetMs: EVENTS_BUDGET_MS }),
    ];
    const portfolio = await whenOthersAnswer(logger, () =>
      composePortfolio(
        { databaseUrl, timelineFile, bus, masterKey, isDemo, logger, metrics },
        {
          verifyServiceToken: identity.verifyCaller,
          verifyViewer: viewers.verifyViewer,
          replicaUrl: environment.databaseReplicaUrl,
          history,
        },
      ),
    );
    // The bus stops before the area that its consumers write to.
    stops.push(async (deadlineMs) => {
      await bus.stop(deadlineMs);
      await portfolio.stop(deadlineMs);
    });
    const isDatabaseWell = createProbe("asking the portfolio database", async () => (await portfolio.health()).ready);
    const served = await serveSubgraph(portfolio.subgraph, {
      host: environment.host,
      port: environment.port,
      verifyCaller: identity.verifyCaller,
      callers: ["gateway"],
      routes: eventRoutes(portfolio.stream, ["gateway"]),
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

function whenOthersAnswer(logger: Logger, compose: () => Promise<PortfolioArea>): Promise<PortfolioArea> {
  return retry(compose, {
    ...HISTORY_PATIENCE,
    random: Math.random,
    shouldRetry: (error) => {
      const isAway = error instanceof RequestError && error.code === "TEMPORARILY_UNAVAILABLE";
      if (isAway) logger.info({ err: error }, "what was told before is not read yet: accounts or the ledger is away");
      return isAway;
    },
  });
}
