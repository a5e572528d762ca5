import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "@florin/db";
import { removeOwnedDirectories, startLocalPostgres } from "@florin/local-postgres";
import { createEmptyDatabase, TEMPLATE_DATABASE } from "./test-database.js";

const PREFIX = "florin-test-cluster-";

export interface TestCluster {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * A cluster for one test run: in the temporary directory, without durability (a test's data are never needed after a crash),
 * with the migrated template. Removes what killed runs left first.
 */
export async function startTestCluster(): Promise<TestCluster> {
  const parent = tmpdir();
  await removeOwnedDirectories(parent, PREFIX);
  const dataDirectory = join(parent, `${PREFIX}${process.pid}`);
  const server = await startLocalPostgres({
    dataDirectory,
    fallbackDirectory: dataDirectory,
    binariesCacheDirectory: join(parent, "florin-binaries"),
    logFile: join(dataDirectory, "postgresql.log"),
    settings: {
      fsync: "off",
      full_page_writes: "off",
      synchronous_commit: "off",
      max_connections: "200",
      autovacuum: "off",
      checkpoint_timeout: "1h",
      max_wal_size: "4GB",
    },
  });
  const stop = async (): Promise<void> => {
    await server.stop("immediate");
    await rm(dataDirectory, { recursive: true, force: true });
  };
  try {
    const template = await createEmptyDatabase(server.url, TEMPLATE_DATABASE);
    await migrate(template);
    return { url: server.url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
