import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { AuthError, createSealer, createServiceTokens, createServiceVerifier, generateServiceKey } from "@florin/auth";
import { migrate } from "@florin/db";
import { createInProcessBus } from "@florin/events";
import { createLiveDoor, startGateway } from "@florin/gateway";
import { randomIds, systemClock } from "@florin/resilience";
import { ACCOUNTS_CONSUMER, createAccountsArea, type AccountsArea } from "@florin/subgraph-accounts";
import { createLedgerArea } from "@florin/subgraph-ledger";
import { createLogger, createMetrics } from "@florin/telemetry";
import type { BannerFacts } from "./banner.js";
import { startDatabase, type RunningDatabase } from "./database.js";
import { fundDemoWallets } from "./demo-funding.js";
import type { Environment } from "./environment.js";
import { landingPage } from "./landing-page.js";
import { openLogFile } from "./log-file.js";
import { assertPortIsFree } from "./port.js";
import { deriveSecret, readMasterKey } from "./secrets.js";
import { StartError } from "./start-error.js";

/**
 * The composition root of `npm start`: everything in one process, the same code as in many.
 *
 * Order up: port free? → secrets → PostgreSQL → migrations → areas (consumers before relays) → gateway → demo data. What was
 * started is stopped in the opposite order, also when a later step fails. Order down: the door closes first, so requests under
 * way find everything they need; PostgreSQL goes last.
 */
export interface Platform {
  readonly url: string;
  readonly facts: Omit<BannerFacts, "url" | "startedInMs">;
  stop(deadlineMs: number): Promise<void>;
}

const ISSUER = "florin";
/** Groups that must be there before a stream is delivered: an event published to nobody would count as delivered. */
const expectedGroups = { accounts: ["ledger.account-commands"], ledger: [ACCOUNTS_CONSUMER] };

type Stop = (deadlineMs: number) => Promise<void>;

export async function startPlatform(
  environment: Environment,
  options: { readonly onProgress?: (step: string) => void } = {},
): Promise<Platform> {
  const stops: Stop[] = [];
  const stopAll = async (deadlineMs: number): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) await stop(deadlineMs);
  };
  try {
    return await start(environment, options.onProgress ?? (() => undefined), stops, stopAll);
  } catch (error) {
    await stopAll(2_000).catch(() => undefined); // the first error is the one to tell
    throw error;
  }
}

async function start(
  environment: Environment,
  onProgress: (step: string) => void,
  stops: Stop[],
  stopAll: Stop,
): Promise<Platform> {
  await assertPortIsFree(environment.host, environment.port);
  await mkdir(environment.home, { recursive: true });
  const masterKey = await readMasterKey(environment.home);
  const logFile = await openLogFile(join(environment.home, "florin.log"));
  stops.push(() => new Promise((resolve) => logFile.end(resolve)));
  const logger = createLogger({ name: "standalone", level: environment.logLevel, destination: logFile });
  const metrics = createMetrics();

  onProgress("database");
  const database = await startDatabase(environment);
  stops.push(() => database.stop());
  await migrateOrExplain(database, onProgress);

  onProgress("areas");
  const bus = createInProcessBus({ logger, metrics, expectedGroups });
  const sealer = createSealer(deriveSecret(masterKey, "sealer"));
  const { publicJwk, privateJwk } = await generateServiceKey("gateway");
  const serviceTokens = createServiceTokens({ name: "gateway", privateJwk, clock: systemClock });
  const serviceVerifier = (audience: string) => {
    const verifier = createServiceVerifier({
      audience,
      jwks: () => Promise.resolve({ keys: [publicJwk] }),
      clock: systemClock,
      callers: ["gateway"],
    });
    return (token: string) => verifier.verify(token);
  };
  const shared = { databaseUrl: database.url, bus, clock: systemClock, ids: randomIds, logger, metrics, sealer };
  const accounts = await createAccountsArea({
    ...shared,
    masterKey: deriveSecret(masterKey, "accounts"),
    issuer: ISSUER,
    verifyServiceToken: serviceVerifier("accounts"),
    demo: environment.isDemo,
  });
  stops.push((deadlineMs) => accounts.stop(deadlineMs));
  const ledger = await createLedgerArea({
    ...shared,
    verifyServiceToken: serviceVerifier("ledger"),
    verifyViewer: accounts.verifyViewer,
    ownersMayMoveCash: environment.isDemo,
  });
  stops.push((deadlineMs) => ledger.stop(deadlineMs));
  stops.push((deadlineMs) => bus.stop(deadlineMs));

  let isSeeded = false;
  const gateway = await startGateway({
    host: environment.host,
    port: environment.port,
    subgraphs: { accounts: accounts.subgraph, ledger: ledger.subgraph },
    serviceTokens,
    verifyViewer: accounts.verifyViewer,
    exchangeApiKey: (key) => exchangeApiKey(accounts, key),
    jwks: accounts.jwks,
    sealer,
    logger,
    metrics,
    introspection: !environment.isProduction,
    readiness: async () => {
      const health = { accounts: await accounts.health(), ledger: await ledger.health() };
      const parts = { accounts: health.accounts.ready, ledger: health.ledger.ready, demo: isSeeded };
      return { isReady: Object.values(parts).every(Boolean), parts };
    },
    landingPage: landingPage(environment),
    live: createLiveDoor({
      verifyViewer: accounts.verifyViewer,
      sealer,
      bus,
      streams: { accounts: accounts.stream, ledger: ledger.stream },
      clock: systemClock,
      logger,
      metrics,
    }),
  });
  stops.push((deadlineMs) => gateway.stop(deadlineMs));

  const demo = environment.isDemo ? await loadDemo(accounts, gateway.url, onProgress) : undefined;
  isSeeded = true;
  logger.info({ url: gateway.url, database: database.description }, "ready");
  return {
    url: gateway.url,
    facts: { database: database.description, home: environment.home, demo },
    stop: stopAll,
  };
}

async function loadDemo(
  accounts: AccountsArea,
  url: string,
  onProgress: (step: string) => void,
): Promise<BannerFacts["demo"]> {
  onProgress("demo identities");
  const { identities, password, partner } = await accounts.seedDemo();
  const seen = new Set<string>();
  const owners = identities
    .map(({ email, accountIds }) => ({ identifier: email, accountIds: accountIds.filter((id) => isNew(seen, id)) }))
    .filter((owner) => owner.accountIds.length > 0);
  await fundDemoWallets(url, owners, password);
  const logins = identities.map(({ email, what }) => ({ identifier: email, what }));
  return { logins, password, partnerKey: partner.apiKey };
}

function isNew(seen: Set<string>, id: string): boolean {
  if (seen.has(id)) return false;
  seen.add(id);
  return true;
}

/** The gateway's shape of an exchanged key; a key that opens nothing is a credential that does not hold. */
async function exchangeApiKey(accounts: AccountsArea, key: string) {
  const exchanged = await accounts.exchangeApiKey(key);
  if (exchanged === undefined)
    throw new AuthError("UNKNOWN_KEY", "This API key opens nothing. Use one that was made here and is not revoked.");
  return { accessToken: exchanged.token, expiresInSeconds: exchanged.expiresIn };
}

async function migrateOrExplain(database: RunningDatabase, onProgress: (step: string) => void): Promise<void> {
  try {
    const { applied } = await migrate(database.url);
    if (applied.length > 0) onProgress(`migrations: ${applied.length} applied`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartError(`The database (${database.description}) cannot be used: ${reason}`);
  }
}
