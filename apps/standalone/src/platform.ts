import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createServiceTokens, createServiceVerifier, generateServiceKey } from "@florin/auth";
import { createInProcessBus } from "@florin/events";
import {
  composeAccounts,
  composeGateway,
  composeLedger,
  composePortfolio,
  createPlaidTools,
  createProbe,
  deriveSecret,
  ensureMasterKey,
  expectedGroups,
  freePort,
  fundDemoWallets,
  migrateOrExplain,
  readMasterKey,
  startDatabase,
  Stops,
  toExchangedKey,
  type BannerFacts,
  type PlaidTools,
} from "@florin/service";
import { startPlaidSimulator } from "@florin/plaid-simulator";
import { systemClock } from "@florin/resilience";
import type { AccountsArea } from "@florin/subgraph-accounts";
import { createLogger, createMetrics, type Logger, type Metrics } from "@florin/telemetry";
import type { Environment } from "./environment.js";
import { openLogFile } from "./log-file.js";
import { assertPortIsFree } from "./port.js";

/**
 * The composition root of `npm start`: everything in one process, the same code as in many (apps/service).
 *
 * Order up: port free? → secrets → PostgreSQL → migrations → Plaid's simulator → areas (consumers before relays) → gateway → demo data. What was
 * started is stopped in the opposite order, also when a later step fails. Order down: the door closes first, so requests under
 * way find everything they need; PostgreSQL goes last.
 */
export interface Platform {
  readonly url: string;
  readonly facts: Omit<BannerFacts, "url" | "startedInMs">;
  drain(): void;
  stop(deadlineMs: number): Promise<void>;
}

export function startPlatform(
  environment: Environment,
  options: { readonly onProgress?: (step: string) => void } = {},
): Promise<Platform> {
  const stops = new Stops();
  return stops.undoOnFailure(() => start(environment, options.onProgress ?? (() => undefined), stops));
}

async function start(environment: Environment, onProgress: (step: string) => void, stops: Stops): Promise<Platform> {
  const { host, isDemo, isProduction } = environment;
  await assertPortIsFree(host, environment.port);
  // Known before anything listens: the simulator is told where its webhooks go.
  const port = environment.port === 0 ? await freePort() : environment.port;
  await mkdir(environment.home, { recursive: true });
  const keys = join(environment.home, "keys");
  await ensureMasterKey(keys);
  const masterKey = await readMasterKey(keys);
  const logFile = await openLogFile(join(environment.home, "florin.log"));
  stops.push(() => new Promise((resolve) => logFile.end(resolve)));
  const logger = createLogger({ name: "standalone", level: environment.logLevel, destination: logFile });
  const metrics = createMetrics();

  onProgress("database");
  const database = await startDatabase(environment);
  stops.push(() => database.stop());
  await migrateOrExplain(database, {
    patienceMs: 0,
    onApplied: (count) => onProgress(`migrations: ${count} applied`),
  });

  onProgress("areas");
  const bus = createInProcessBus({ logger, metrics, expectedGroups });
  const services = await createServices();
  const foundations = { databaseUrl: database.url, bus, masterKey, isDemo, logger, metrics };
  const { plaid, simulatorUrl } = await startPlaid(environment, port, { masterKey, logger, metrics, stops });
  const accounts = await composeAccounts(foundations, {
    verifyServiceToken: services.verifierOf("accounts"),
    plaid,
  });
  stops.push((deadlineMs) => accounts.stop(deadlineMs));
  const { verifyViewer } = accounts;
  const ledger = await composeLedger(foundations, {
    verifyServiceToken: services.verifierOf("ledger"),
    verifyViewer,
    checkpointFile: join(environment.home, "checkpoints.jsonl"),
    haltsOnViolation: environment.haltsOnViolation,
  });
  stops.push((deadlineMs) => ledger.stop(deadlineMs));
  const portfolio = await composePortfolio(foundations, {
    verifyServiceToken: services.verifierOf("portfolio"),
    verifyViewer,
    history: [accounts.stream, ledger.stream],
  });
  stops.push((deadlineMs) => portfolio.stop(deadlineMs));
  stops.push((deadlineMs) => bus.stop(deadlineMs));

  let isSeeded = false;
  const isAccountsWell = createProbe("asking accounts", async () => (await accounts.health()).ready);
  const isLedgerWell = createProbe("asking the ledger", async () => (await ledger.health()).ready);
  const isPortfolioWell = createProbe("asking the portfolio", async () => (await portfolio.health()).ready);
  const gateway = await composeGateway(
    {
      ...{ host, port, bus, masterKey, isDemo, isProduction, logger, metrics, verifyViewer },
      streams: { accounts: accounts.stream, ledger: ledger.stream, portfolio: portfolio.stream },
    },
    {
      subgraphs: { accounts: accounts.subgraph, ledger: ledger.subgraph, portfolio: portfolio.subgraph },
      serviceTokens: services.tokens,
      exchangeApiKey: async (key) => toExchangedKey(await accounts.exchangeApiKey(key)),
      jwks: accounts.jwks,
      receivePlaidWebhook: accounts.linkedWorker?.receiveWebhook,
      readiness: async () => {
        const [accounts, ledger, portfolio] = await Promise.all([isAccountsWell(), isLedgerWell(), isPortfolioWell()]);
        const parts = { accounts, ledger, portfolio, demo: isSeeded };
        return { isReady: Object.values(parts).every(Boolean), parts };
      },
    },
  );
  stops.push((deadlineMs) => gateway.stop(deadlineMs));

  const demo = isDemo ? await loadDemo(accounts, gateway.url, onProgress) : undefined;
  isSeeded = true;
  logger.info({ url: gateway.url, database: database.description }, "ready");
  return {
    url: gateway.url,
    facts: { database: database.description, home: environment.home, plaidSimulator: simulatorUrl, demo },
    drain: gateway.drain,
    stop: (deadlineMs) => stops.stopAll(deadlineMs),
  };
}

/** Plaid as it is configured; its simulator beside us where no other is named, with what it knows kept in the home. */
async function startPlaid(
  environment: Environment,
  port: number,
  { masterKey, logger, metrics, stops }: { masterKey: Buffer; logger: Logger; metrics: Metrics; stops: Stops },
): Promise<{ readonly plaid: PlaidTools | undefined; readonly simulatorUrl: string | undefined }> {
  if (environment.plaid === undefined) return { plaid: undefined, simulatorUrl: undefined };
  const webhookUrl = environment.plaid.webhookUrl ?? `http://${environment.host}:${port}/webhooks/plaid`;
  const simulator =
    environment.simulatorPort === undefined
      ? undefined
      : await startPlaidSimulator({
          port: environment.simulatorPort,
          clientId: environment.plaid.clientId,
          secret: environment.plaid.secret,
          snapshotFile: join(environment.home, "plaid-simulator.json"),
          onProblem: (problem) => logger.error({ err: problem }, "the Plaid simulator failed at something"),
        });
  if (simulator !== undefined) stops.push(() => simulator.stop());
  const plaid = createPlaidTools({
    settings: { ...environment.plaid, webhookUrl, simulatorUrl: simulator?.url ?? environment.plaid.simulatorUrl },
    masterKey: deriveSecret(masterKey, "plaid"),
    redisUrl: undefined,
    logger,
    metrics,
  });
  stops.push(() => plaid.stop());
  return { plaid, simulatorUrl: simulator?.url ?? environment.plaid.simulatorUrl };
}

/** One process, and still the areas answer to the gateway's signature alone. The key lives as long as the process. */
async function createServices() {
  const { publicJwk, privateJwk } = await generateServiceKey("gateway");
  const verifierOf = (audience: string) =>
    createServiceVerifier({
      audience,
      jwks: () => Promise.resolve({ keys: [publicJwk] }),
      clock: systemClock,
      callers: ["gateway"],
    }).verify;
  return { tokens: createServiceTokens({ name: "gateway", privateJwk, clock: systemClock }), verifierOf };
}

async function loadDemo(
  accounts: AccountsArea,
  url: string,
  onProgress: (step: string) => void,
): Promise<BannerFacts["demo"]> {
  onProgress("demo identities");
  const { identities, password, partner } = await accounts.seedDemo();
  await fundDemoWallets(url);
  const logins = identities.map(({ email, what }) => ({ identifier: email, what }));
  return { logins, password, partnerKey: partner.apiKey };
}
