import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  classifyDatabaseError,
  connectDatabase,
  listen,
  notify,
  type Database,
  type DatabaseOptions,
} from "@florin/db";
import { eventually, startPostgresPair, type PostgresPair } from "@florin/testkit";
import postgres from "postgres";

const SLOW_MS = 20_000;
const open: Database[] = [];
const pairs: PostgresPair[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((database) => database.stop()));
  await Promise.all(pairs.splice(0).map((pair) => pair.stop()));
});

async function startPair(synchronous: "on" | "off" = "off"): Promise<PostgresPair> {
  const pair = await startPostgresPair({ synchronous });
  pairs.push(pair);
  return pair;
}

function connect(url: string, more: Partial<DatabaseOptions> = {}): Database {
  const database = connectDatabase({ url, applicationName: "client", maxConnections: 4, deadlineMs: 10_000, ...more });
  open.push(database);
  return database;
}

async function stop(database: Database): Promise<void> {
  open.splice(open.indexOf(database), 1);
  await database.stop();
}

/** The database's own word, so no test believes the client about where it is. */
async function portOf({ sql }: Database): Promise<number | undefined> {
  return (await sql<{ port: number }[]>`select inet_server_port() as port`)[0]?.port;
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

const reversed = (url: string): string => url.replace(/@([^,/]+),([^,/]+)\//, "@$2,$1/");

describe("a URL of several hosts", () => {
  test("leads to the primary whatever the order, and many pools search together", async () => {
    const pair = await startPair();
    for (const url of [pair.url, reversed(pair.url)]) {
      const pools = Array.from({ length: 4 }, () => connect(url));
      const ports = await Promise.all(pools.flatMap((pool) => [portOf(pool), portOf(pool)]));
      expect(new Set(ports)).toEqual(new Set([pair.primary.port]));
    }
  });

  test("moves transactions, statements and listeners to the new primary, and the old one that comes back is refused", async () => {
    const pair = await startPair("on");
    const primaries: number[] = [];
    const directory = await mkdtemp(join(tmpdir(), "florin-timeline-"));
    const timelineFile = join(directory, "timeline");
    const client = connect(pair.url, { timelineFile, onPrimary: ({ port }) => primaries.push(port) });
    try {
      await client.sql`create table note (id int primary key)`;
      const heard: string[] = [];
      const hints = await listen(client, "news", (payload) => heard.push(payload));
      await client.transaction((tx) => tx`insert into note values (1)`);

      const supervisor = pair.superviseFailover();
      await pair.killPrimary();
      await supervisor.done;
      await eventually(
        () => client.transaction((tx) => tx`insert into note values (2) on conflict do nothing`),
        SLOW_MS,
      );
      expect(await portOf(client)).toBe(pair.standby.port);
      expect(await client.sql<{ id: number }[]>`select id from note order by id`).toEqual([{ id: 1 }, { id: 2 }]);
      await eventually(() => notify(client.sql, "news", "after").then(() => heard.includes("after")), SLOW_MS);
      await hints.stop();

      // The old primary is back, unfenced, and says that it is the primary. The driver's own list of hosts believes it: the control.
      await pair.restartOldPrimaryUnfenced();
      const driver = postgres(pair.url, { max: 1, target_session_attrs: "primary", onnotice: () => undefined });
      expect(await driver`select inet_server_port() as port`).toEqual([{ port: pair.primary.port }]);
      await driver.end();
      const newcomer = connect(pair.url, { timelineFile: join(directory, "none-yet") }); // knows nothing, sees both
      expect(await portOf(newcomer)).toBe(pair.standby.port);
      await stop(newcomer);
      expect(await portOf(client)).toBe(pair.standby.port);

      // The new one is gone: better none than the old one.
      await pair.killStandby();
      const refused = await eventually(async () => {
        const error = await failureOf(client.sql`select 1`);
        return error instanceof Error && error.name === "NoPrimaryError" ? error : undefined;
      }, 60_000);
      expect(refused.message).toContain("an old primary is back and must be fenced");
      expect(classifyDatabaseError(refused)).toBe("not-applied");
      await stop(client);

      // After a restart, with the file and (the control) without.
      expect((await readFile(timelineFile, "utf8")).trim()).toBe("2");
      const restarted = connect(pair.url, { timelineFile, deadlineMs: 2_000 });
      expect(await failureOf(restarted.sql`select 1`)).toMatchObject({ code: "NO_PRIMARY" });
      const forgetful = connect(pair.url);
      expect(await portOf(forgetful)).toBe(pair.primary.port);
      expect(primaries).toEqual([pair.primary.port, pair.standby.port]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }, 180_000);

  test("leaves a primary that was cut off from its successor, though it still answers", async () => {
    const pair = await startPair();
    const client = connect(pair.url);
    expect(await portOf(client)).toBe(pair.primary.port);
    await pair.promote(); // the old one lives and does not know
    await eventually(async () => (await portOf(client)) === pair.standby.port, SLOW_MS);
  });

  test("a read-only answer makes it look again, and what was right stays", async () => {
    const pair = await startPair();
    const client = connect(pair.url, { maxConnections: 1 });
    const pid = async () => (await client.sql<{ pid: number }[]>`select pg_backend_pid() as pid`)[0]?.pid;
    const before = await pid();
    await client.sql`create table note (id int)`;
    const error = await failureOf(
      client.transaction(async (tx) => {
        await tx`set transaction read only`;
        await tx`insert into note values (1)`;
      }),
    );
    expect(classifyDatabaseError(error)).toBe("not-applied");
    await client.sql`insert into note values (2)`;
    expect(await pid()).toBe(before);
  });

  test("a timeline file that holds something else is an error, not a guess", async () => {
    const directory = await mkdtemp(join(tmpdir(), "florin-timeline-"));
    const timelineFile = join(directory, "timeline");
    await writeFile(timelineFile, "two");
    const client = connect("postgres://u:p@127.0.0.1:1,127.0.0.1:2/db", { timelineFile, deadlineMs: 500 });
    expect(await failureOf(client.sql`select 1`)).toMatchObject({
      message: expect.stringContaining("number of a timeline"),
    });
    await rm(directory, { recursive: true, force: true });
  });
});

describe("while no host is the primary", () => {
  async function deadUrl(): Promise<string> {
    const ports = await Promise.all(
      [1, 2].map(
        () =>
          new Promise<number>((resolve) => {
            const server = createServer().listen(0, "127.0.0.1", () => {
              const address = server.address();
              server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
            });
          }),
      ),
    );
    return `postgres://nobody:x@${ports.map((port) => `127.0.0.1:${port}`).join(",")}/none`;
  }

  test("each call ends at its deadline, not applied, and the pool leaks no place", async () => {
    const client = connect(await deadUrl(), { maxConnections: 2, deadlineMs: 400 });
    for (let round = 0; round < 3; round++) {
      const errors = await Promise.all([
        failureOf(client.sql`select 1`),
        failureOf(client.transaction((tx) => tx`select 1`)),
      ]);
      expect(errors.map(classifyDatabaseError)).toEqual(["not-applied", "not-applied"]);
    }
  });

  test("stop() waits for its deadline and no longer", async () => {
    const client = connect(await deadUrl(), { deadlineMs: 1_500 });
    const failure = failureOf(client.sql`select 1`);
    const stopped = client.stop();
    expect(await Promise.race([stopped.then(() => "stopped"), delay(30_000)])).toBe("stopped");
    expect(await failure).toBeInstanceOf(Error);
  });

  test("statements that nobody sends are bounded in number and in time", async () => {
    const client = connect(await deadUrl(), { maxConnections: 1, deadlineMs: 1_000 });
    const startedAt = performance.now();
    const errors = await Promise.all(Array.from({ length: 5_010 }, () => failureOf(client.sql`select 1`)));
    expect(errors.filter((error) => hasCode(error, "TEMPORARILY_UNAVAILABLE"))).toHaveLength(10);
    expect(errors.filter((error) => hasCode(error, "DATABASE_DEADLINE")).length).toBeGreaterThan(4_900);
    // One connection, which fails one statement a second: without a bound the last would wait for more than an hour.
    expect(performance.now() - startedAt).toBeLessThan(30_000);
  });

  const hasCode = (error: unknown, code: string) => (error as { readonly code?: string } | undefined)?.code === code;
  const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms, "late").unref());
});

test("a commit that waits for a lost standby ends at the deadline as unknown, and is there once when it comes back", async () => {
  const pair = await startPair("on");
  const setup = connect(pair.primary.url);
  await setup.sql`create table note (id int)`;
  await pair.detachStandby();
  const client = connect(pair.url, { deadlineMs: 1_500 });
  const error = await failureOf(client.transaction((tx) => tx`insert into note values (1)`));
  expect(error).toMatchObject({ code: "DATABASE_DEADLINE" });
  expect(classifyDatabaseError(error)).toBe("unknown");
  await pair.attachStandby();
  await eventually(async () => (await client.sql`select from note`).count === 1, SLOW_MS);
  await client.transaction((tx) => tx`insert into note values (2)`);
  expect(await client.sql<{ id: number }[]>`select id from note order by id`).toEqual([{ id: 1 }, { id: 2 }]);
});

test("a listener outlives a server that is away for longer than its attempts", async () => {
  const pair = await startPair();
  const client = connect(pair.primary.url, { deadlineMs: 2_000 }); // one host: nothing searches
  const heard: string[] = [];
  await listen(client, "news", (payload) => heard.push(payload));
  await pair.killPrimary();
  await eventually(async () => (await failureOf(client.sql`select 1`)) !== undefined);
  await eventually(async () => (await failureOf(client.sql`select 1`)) !== undefined);
  await pair.restartOldPrimaryUnfenced();
  await eventually(() => notify(client.sql, "news", "again").then(() => heard.includes("again")), SLOW_MS);
});
