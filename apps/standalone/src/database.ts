import { createHash } from "node:crypto";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { startLocalPostgres } from "@florin/local-postgres";
import { StartError } from "./start-error.js";
import type { Environment } from "./environment.js";

export interface RunningDatabase {
  /** Administrator's URL: migrations run with it; areas connect with their own roles. */
  readonly url: string;
  /** For the banner; never holds a password. */
  readonly description: string;
  stop(): Promise<void>;
}

/** The PostgreSQL of DATABASE_URL, or our own in FLORIN_HOME. */
export async function startDatabase(environment: Environment): Promise<RunningDatabase> {
  if (environment.databaseUrl !== undefined) {
    const { hostname, port, pathname } = new URL(environment.databaseUrl);
    return {
      url: environment.databaseUrl,
      description: `PostgreSQL at ${hostname}:${port || "5432"}${pathname}`,
      stop: () => Promise.resolve(),
    };
  }
  return startEmbedded(environment);
}

async function startEmbedded(environment: Environment): Promise<RunningDatabase> {
  const checkout = createHash("sha256").update(environment.home).digest("hex").slice(0, 16);
  const cluster = await startLocalPostgres({
    dataDirectory: join(environment.home, "postgres"),
    logFile: join(environment.home, "postgres.log"),
    // Only used where PostgreSQL's user cannot enter the checkout (root, in a home that only root may enter).
    fallbackRoots: [
      join("/var/lib/florin", checkout),
      join(tmpdir(), `florin-${checkout}`),
      join(homedir(), ".cache/florin", checkout),
    ],
  }).catch((error: unknown) => {
    throw new StartError(error instanceof Error ? error.message : String(error));
  });
  return {
    url: cluster.url,
    description: `embedded PostgreSQL 18 on port ${cluster.port}, ${cluster.whereabouts}`,
    stop: async () => {
      await cluster.stop();
    },
  };
}
