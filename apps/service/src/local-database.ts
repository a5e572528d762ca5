import { join } from "node:path";
import { LocalPostgresError, startLocalPostgres } from "@florin/local-postgres";
import { StartError } from "./start-error.js";

export interface RunningDatabase {
  /** Administrator's URL: migrations run with it; areas connect with their own roles. */
  readonly url: string;
  /** For the banner; never holds a password. */
  readonly description: string;
  stop(): Promise<void>;
}

/** The PostgreSQL of `databaseUrl`, or our own in `home`. */
export async function startDatabase(options: {
  readonly databaseUrl: string | undefined;
  readonly home: string;
}): Promise<RunningDatabase> {
  if (options.databaseUrl !== undefined)
    return {
      url: options.databaseUrl,
      description: describeDatabase(options.databaseUrl),
      stop: () => Promise.resolve(),
    };
  const cluster = await startLocalPostgres({
    dataDirectory: join(options.home, "postgres"),
    logFile: join(options.home, "postgres.log"),
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

/** Hosts and database alone; a URL may name several hosts, which `URL` does not read. */
export function describeDatabase(url: string): string {
  const { hosts = "?", name = "" } = /^[a-z]+:\/\/(?:[^@]*@)?(?<hosts>[^/?]*)\/?(?<name>[^?]*)/.exec(url)?.groups ?? {};
  return `PostgreSQL at ${hosts}/${name}`;
}
