import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  clockSkew,
  createTestDatabase,
  eventually,
  startFlorinCluster,
  startSmallDisk,
  startTestRedis,
  whereRedisIs,
  type FlorinCluster,
  type TestDatabase,
  type TestRedis,
} from "../src/index.js";

const describeWithRedis = whereRedisIs(describe, describe.skip);

describeWithRedis("a cluster of real processes", () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let cluster: FlorinCluster;

  beforeAll(async () => {
    database = await createTestDatabase();
    redis = await startTestRedis();
    cluster = await startFlorinCluster({ databaseUrl: database.url, redisUrl: redis.url, ledgers: 2 });
  }, 120_000);

  afterAll(async () => {
    await cluster?.stop();
    await redis?.stop();
    await database?.drop();
  });

  test("serves through its gateway", async () => {
    const response = await fetch(`${cluster.gateways[0]?.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "{ __typename }" }),
      signal: AbortSignal.timeout(10_000),
    });
    expect(await response.json()).toMatchObject({ data: { __typename: "Query" } });
  });

  test("a part is killed by its id and comes back at its address, as another process", async () => {
    const [ledger] = cluster.ledgers;
    const { url, pid } = ledger!;
    expect(await ledger!.kill()).toEqual({ code: null, signal: "SIGKILL" });
    expect(ledger!.isRunning).toBe(false);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    await ledger!.restart();
    expect(ledger!.url).toBe(url);
    expect(ledger!.pid).not.toBe(pid);
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
  });

  test("a frozen part answers nothing and goes on when resumed", async () => {
    const part = cluster.accounts[0]!;
    part.freeze();
    await expect(fetch(`${part.url}/health/live`, { signal: AbortSignal.timeout(300) })).rejects.toThrow();
    part.resume();
    await eventually(async () => (await fetch(`${part.url}/health/live`)).status === 200, 10_000);
  });

  test("a part stops in order when asked", async () => {
    const part = cluster.ledgers[1]!;
    expect(await part.stop()).toEqual({ code: 0, signal: null });
    await part.restart();
  });

  test("a launch takes an environment of its own: a clock five minutes ahead", async () => {
    const ahead = clockSkew("+300s");
    if (ahead === undefined) return; // no libfaketime here
    const part = cluster.ledgers[1]!;
    // Not restart: nobody believes the tokens of a process whose clock is so far off, and it says that it is not ready.
    await part.launch(ahead);
    await eventually(async () => {
      const last = (await part.log()).trimEnd().split("\n").at(-1) ?? "";
      return new Date((JSON.parse(last) as { time: string }).time).getTime() > Date.now() + 200_000;
    }, 30_000);
    await part.kill();
    await part.restart({});
  });

  test("a fault point armed for one part ends that part", async () => {
    const part = cluster.gateways[0]!;
    await part.launch({ FLORIN_FAULT: "gateway.request.received:1:kill" });
    await eventually(async () => {
      if (part.isRunning) await fetch(`${part.url}/graphql?query={__typename}`, { signal: AbortSignal.timeout(5_000) });
      return !part.isRunning;
    }, 30_000);
    expect(await part.exited).toEqual({ code: null, signal: "SIGKILL" });
    await part.restart({});
  });

  test("a part that cannot start says why, with its last lines", async () => {
    const part = cluster.accounts[0]!;
    await expect(part.restart({ LOG_LEVEL: "loud" })).rejects.toThrow(/accounts-0 ended .*\n.*last lines[^]*LOG_LEVEL/);
    await part.restart({});
  });

  test("stop leaves no process and no file", async () => {
    const pids = cluster.parts.map((part) => part.pid);
    await cluster.stop();
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    expect(existsSync(cluster.directory)).toBe(false);
  });
});

test("a small disk fills, and has room again when it grows", async () => {
  const disk = await startSmallDisk(1024 * 1024);
  if (disk === undefined) return; // no right to mount here
  try {
    const file = join(disk.path, "data");
    await expect(writeFile(file, Buffer.alloc(2 * 1024 * 1024))).rejects.toThrow("ENOSPC");
    await disk.resize(4 * 1024 * 1024);
    await writeFile(file, Buffer.alloc(2 * 1024 * 1024));
  } finally {
    await disk.stop();
  }
  expect(existsSync(disk.path)).toBe(false);
});
