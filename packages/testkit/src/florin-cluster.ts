import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeClusterKeys } from "./cluster-keys.js";
import { startPart, type FlorinPart, type PartEnvironment, type PartKind } from "./florin-part.js";
import { findFreePort } from "./free-port.js";

/**
 * The distributed form as real processes: gateways, accounts, ledgers and portfolios from apps/service, each with its own address, log and process
 * id, over a PostgreSQL and a Redis of the caller's. Whatever happens in a test, `stop` leaves nothing running.
 */
export interface FlorinCluster {
  readonly gateways: readonly FlorinPart[];
  readonly accounts: readonly FlorinPart[];
  readonly ledgers: readonly FlorinPart[];
  readonly portfolios: readonly FlorinPart[];
  readonly parts: readonly FlorinPart[];
  /** Keys and logs, until stop. */
  readonly directory: string;
  /** Kills every process by its id, and removes the directory. */
  stop(): Promise<void>;
}

export interface FlorinClusterOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** How many of each; default 1. */
  readonly gateways?: number;
  readonly accounts?: number;
  readonly ledgers?: number;
  readonly portfolios?: number;
  /** For every part. */
  readonly environment?: PartEnvironment;
  /** For one part: `environmentOf("ledger", 1)` is the second ledger's. A `clockSkew(…)` fits here. */
  readonly environmentOf?: (kind: PartKind, index: number) => PartEnvironment | undefined;
  readonly startDeadlineMs?: number;
}

const KINDS: readonly PartKind[] = ["accounts", "ledger", "portfolio", "gateway"];
const PROGRAM = fileURLToPath(new URL("../../../apps/service/dist/main.js", import.meta.url));
const START_DEADLINE_MS = 60_000;

/** Resolves when all parts are ready. One that does not start: all are killed, and the error ends with the last lines of its log. */
export async function startFlorinCluster(options: FlorinClusterOptions): Promise<FlorinCluster> {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is not there. Build first: npm run build`);
  const counts: Record<PartKind, number> = {
    gateway: options.gateways ?? 1,
    accounts: options.accounts ?? 1,
    ledger: options.ledgers ?? 1,
    portfolio: options.portfolios ?? 1,
  };
  const directory = await mkdtemp(join(tmpdir(), "florin-cluster-"));
  const keys = join(directory, "keys");
  await writeClusterKeys(keys, KINDS);
  const planned = await planPorts(counts);
  const urlsOf = (kind: PartKind): string =>
    planned.flatMap((part) => (part.kind === kind ? [`http://127.0.0.1:${part.port}`] : [])).join(",");
  const shared: PartEnvironment = {
    DATABASE_URL: options.databaseUrl,
    REDIS_URL: options.redisUrl,
    FLORIN_KEYS: keys,
    FLORIN_DEMO: "1",
    ACCOUNTS_URL: urlsOf("accounts"),
    LEDGER_URL: urlsOf("ledger"),
    PORTFOLIO_URL: urlsOf("portfolio"),
    ...options.environment,
  };

  const parts: FlorinPart[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(parts.map((part) => part.kill()));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    for (const { kind, index, port } of planned) {
      const name = `${kind}-${index}`;
      const own = options.environmentOf?.(kind, index) ?? {};
      const startDeadlineMs = options.startDeadlineMs ?? START_DEADLINE_MS;
      const logFile = join(directory, `${name}.log`);
      parts.push(await startPart({ kind, name, port, program: PROGRAM, logFile, shared, own, startDeadlineMs }));
    }
    await Promise.all(parts.map((part) => part.untilReady()));
  } catch (error) {
    await stop();
    throw error;
  }
  const ofKind = (kind: PartKind) => parts.filter((part) => part.kind === kind);
  return {
    gateways: ofKind("gateway"),
    accounts: ofKind("accounts"),
    ledgers: ofKind("ledger"),
    portfolios: ofKind("portfolio"),
    parts,
    directory,
    stop,
  };
}

async function planPorts(counts: Readonly<Record<PartKind, number>>) {
  const planned: { readonly kind: PartKind; readonly index: number; readonly port: number }[] = [];
  const taken = new Set<number>();
  for (const kind of KINDS)
    for (let index = 0; index < counts[kind]; index++) {
      let port = await findFreePort();
      while (taken.has(port)) port = await findFreePort();
      taken.add(port);
      planned.push({ kind, index, port });
    }
  return planned;
}
