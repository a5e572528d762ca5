import { randomUUID } from "node:crypto";
import {
  checkBooks,
  createTestDatabase,
  eventually,
  startFlorinCluster,
  startTcpProxy,
  startTestRedis,
  type FlorinCluster,
  type TcpProxy,
  type TestDatabase,
  type TestRedis,
} from "@florin/testkit";
import postgres from "postgres";
import { createPatientClient, EXPECTED, type PatientClient } from "./patient-client.js";

/**
 * The platform that a workload runs on, and who uses it: two gateways, one accounts, two ledgers as processes; Redis; PostgreSQL, which
 * the ledgers reach through a proxy. One person owns the accounts; clients speak GraphQL to the gateways and nothing else.
 */
export interface WorkloadBench {
  readonly cluster: FlorinCluster;
  readonly redis: TestRedis;
  readonly postgres: TcpProxy;
  readonly leaseMs: number;
  readonly client: PatientClient;
  /** Past the proxy, for oracles. */
  readonly databaseUrl: string;
  /** Of the person who owns the accounts. */
  owner(): Promise<string>;
  auditor(): Promise<string>;
  /** Open wallets in USD, by id. */
  openAccounts(count: number): Promise<readonly string[]>;
  /** All that the ledger keeps under keys with this prefix. */
  listOperations(prefix: string): Promise<{ readonly key: string; readonly status: "COMPLETED" | "REJECTED" }[]>;
  checkBooks(): Promise<readonly string[]>;
  /** Anything but data, and what a client is told to expect while parts die. */
  unexpected(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

export const LEASE_MS = 1_000;
/** What a client meets when the process that it talks to dies under its request: the outcome is unknown, and it asks again with its key. */
const DYING = new Set([...EXPECTED, "ECONNRESET", "UND_ERR_SOCKET", "EPIPE"]);
const PASSWORD = "a long enough secret";
const RENEW_MS = 240_000;

/** @param control takes protection away, for a scenario's control: in the database before anything starts, and in the ledgers' environment */
export async function startWorkloadBench(control?: {
  readonly sql: string;
  readonly ledger: Readonly<Record<string, string>>;
}): Promise<WorkloadBench> {
  const database = await createTestDatabase();
  if (control !== undefined) await runSql(database.url, control.sql);
  let redis: TestRedis | undefined;
  let proxy: TcpProxy | undefined;
  let cluster: FlorinCluster | undefined;
  const stop = async (): Promise<void> => {
    await cluster?.stop();
    await proxy?.stop();
    await redis?.stop();
    await database.drop();
  };
  try {
    redis = await startTestRedis();
    const { hostname, port } = new URL(database.url);
    proxy = await startTcpProxy({ target: { host: hostname, port: Number(port) } });
    const proxiedUrl = proxy.url(database.url);
    cluster = await startFlorinCluster({
      databaseUrl: database.url,
      redisUrl: redis.url,
      ...{ gateways: 2, accounts: 1, ledgers: 2 },
      environment: { FLORIN_LEASE_MS: String(LEASE_MS), LOG_LEVEL: "warn" },
      environmentOf: (kind) => (kind === "ledger" ? { DATABASE_URL: proxiedUrl, ...control?.ledger } : undefined),
    });
    return toBench(database, redis, proxy, cluster, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

function toBench(
  database: TestDatabase,
  redis: TestRedis,
  proxy: TcpProxy,
  cluster: FlorinCluster,
  stop: () => Promise<void>,
): WorkloadBench {
  const client = createPatientClient(cluster.gateways.map(({ url }) => url));
  const email = `owner-${randomUUID()}@example.test`;
  const registered = register(client, email);
  registered.catch(() => undefined); // told to whoever asks for the owner
  const owner = renewed(async () => {
    await registered;
    return signIn(client, email, PASSWORD);
  });
  return {
    cluster,
    redis,
    postgres: proxy,
    leaseMs: LEASE_MS,
    client,
    databaseUrl: database.url,
    owner,
    auditor: renewed(() => signIn(client, "auditor@florin.test", "florin-demo-1")),
    openAccounts: (count) => openAccounts(client, owner, count),
    listOperations: (prefix) => listOperations(database.url, prefix),
    checkBooks: () => checkBooks(database.url),
    unexpected: () => listUnexpected(client, cluster),
    stop,
  };
}

/** With what the parts wrote about it: an answer INTERNAL says nothing to a client. */
async function listUnexpected(client: PatientClient, cluster: FlorinCluster): Promise<readonly string[]> {
  const kinds = [...client.met.keys()].filter((kind) => !DYING.has(kind) && !/timeout|aborted/i.test(kind));
  if (kinds.length === 0) return [];
  const logs = await Promise.all(cluster.parts.map(async (part) => ({ name: part.name, text: await part.log() })));
  const errors = logs.flatMap(({ name, text }) =>
    text.split("\n").flatMap((line) => (line.includes('"level":"error"') ? [`${name}: ${line.slice(0, 1_500)}`] : [])),
  );
  return [...kinds.map((kind) => `a client met ${kind}, ${client.met.get(kind)} times`), ...errors.slice(0, 5)];
}

/** Access tokens live for ten minutes; a long run signs in again in time. */
function renewed(fresh: () => Promise<string>): () => Promise<string> {
  let known: { readonly token: Promise<string>; readonly until: number } | undefined;
  return () => {
    if (known === undefined || performance.now() > known.until) {
      const token = fresh();
      token.catch(() => (known = undefined));
      known = { token, until: performance.now() + RENEW_MS };
    }
    return known.token;
  };
}

async function register(client: PatientClient, email: string): Promise<void> {
  const input = { email, password: PASSWORD, fullName: "Owner", country: "US", currency: "USD" };
  await client.ask("mutation ($input: RegisterInput!) { register(input: $input) { accessToken } }", {
    input: { ...input, idempotencyKey: randomUUID() },
  });
}

async function signIn(client: PatientClient, identifier: string, password: string): Promise<string> {
  const { login } = await client.ask<{ login: { accessToken: string } }>(
    "mutation ($input: LoginInput!) { login(input: $input) { accessToken } }",
    { input: { identifier, password } },
  );
  return login.accessToken;
}

async function openAccounts(
  client: PatientClient,
  owner: () => Promise<string>,
  count: number,
): Promise<readonly string[]> {
  const token = await owner();
  const opened = await Promise.all(
    Array.from({ length: count }, async () => {
      const input = { productId: "wallet", currency: "USD", idempotencyKey: randomUUID(), waitMs: 10_000 };
      const { openAccount } = await client.ask<{ openAccount: { account: { id: string } } }>(
        "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id } } }",
        { input },
        token,
      );
      return openAccount.account.id;
    }),
  );
  await eventually(async () => {
    const { balances } = await client.ask<{ balances: readonly unknown[] }>(
      "query ($ids: [ID!]) { balances(accountIds: $ids) { accountSeq } }",
      { ids: opened },
      token,
    );
    return balances.length === count;
  }, 60_000);
  return opened;
}

async function runSql(databaseUrl: string, text: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  await sql.unsafe(text).finally(() => sql.end({ timeout: 5 }));
}

async function listOperations(databaseUrl: string, prefix: string) {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  try {
    return await sql<{ key: string; status: "COMPLETED" | "REJECTED" }[]>`
      select idempotency_key as key, status from ledger.operation where starts_with(idempotency_key, ${prefix})`;
  } finally {
    await sql.end({ timeout: 5 });
  }
}
