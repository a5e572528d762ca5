import { connectDatabase } from "@florin/db";

export const TEMPLATE_DATABASE = "florin_template";

export interface TestDatabase {
  /** Of the superuser; `connectDatabase({ url, area })` takes the area's role from there. */
  readonly url: string;
  drop(): Promise<void>;
}

let made = 0;

/** A database of the caller's own, cloned from the migrated template (or from `template`). About 50 ms. */
export async function createTestDatabase(options: { readonly template?: string } = {}): Promise<TestDatabase> {
  const clusterUrl = process.env["FLORIN_TEST_CLUSTER_URL"];
  if (clusterUrl === undefined) throw new Error("No test cluster. Run tests through jest: its globalSetup starts one.");
  const name = `test_${process.pid}_${++made}`;
  const template = options.template ?? TEMPLATE_DATABASE;
  // file_copy: no full log of every page, which is what makes the default slow for a small template.
  await administer(clusterUrl, `create database ${name} template ${template} strategy file_copy`);
  return {
    url: urlOf(clusterUrl, name),
    drop: () => administer(clusterUrl, `drop database if exists ${name} with (force)`),
  };
}

export async function createEmptyDatabase(clusterUrl: string, name: string): Promise<string> {
  await administer(clusterUrl, `create database ${name}`);
  return urlOf(clusterUrl, name);
}

function urlOf(clusterUrl: string, database: string): string {
  const url = new URL(clusterUrl);
  url.pathname = `/${database}`;
  return url.href;
}

async function administer(url: string, statement: string): Promise<void> {
  const database = connectDatabase({
    url,
    applicationName: "florin-testkit",
    maxConnections: 1,
    deadlineMs: 60_000,
  });
  try {
    await database.sql.unsafe(statement);
  } finally {
    await database.stop();
  }
}
