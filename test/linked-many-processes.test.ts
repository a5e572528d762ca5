import { randomUUID } from "node:crypto";
import { createServer, request as forward, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { startPlaidSimulator, type PlaidSimulator } from "@florin/plaid-simulator";
import {
  createTestDatabase,
  eventually,
  startFlorinCluster,
  startTestRedis,
  whereRedisIs,
  type FlorinCluster,
  type TestDatabase,
  type TestRedis,
} from "@florin/testkit";
import postgres from "postgres";

// Linked accounts with every part a process of its own, two of them accounts: webhooks come in at the gateway, any worker takes the work,
// all are killed in the midst of 3 000 transactions, and a storm of webhooks is one line of cursors.

const TRANSACTIONS = 3_000;
const STORM = 60;
/** Of each answer: time to die in. */
const SLOW_MS = 300;
const PATIENCE_MS = 60_000;

whereRedisIs(describe, describe.skip)("linked accounts in many processes", () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let simulator: PlaidSimulator;
  let cluster: FlorinCluster;
  let door: Server;
  let sql: postgres.Sql;

  beforeAll(async () => {
    [database, redis] = await Promise.all([createTestDatabase(), startTestRedis()]);
    simulator = await startPlaidSimulator({ limitsScale: Infinity });
    // Where webhooks go is told to accounts before the gateway has an address.
    door = createServer((incoming, outgoing) => {
      const to = new URL(incoming.url ?? "/", cluster.gateways[0]!.url);
      const { method, headers } = incoming;
      incoming.pipe(
        forward(to, { method, headers }, (answer) => answer.pipe(outgoing.writeHead(answer.statusCode ?? 502))).on(
          "error",
          () => outgoing.writeHead(502).end(),
        ),
      );
    });
    await new Promise<void>((done) => door.listen(0, "127.0.0.1", done));
    const { port } = door.address() as AddressInfo;
    cluster = await startFlorinCluster({
      databaseUrl: database.url,
      redisUrl: redis.url,
      accounts: 2,
      environment: { LOG_LEVEL: "warn", FLORIN_DEMO: "0" },
      environmentOf: (kind) =>
        kind === "accounts"
          ? {
              PLAID_ENV: "simulator",
              PLAID_SIMULATOR_URL: simulator.url,
              PLAID_WEBHOOK_URL: `http://127.0.0.1:${port}/webhooks/plaid`,
            }
          : undefined,
    });
    sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  }, 120_000);
  afterAll(async () => {
    await sql?.end();
    await cluster?.stop();
    await new Promise((done) => door?.close(done));
    await simulator?.stop();
    await redis?.stop();
    await database?.drop();
  });

  async function graph<Data>(query: string, variables: unknown, token?: string): Promise<Data> {
    const response = await fetch(`${cluster.gateways[0]!.url}/graphql`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(30_000),
    });
    const answer = (await response.json()) as { data?: Data; errors?: unknown };
    if (answer.errors !== undefined || answer.data === undefined) throw new Error(JSON.stringify(answer));
    return answer.data;
  }

  async function register(): Promise<string> {
    const { register } = await graph<{ register: { accessToken: string } }>(
      "mutation ($i: RegisterInput!) { register(input: $i) { accessToken } }",
      {
        i: {
          email: `${randomUUID()}@example.test`,
          password: "a long enough secret",
          fullName: "Big",
          country: "US",
          idempotencyKey: randomUUID(),
        },
      },
    );
    return register.accessToken;
  }

  async function obtainPublicToken(userName: string, webhook: string): Promise<string> {
    const response = await fetch(`${simulator.url}/sandbox/public_token/create`, {
      method: "POST",
      headers: { "content-type": "application/json", "PLAID-CLIENT-ID": "florin-demo", "PLAID-SECRET": "florin-demo" },
      body: JSON.stringify({
        institution_id: "ins_109508",
        initial_products: ["transactions"],
        options: { override_username: userName, override_password: "pass_good", webhook },
      }),
    });
    return ((await response.json()) as { public_token: string }).public_token;
  }

  const countTransactions = async (): Promise<number> =>
    (
      await sql<{ n: number }[]>`select count(*)::int as n from accounts.linked_transaction where removed_at is null`
    )[0]!.n;

  test("thousands of transactions arrive though the worker that reads them is killed, and a storm of webhooks doubles nothing", async () => {
    const token = await register();
    const { port } = door.address() as AddressInfo;
    await graph(
      "mutation ($i: CreateLinkTokenInput!) { createLinkToken(input: $i) { expiresAt } }",
      { i: { idempotencyKey: randomUUID() } },
      token,
    );
    const publicToken = await obtainPublicToken("user_deposit_only", `http://127.0.0.1:${port}/webhooks/plaid`);
    await graph(
      "mutation ($i: ExchangePublicTokenInput!) { exchangePublicToken(input: $i) { linkedItem { id } } }",
      { i: { publicToken, idempotencyKey: randomUUID() } },
      token,
    );
    const simulated = simulator.control.items.list().at(-1)!.itemId;
    simulator.control.items.pull(simulated);
    const seeded = simulator.control.items.get(simulated).transactions.length;
    const all = seeded + TRANSACTIONS;
    simulator.control.addFault({ match: { endpoint: "/transactions/sync" }, action: { kind: "latency", ms: SLOW_MS } });
    simulator.control.items.changeTransactions(simulated, {
      add: Array.from({ length: TRANSACTIONS }, (_, at) => ({ amount: at / 100 + 1, name: `transaction ${at}` })),
    });

    // Whoever reads it now dies by SIGKILL, its lease runs out, and another begins the run again.
    await eventually(() => simulator.control.calls({ endpoint: "/transactions/sync" }).length >= 4, PATIENCE_MS);
    await Promise.all(cluster.accounts.map((part) => part.kill()));
    simulator.control.removeFaults();
    await Promise.all(cluster.accounts.map((part) => part.restart()));
    await eventually(async () => (await countTransactions()) === all, PATIENCE_MS);

    const before = await sql<{ version: bigint }[]>`select cursor_version::int as version from accounts.linked_item`;
    simulator.control.items.changeTransactions(simulated, { add: [{ amount: 1.5, name: "in the storm" }] });
    for (let at = 0; at < STORM; at++)
      simulator.control.items.sendWebhook(simulated, {
        webhook_type: "TRANSACTIONS",
        webhook_code: "SYNC_UPDATES_AVAILABLE",
        fields: { initial_update_complete: true, historical_update_complete: true },
      });
    await eventually(async () => (await countTransactions()) === all + 1, PATIENCE_MS);
    await eventually(async () => {
      const [row] = await sql<{ waiting: number }[]>`
        select (select count(*)::int from accounts.linked_job where requested > done)
          + (select count(*)::int from accounts.plaid_webhook where processed_at is null) as waiting`;
      return row?.waiting === 0;
    }, PATIENCE_MS);
    const after = await sql<{ version: bigint }[]>`select cursor_version::int as version from accounts.linked_item`;
    expect(Number(after[0]!.version) - Number(before[0]!.version)).toBeGreaterThan(0);
    expect(await countTransactions()).toBe(all + 1);

    const truth = new Map(
      simulator.control.items.get(simulated).transactions.map((it) => [it.transaction_id, it.amount]),
    );
    const stored = await sql<{ id: string; amount: string }[]>`
      select plaid_transaction_id as id, amount::text from accounts.linked_transaction where removed_at is null`;
    expect(stored.every(({ id, amount }) => truth.get(id) === Number(amount))).toBe(true);
    expect(truth.size).toBe(stored.length);
    // Portfolio, in a process of its own, has heard of every one.
    await eventually(async () => {
      const [row] = await sql<{ n: number }[]>`select count(*)::int as n from portfolio.linked_transaction`;
      if (row?.n !== all + 1) throw new Error(`portfolio has ${row?.n}`);
      return true;
    }, PATIENCE_MS);
  }, 240_000);
});
