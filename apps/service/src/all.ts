import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startPlaidSimulator } from "@florin/plaid-simulator";
import { DEMO_PARTNER_KEY, DEMO_PASSWORD, demoLogins } from "@florin/subgraph-accounts";
import { banner } from "./banner.js";
import { readClusterEnvironment, type ClusterEnvironment, type PartName } from "./environment.js";
import { freePort } from "./free-port.js";
import { startDatabase } from "./local-database.js";
import { startRedis } from "./local-redis.js";
import { toReadableLine } from "./readable-line.js";
import { runUntilSignal } from "./run-until-signal.js";
import { ensureKeys } from "./service-keys.js";
import { StartError } from "./start-error.js";
import { Stops } from "./stops.js";
import { SupervisedProcess } from "./supervised-process.js";

/**
 * `npm run start:all`: the distributed form on one machine, with one log.
 *
 * Order up: keys → PostgreSQL and Redis (ours when none is named) → Plaid's simulator → accounts, two ledgers, portfolio, gateway, all at once → ready → demo funds. A
 * part that ends is started again. Order down: gateway, portfolio, ledgers, accounts, simulator, Redis, PostgreSQL. Parts are tied to this process by a
 * channel, so they stop by themselves when it is killed.
 */
const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));
const START_DEADLINE_MS = 90_000;
const LOOK_EVERY_MS = 100;
/** More than a part gives itself. */
const PART_STOP_MS = 15_000;
const NAME_WIDTH = 9;

function print(text: string): void {
  process.stdout.write(text);
}

function say(name: string): (text: string) => void {
  return (text) => print(`${name.padEnd(NAME_WIDTH)} ${text}\n`);
}

export async function runAll(): Promise<void> {
  const begun = performance.now();
  const environment = readClusterEnvironment();
  const stops = new Stops();
  await stops.undoOnFailure(() => start(environment, stops, begun));
  runUntilSignal(
    { drain: () => undefined, stop: (deadlineMs) => stops.stopAll(deadlineMs) },
    {
      drainMs: 0,
      deadlineMs: 4 * PART_STOP_MS,
      onStopping: () => print("\n  stopping: gateway, ledgers, accounts, servers\n"),
      onStopped: () => print("  stopped\n"),
      onFailure: (error) => process.stderr.write(`florin: did not stop in order: ${String(error)}\n`),
    },
  );
}

async function start(environment: ClusterEnvironment, stops: Stops, begun: number): Promise<void> {
  const keys = join(environment.home, "keys");
  await mkdir(environment.home, { recursive: true });
  await ensureKeys(keys);
  print("  servers\n");
  const database = await startDatabase(environment);
  stops.push(() => database.stop());
  const redis = await startRedis({ ...environment, onEvent: say("redis") });
  stops.push(() => redis.stop());

  print("  parts\n");
  const port = environment.port === 0 ? await freePort() : environment.port;
  const [accounts, ledger1, ledger2] = [await freePort(), await freePort(), await freePort()];
  const portfolio = await freePort();
  const local = (at: number): string => `http://127.0.0.1:${at}`;
  const shared = { ...environment.passedOn, FLORIN_KEYS: keys, REDIS_URL: redis.url };
  const url = `http://${environment.host}:${port}`;
  const simulator = await startSimulatorUnlessNamed(environment, stops);
  const plaid: Readonly<Record<string, string>> =
    simulator === undefined
      ? {}
      : {
          PLAID_ENV: "simulator",
          PLAID_SIMULATOR_URL: simulator.url,
          PLAID_WEBHOOK_URL: `${url}/webhooks/plaid`,
        };
  const area = { ...shared, HOST: "127.0.0.1", DATABASE_URL: database.url, ACCOUNTS_URL: local(accounts) };
  const ledgerUrls = [local(ledger1), local(ledger2)].join(",");
  const own = {
    HOST: environment.host,
    PORT: String(port),
    ACCOUNTS_URL: local(accounts),
    LEDGER_URL: ledgerUrls,
    PORTFOLIO_URL: local(portfolio),
  };
  const parts = [
    supervise("accounts", "accounts", { ...area, ...plaid, PORT: String(accounts) }),
    supervise("ledger-1", "ledger", { ...area, PORT: String(ledger1) }),
    supervise("ledger-2", "ledger", { ...area, PORT: String(ledger2) }),
    supervise("portfolio", "portfolio", { ...area, LEDGER_URL: ledgerUrls, PORT: String(portfolio) }),
    supervise("gateway", "gateway", { ...shared, ...own }),
  ];
  for (const part of parts) {
    stops.push(() => part.stop(PART_STOP_MS));
    part.start();
  }
  await Promise.all(
    [url, ...[accounts, ledger1, ledger2, portfolio].map(local)].map((at) => untilReady(at, environment.isDemo)),
  );
  print(
    banner({
      url,
      database: `${database.description}; ${redis.description}`,
      home: environment.home,
      plaidSimulator: simulator?.url,
      startedInMs: performance.now() - begun,
      demo: environment.isDemo
        ? {
            logins: demoLogins.map(({ email, what }) => ({ identifier: email, what })),
            password: DEMO_PASSWORD,
            partnerKey: DEMO_PARTNER_KEY,
          }
        : undefined,
    }),
  );
}

/** Plaid without the internet, in this process: it outlives the parts that call it. Not where an environment of Plaid is named. */
async function startSimulatorUnlessNamed(environment: ClusterEnvironment, stops: Stops) {
  if (environment.passedOn["PLAID_ENV"] !== undefined || environment.passedOn["NODE_ENV"] === "production")
    return undefined;
  const simulator = await startPlaidSimulator({ snapshotFile: join(environment.home, "plaid-simulator.json") });
  stops.push(() => simulator.stop());
  return simulator;
}

function supervise(name: string, part: PartName, given: Readonly<Record<string, string>>): SupervisedProcess {
  return new SupervisedProcess({
    name,
    spawn: () =>
      spawn(process.execPath, ["--enable-source-maps", MAIN, part], {
        env: given,
        stdio: ["ignore", "pipe", "pipe", "ipc"],
        detached: true, // Ctrl-C is for us alone: the order of stopping is ours
      }),
    askToEnd: (child) => child.kill("SIGTERM"),
    onLine: (line) => print(`${toReadableLine(name, NAME_WIDTH, line)}\n`),
    onEvent: say(name),
  });
}

interface HealthJson {
  readonly parts?: Readonly<Record<string, boolean>>;
}

/** With `isDemo`, a part that says something of demo data has them too. Throws StartError at the deadline. */
async function untilReady(url: string, isDemo: boolean): Promise<void> {
  const deadline = performance.now() + START_DEADLINE_MS;
  for (;;) {
    const response = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
    const { parts } = ((await response?.json().catch(() => ({}))) ?? {}) as HealthJson;
    if (response?.status === 200 && (!isDemo || parts?.["demo"] !== false)) return;
    if (performance.now() > deadline)
      throw new StartError(`${url} was not ready within ${START_DEADLINE_MS / 1_000} s; the log above says why.`);
    await pause(LOOK_EVERY_MS);
  }
}
