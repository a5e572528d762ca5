import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { classifyDatabaseError, connectDatabase, type Database } from "@florin/db";
import { createTestDatabase, eventually, type TestDatabase } from "@florin/testkit";

let testDatabase: TestDatabase;
const open: Database[] = [];

beforeAll(async () => {
  testDatabase = await createTestDatabase();
});
afterAll(async () => {
  await Promise.all(open.map((database) => database.stop()));
  await testDatabase.drop();
});

function connect(
  options: { url?: string; maxConnections?: number; deadlineMs?: number; name?: string } = {},
): Database {
  const database = connectDatabase({
    url: options.url ?? testDatabase.url,
    applicationName: options.name ?? "test",
    maxConnections: options.maxConnections ?? 4,
    deadlineMs: options.deadlineMs,
  });
  open.push(database);
  return database;
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("a connection that dies inside a transaction", () => {
  test("fails every transaction on it, ends nothing else, and the pool goes on", async () => {
    const database = connect({ maxConnections: 8, name: "victim" });
    const admin = connect({ maxConnections: 1 });
    await database.sql`create table survivors (id int)`;
    for (let round = 0; round < 5; round++) {
      const outcomes = Array.from({ length: 16 }, () =>
        failureOf(
          database.transaction(async (tx) => {
            for (;;) await tx`select pg_sleep(0.001)`; // busy until its connection is gone
          }),
        ),
      );
      await eventually(async () => {
        const [row] = await admin.sql<{ n: number }[]>`
          select count(*)::int as n from pg_stat_activity where application_name = 'victim' and xact_start is not null`;
        return row?.n === 8;
      });
      // Until the last has failed: those that waited for a place begin on new connections. One termination after the
      // other: on a slow machine those of a timer would queue, outlive the round and end the next round's transactions.
      let haveAllFailed = false;
      const errorsOfAll = Promise.all(outcomes).finally(() => (haveAllFailed = true));
      while (!haveAllFailed) {
        await admin.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'`;
      }
      const errors = await errorsOfAll;
      expect(errors.map(classifyDatabaseError)).toEqual(Array(16).fill("unknown"));
      const result = await eventually(() => database.transaction((tx) => tx<{ ok: number }[]>`select 1 as ok`));
      expect(result[0]?.ok).toBe(1);
    }
  });

  test("what the transaction still sends does not reach the connection's next life", async () => {
    const database = connect({ maxConnections: 1, name: "one-life" });
    const admin = connect({ maxConnections: 1 });
    let lateInsert: Promise<unknown> | undefined;
    let resume: () => void = () => undefined;
    const resumed = new Promise<void>((done) => (resume = done));
    const failure = failureOf(
      database.transaction(async (tx) => {
        const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
        await admin.sql`select pg_terminate_backend(${row?.pid ?? 0})`;
        await resumed;
        lateInsert = failureOf(tx`insert into survivors values (99)`.execute());
        await lateInsert;
      }),
    );
    expect(classifyDatabaseError(await failure)).toBe("unknown");
    await eventually(() => database.sql`select 1`); // the pool's only connection lives again
    resume();
    expect(await eventually(() => lateInsert)).toMatchObject({ code: "CONNECTION_CLOSED" });
    expect(await database.sql`select from survivors where id = 99`).toHaveLength(0);
  });
});

describe("a deadline on every call", () => {
  test("ends a query that the server does not answer, as unknown", async () => {
    const database = connect({ deadlineMs: 300 });
    await eventually(() => database.sql`select 1`); // on a busy machine a first connection may need more than one try
    const startedAt = performance.now();
    const error = await failureOf(database.sql`select pg_sleep(10)`);
    expect(error).toMatchObject({ code: "DATABASE_DEADLINE" });
    expect(classifyDatabaseError(error)).toBe("unknown");
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    expect(await database.sql<{ ok: number }[]>`select 1 as ok`).toEqual([{ ok: 1 }]);
  });

  test("counts again with each answer: many short statements may take longer than the deadline together", async () => {
    const database = connect({ deadlineMs: 300, maxConnections: 1 });
    await eventually(() => database.sql`select 1`);
    await database.transaction(async (tx) => {
      for (let i = 0; i < 5; i++) await tx`select pg_sleep(0.1)`;
    });
    // A pipeline too: each answer is progress for those behind it.
    await Promise.all(Array.from({ length: 5 }, () => database.sql`select pg_sleep(0.1)`));
  });

  test("sees the missing answer of one query behind another's in the same pipeline", async () => {
    const database = connect({ deadlineMs: 300, maxConnections: 1 });
    await eventually(() => database.sql`select 1`);
    const [first, second] = await Promise.allSettled([database.sql`select 1 as ok`, database.sql`select pg_sleep(10)`]);
    expect(first.status).toBe("fulfilled");
    expect(second).toMatchObject({ status: "rejected", reason: { code: "DATABASE_DEADLINE" } });
  });

  test("does not end a connection that has nothing to answer", async () => {
    const database = connect({ deadlineMs: 100, maxConnections: 1 });
    const pid = async (): Promise<number | undefined> =>
      (await database.sql<{ pid: number }[]>`select pg_backend_pid() as pid`)[0]?.pid;
    const before = await pid();
    const until = performance.now() + 350;
    await eventually(() => performance.now() > until);
    expect(await pid()).toBe(before);
  });

  test("ends a call to a server that takes the connection and never speaks", async () => {
    const sockets: Socket[] = [];
    const blackHole: Server = createServer((socket) => void sockets.push(socket.on("error", () => undefined)));
    await new Promise<void>((done) => blackHole.listen(0, "127.0.0.1", done));
    const { port } = blackHole.address() as AddressInfo;
    const database = connect({ url: `postgres://nobody:x@127.0.0.1:${port}/none`, deadlineMs: 300, maxConnections: 2 });
    try {
      const errors = await Promise.all([
        failureOf(database.sql`select 1`),
        failureOf(database.transaction((tx) => tx`select 1`)),
      ]);
      for (const error of errors)
        expect(error).toMatchObject({ code: expect.stringMatching(/DEADLINE|CONNECT_TIMEOUT/) });
    } finally {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => blackHole.close(done));
    }
  });

  test("a refused connection is not applied, each time, and leaks no place of the pool", async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    await new Promise((done) => server.close(done));
    const database = connect({
      url: `postgres://nobody:x@127.0.0.1:${port}/none`,
      maxConnections: 2,
      deadlineMs: 1_000,
    });
    for (let i = 0; i < 5; i++) {
      expect(classifyDatabaseError(await failureOf(database.transaction((tx) => tx`select 1`)))).toBe("not-applied");
    }
  });
});

describe("a bounded pool", () => {
  test("refuses a transaction that finds no place in time, and nothing has happened", async () => {
    const database = connect({ maxConnections: 1, deadlineMs: 200 });
    let release: () => void = () => undefined;
    const held = new Promise<void>((done) => (release = done));
    const holder = database.transaction(() => held);
    let hasBegun = false;
    const error = await failureOf(
      database.transaction(async () => {
        hasBegun = true;
      }),
    );
    release();
    await holder;
    expect(error).toMatchObject({ name: "RequestError", code: "TEMPORARILY_UNAVAILABLE" });
    expect([classifyDatabaseError(error), hasBegun]).toEqual(["not-applied", false]);
  });
});

test("a commit whose wait for the synchronous replica was given up is unknown, not done", async () => {
  const database = connect({ maxConnections: 1, name: "waits-for-replica" });
  const admin = connect({ maxConnections: 1 });
  await admin.sql`create table replicated (id int)`;
  await admin.sql.unsafe("alter system set synchronous_standby_names = 'not_there'");
  await admin.sql`select pg_reload_conf()`;
  try {
    const failure = failureOf(
      database.transaction(async (tx) => {
        await eventually(async () => {
          const [row] = await tx<{ names: string }[]>`select current_setting('synchronous_standby_names') as names`;
          return row?.names === "not_there";
        });
        await tx`set local synchronous_commit = on`;
        await tx`insert into replicated values (1)`;
      }),
    );
    await eventually(async () => {
      const cancelled = await admin.sql`
        select pg_cancel_backend(pid) from pg_stat_activity where application_name = 'waits-for-replica' and wait_event = 'SyncRep'`;
      return cancelled.count === 1;
    });
    expect(classifyDatabaseError(await failure)).toBe("unknown");
  } finally {
    await admin.sql.unsafe("alter system reset synchronous_standby_names");
    await admin.sql`select pg_reload_conf()`;
  }
});
