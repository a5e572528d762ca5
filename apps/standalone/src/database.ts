import { join } from "node:path";
import { LocalPostgresError, startLocalPostgres } from "@florin/local-postgres";
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
  const cluster = await startLocalPostgres({
    dataDirectory: join(environment.home, "postgres"),
    logFile: join(environment.home, "postgres.log"),
  }).catch((error: unknown) => {
    throw error instanceof LocalPostgresError ? new StartError(error.message) : error;
  });
  const { notes } = cluster.whereabouts;
  return {
    url: cluster.url,
    description: [`embedded PostgreSQL on port ${cluster.port}`, ...notes].join("; "),
    stop: () => cluster.stop("fast"),
  };
}
