import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
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

const describeWithRedis = whereRedisIs(describe, describe.skip);
const PATIENCE_MS = 60_000;

async function graph<Data>(url: string, query: string, token?: string) {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query }),
    signal: AbortSignal.timeout(20_000),
  });
  return (await response.json()) as { data?: Data; errors?: { extensions: { code: string } }[] };
}

const LOGIN = 'mutation { login(input: { identifier: "ada@florin.test", password: "florin-demo-1" }) { accessToken } }';
const WALLET = "{ me { accounts(first: 1) { edges { node { id balance { available { amount } } } } } } }";

interface Wallet {
  readonly id: string;
  readonly balance: { readonly available: { readonly amount: string } };
}

async function must<Data>(url: string, query: string, token?: string): Promise<Data> {
  const { data, errors } = await graph<Data>(url, query, token);
  if (data === undefined || errors !== undefined) throw new Error(JSON.stringify(errors));
  return data;
}

async function signIn(url: string): Promise<string> {
  return (await must<{ login: { accessToken: string } }>(url, LOGIN)).login.accessToken;
}

async function adasWallet(url: string): Promise<Wallet> {
  const { me } = await must<{ me: { accounts: { edges: { node: Wallet }[] } } }>(url, WALLET, await signIn(url));
  return me.accounts.edges[0]!.node;
}

describeWithRedis("parts as processes", () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let cluster: FlorinCluster;
  const gateway = () => cluster.gateways[0]!;

  beforeAll(async () => {
    database = await createTestDatabase();
    redis = await startTestRedis();
    cluster = await startFlorinCluster({
      databaseUrl: database.url,
      redisUrl: redis.url,
      environment: { LOG_LEVEL: "warn" },
      environmentOf: (kind) =>
        kind === "gateway" ? { FLORIN_DRAIN_MS: "600000" } : { FLORIN_METRICS_PORT: "0", LOG_LEVEL: "info" },
    });
    await eventually(async () => (await adasWallet(gateway().url)).balance.available.amount === "1000.00", PATIENCE_MS);
  });
  afterAll(async () => {
    await cluster?.stop();
    await redis?.stop();
    await database?.drop();
  });

  it("answer nobody without a service token, and say nothing", async () => {
    for (const part of [...cluster.accounts, ...cluster.ledgers])
      for (const path of ["/graphql", "/events/head", "/identity/jwks", "/identity/revoked-sessions", "/metrics"])
        expect((await fetch(`${part.url}${path}`)).status).toBe(401);
  });

  it("show their metrics on a port of their own", async () => {
    for (const part of [...cluster.accounts, ...cluster.ledgers]) {
      const url = /"url":"([^"]+)","msg":"metrics are served"/.exec(await part.log())?.[1];
      const answer = await fetch(`${url}/metrics`);
      expect(answer.headers.get("content-type")).toContain("text/plain");
      expect(await answer.text()).toMatch(/^florin_/m);
      expect((await fetch(`${url}/graphql`)).status).toBe(404);
    }
  });

  it("refuse the tokens of a session that ended elsewhere", async () => {
    const token = await signIn(gateway().url);
    const me = "{ me { id } }";
    expect((await graph(gateway().url, me, token)).errors).toBeUndefined();
    await graph(gateway().url, "mutation { logout }", token);
    await eventually(
      async () => (await graph(gateway().url, me, token)).errors?.[0]?.extensions.code === "UNAUTHENTICATED",
      PATIENCE_MS,
    );
  });

  it("know who is calling while accounts is away", async () => {
    const [token, { id }] = [await signIn(gateway().url), await adasWallet(gateway().url)];
    const balances = `{ balances(accountIds: ["${id}"]) { available { amount } } }`;
    await cluster.accounts[0]!.kill();
    expect((await graph(gateway().url, balances, token)).errors).toBeUndefined();
    expect((await graph(gateway().url, "{ me { id } }", token)).errors?.[0]?.extensions.code).toBe(
      "TEMPORARILY_UNAVAILABLE",
    );
    await cluster.accounts[0]!.restart();
  });

  it("stay ready and move money while Redis is away", async () => {
    await redis.kill();
    const health = async (url: string) => {
      const response = await fetch(`${url}/health/ready`);
      const { parts } = (await response.json()) as { parts: Record<string, boolean> };
      return { status: response.status, parts };
    };
    for (const part of cluster.parts)
      await eventually(async () => (await health(part.url)).parts["redis"] === false, PATIENCE_MS);
    for (const part of cluster.parts) expect((await health(part.url)).status).toBe(200);
    const [token, { id }] = [await signIn(gateway().url), await adasWallet(gateway().url)];
    const deposit = `mutation { deposit(input: { accountId: "${id}",
      amount: { amount: "1.00", currency: "USD" }, idempotencyKey: "without-redis" }) { operation { status } } }`;
    const answer = await graph<{ deposit: object }>(gateway().url, deposit, token);
    expect(answer).toMatchObject({ data: { deposit: { operation: { status: "COMPLETED" } } } });
    // A process that starts now is as good as one that was there before.
    await cluster.ledgers[0]!.restart();
    expect(await graph<{ deposit: object }>(gateway().url, deposit, token)).toMatchObject({
      extensions: { idempotencyReplayed: true },
    });
    await redis.start();
    await eventually(async () => (await health(gateway().url)).parts["redis"] === true, PATIENCE_MS);
  });

  it("go on answering while they drain, say so, and end at once at the second signal", async () => {
    const { pid, url, exited } = gateway();
    process.kill(pid, "SIGTERM");
    await eventually(async () => (await fetch(`${url}/health/ready`)).status === 503, PATIENCE_MS);
    const answer = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "{ __typename }" }),
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("connection")).toBe("close");
    process.kill(pid, "SIGTERM");
    expect(await exited).toEqual({ code: 1, signal: null });
  });
});

describeWithRedis("all parts together on one machine", () => {
  const main = fileURLToPath(new URL("../apps/service/dist/main.js", import.meta.url));
  let home: string;
  let running: ChildProcess | undefined;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "florin-all-"));
    await chmod(home, 0o755); // as root, PostgreSQL runs as another user that has to pass through
  });
  afterAll(async () => {
    if (running?.exitCode === null) {
      running.kill("SIGTERM");
      await once(running, "exit");
    }
    await rm(home, { recursive: true, force: true });
  });

  async function startAll(): Promise<string> {
    const child = spawn(process.execPath, [main, "all"], {
      env: { PATH: process.env["PATH"] ?? "", PORT: "0", FLORIN_HOME: home, LOG_LEVEL: "warn" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running = child;
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    return eventually(() => {
      if (child.exitCode !== null) throw new Error(output);
      return /^ready on (\S+)$/m.exec(output)?.[1];
    }, 2 * PATIENCE_MS);
  }

  /** The parts and Redis; PostgreSQL hangs from a shell of its own. */
  function childrenOf(pid: number): number[] {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return text === "" ? [] : text.split(" ").map(Number);
  }
  const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  const isAlive = (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };

  async function stopAll(): Promise<void> {
    const child = running!;
    const children = childrenOf(child.pid!);
    child.kill("SIGINT");
    const [code] = (await once(child, "exit")) as [number | null];
    expect(code).toBe(0);
    await eventually(() => children.every((pid) => !isAlive(pid)), PATIENCE_MS);
  }

  const whereProcIs = process.platform === "linux" ? it : it.skip;
  whereProcIs(
    "starts with demo data, starts a part again that died, leaves nothing running, and finds everything again",
    async () => {
      let url = await startAll();
      const before = await adasWallet(url);
      expect(before.balance.available.amount).toBe("1000.00");

      const accounts = childrenOf(running!.pid!).find((pid) => /main\.js accounts/.test(commandOf(pid)));
      process.kill(accounts!, "SIGKILL");
      await eventually(() => !isAlive(accounts!), PATIENCE_MS);
      await eventually(async () => (await adasWallet(url)).id === before.id, PATIENCE_MS);

      await stopAll();
      const { port } = new URL(url);
      await expect(
        new Promise((resolve, reject) => {
          createConnection(Number(port), "127.0.0.1").once("connect", resolve).once("error", reject);
        }),
      ).rejects.toThrow("ECONNREFUSED");

      url = await startAll();
      expect(await adasWallet(url)).toEqual(before);
      await stopAll();
    },
    6 * PATIENCE_MS,
  );
});
