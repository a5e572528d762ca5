import { connectDatabase } from "@florin/db";
import { insertCommands } from "@florin/db/ledger";
import { COMMIT_COMPLETE, eventually, startTcpProxy } from "@florin/testkit";
import { toCommandRow } from "../src/writer/command-json.js";
import type { WriterOutcome } from "../src/writer/command.js";
import {
  deposit,
  expectCompleted,
  expectRejected,
  openTestBook,
  transfer,
  withdrawal,
  type TestBook,
} from "./test-book.js";

let book: TestBook;
beforeEach(async () => {
  book = await openTestBook();
});
afterEach(async () => {
  expect(await book.findings()).toEqual([]);
  await book.stop();
});

const isCompleted = (outcome: WriterOutcome) =>
  outcome.kind === "operation" && outcome.operation.status === "COMPLETED";

describe("two processes on one book", () => {
  test("one leads; calls to either take effect once, and each caller is told", async () => {
    const ada = await book.fundedWallet("100.00");
    const other = book.startWriter().writer;
    const bo = await book.openWallet();
    const commands = Array.from({ length: 60 }, () => transfer(ada, bo, "1.00"));
    const outcomes = await Promise.all(
      commands.map((command, index) => (index % 2 === 0 ? book.writer : other).submit(command)),
    );
    expect(outcomes.every(isCompleted)).toBe(true);
    expect(outcomes.filter((outcome) => outcome.kind === "operation" && outcome.isReplay)).toEqual([]);
    expect([book.writer.isLeader(), other.isLeader()]).toEqual([true, false]);
    expect(await book.balanceOf(bo)).toBe("60.00");
  });

  test("the same call at both is one effect; another input under its key is told to be a key reused", async () => {
    const ada = await book.openWallet();
    const other = book.startWriter().writer;
    const call = deposit(ada, "5.00", { idempotencyKey: "both" });
    await Promise.all([
      ...Array.from({ length: 10 }, () => expectCompleted(book.writer.submit({ ...call }))),
      ...Array.from({ length: 10 }, () => expectCompleted(other.submit({ ...call }))),
    ]);
    expect(await other.submit(deposit(ada, "6.00", { idempotencyKey: "both" }))).toEqual({ kind: "key-reused" });
    expect(await book.balanceOf(ada)).toBe("5.00");
  });

  test("refusals are told by the process without the lease too", async () => {
    const ada = await book.openWallet();
    await expectRejected(book.startWriter().writer.submit(withdrawal(ada, "1.00")), "INSUFFICIENT_FUNDS");
  });

  test("a durable command is taken up without any call, and its row is gone afterwards", async () => {
    const ada = await book.openWallet();
    await insertCommands(book.admin.sql, 1, [toCommandRow(deposit(ada, "3.00"))]);
    await eventually(async () => (await book.balanceOf(ada)) === "3.00");
    expect(await book.admin.sql`select command_id from ledger.command`).toHaveLength(0);
  });

  test("a command that nobody here can read stays, and does not hold up the others", async () => {
    const ada = await book.openWallet();
    const strange = toCommandRow(deposit(ada, "1.00"));
    await insertCommands(book.admin.sql, 1, [{ ...strange, payload: { kind: "from the future" } }]);
    const other = toCommandRow(deposit(ada, "2.00"));
    await insertCommands(book.admin.sql, 1, [other]);
    await eventually(async () => (await book.balanceOf(ada)) === "2.00");
    const left = await book.admin.sql<{ id: string }[]>`select command_id as id from ledger.command`;
    expect(left.map((row) => row.id)).toEqual([strange.commandId]);
  });

  test("when the leader dies without a word, the other takes over, and what was durable is done", async () => {
    const ada = await book.fundedWallet("10.00");
    const heir = book.startWriter();
    const another = book.startWriter();
    expect(book.writer.isLeader()).toBe(true);
    await expectCompleted(heir.writer.submit(withdrawal(ada, "1.00")));
    await book.crash(book.writer);
    const [one, two] = await Promise.all([
      heir.writer.submit(withdrawal(ada, "2.00")),
      another.writer.submit(withdrawal(ada, "3.00")),
    ]);
    expect([one, two].every(isCompleted)).toBe(true);
    expect(heir.writer.isLeader() || another.writer.isLeader()).toBe(true);
    expect(await book.balanceOf(ada)).toBe("4.00");
  });

  test("a lease given back at the stop is taken at once, long before it would run out", async () => {
    const slow = await openTestBook({ leaseMs: 60_000 });
    try {
      const ada = await slow.openWallet();
      await slow.writer.stop(5_000);
      const heir = slow.startWriter({ leaseMs: 600 }).writer;
      await expectCompleted(heir.submit(deposit(ada, "1.00")));
      expect(heir.isLeader()).toBe(true);
      await expect(slow.writer.submit(deposit(ada, "1.00"))).rejects.toMatchObject({ code: "TEMPORARILY_UNAVAILABLE" });
    } finally {
      await slow.stop();
    }
  });
});

describe("fencing", () => {
  test("a writer whose epoch was taken commits nothing under it, and its callers still get their effect", async () => {
    const ada = await book.fundedWallet("50.00");
    const bo = await book.openWallet();
    for (let round = 0; round < 5; round++) {
      const calls = Promise.all(Array.from({ length: 10 }, () => book.writer.submit(transfer(ada, bo, "1.00"))));
      await book.admin.sql`
        update ledger.head set epoch = epoch + 1, holder = 'thief', lease_until = clock_timestamp() + interval '300 ms'`;
      expect((await calls).every(isCompleted)).toBe(true);
    }
    expect(await book.balanceOf(bo)).toBe("50.00");
  });

  test("a batch that overtook ours makes ours read again", async () => {
    const ada = await book.fundedWallet("10.00");
    const held = connectDatabase({ url: book.url, applicationName: "holder", maxConnections: 1 });
    try {
      let calls: Promise<WriterOutcome>[] = [];
      await held.transaction(async (tx) => {
        await tx`update ledger.head set batch = batch + 1`; // our batch waits for this row, then finds another number in it
        calls = Array.from({ length: 5 }, () => book.writer.submit(withdrawal(ada, "1.00")));
        await eventually(async () => {
          const rows = await book.admin
            .sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%ledger.head%'`;
          return rows.length > 0;
        });
      });
      expect((await Promise.all(calls)).every(isCompleted)).toBe(true);
    } finally {
      await held.stop();
    }
    expect(await book.balanceOf(ada)).toBe("5.00");
  });
});

describe("faults of the database", () => {
  test("connections that are killed again and again lose nothing and double nothing", async () => {
    const ada = await book.fundedWallet("1000.00");
    const bo = await book.openWallet();
    let kills = 0;
    let isDone = false;
    const killing = (async () => {
      while (!isDone) {
        const rows = await book.admin.sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and application_name = 'florin-test-ledger' and state <> 'idle'`;
        kills += rows.length;
        await new Promise((resolve) => setTimeout(resolve, rows.length === 0 ? 1 : 100)); // time to come back
      }
    })();
    let completed = 0;
    try {
      await eventually(async () => {
        const commands = Array.from({ length: 20 }, () => transfer(ada, bo, "0.01"));
        const outcomes = await Promise.all(
          commands.map((command) => submitUntilKnown(() => book.writer.submit(command))),
        );
        completed += outcomes.filter(isCompleted).length;
        return kills >= 10;
      }, 40_000);
    } finally {
      isDone = true;
      await killing;
    }
    expect(kills).toBeGreaterThanOrEqual(10);
    expect(completed % 20).toBe(0); // every call was told, and every one had its effect
    expect(await book.balanceOf(bo)).toBe((completed / 100).toFixed(2));
  });

  test("a storm that kills every connection for two seconds only holds things up", async () => {
    const ada = await book.fundedWallet("1000.00");
    const bo = await book.openWallet();
    const until = performance.now() + 2_000;
    const storm = (async () => {
      while (performance.now() < until)
        await book.admin.sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and application_name = 'florin-test-ledger' and state <> 'idle'`;
    })();
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => submitUntilKnown(() => book.writer.submit(transfer(ada, bo, "0.01")))),
    );
    await storm;
    expect(outcomes.every(isCompleted)).toBe(true);
  });

  test("commits that went through but were never heard of are found by key, and told as done", async () => {
    const ada = await book.openWallet();
    await book.writer.stop(5_000);
    const { hostname, port } = new URL(book.url);
    const proxy = await startTcpProxy({ target: { host: hostname, port: Number(port) } });
    const { writer } = book.startWriter({ url: proxy.url(book.url) });
    try {
      await expectCompleted(writer.submit(deposit(ada, "1.00")));
      for (let round = 0; round < 2; round++) {
        const cut = proxy.cutAfter(COMMIT_COMPLETE);
        const calls = Array.from({ length: 5 }, () => writer.submit(deposit(ada, "1.00")));
        for (const outcome of await Promise.all(calls))
          expect(outcome).toMatchObject({ isReplay: false, operation: { status: "COMPLETED" } });
        expect(cut.hasFired).toBe(true);
      }
      expect(await book.balanceOf(ada)).toBe("11.00");
    } finally {
      await writer.stop(5_000);
      await book.crash(writer);
      await proxy.stop();
    }
  });

  test("a connection that is lost inside of COMMIT is read again by key, and its batch is sent again", async () => {
    const ada = await book.openWallet();
    await book.admin.sql.unsafe(`
      create function ledger.slow_commit() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.3); return null; end $$;
      create constraint trigger slow_commit after insert on ledger.operation deferrable initially deferred
        for each row execute function ledger.slow_commit();`);
    const call = deposit(ada, "1.00");
    const outcome = book.writer.submit(call);
    await eventually(async () => {
      const rows = await book.admin.sql`
        select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'florin-test-ledger'
          and datname = current_database() and wait_event = 'PgSleep'`;
      return rows.length > 0;
    });
    expect(await outcome).toMatchObject({ kind: "operation", isReplay: false, operation: { status: "COMPLETED" } });
    expect(await book.balanceOf(ada)).toBe("1.00");
  });

  async function submitUntilKnown(submit: () => Promise<WriterOutcome>): Promise<WriterOutcome> {
    return await eventually(async () => {
      try {
        return await submit();
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "TEMPORARILY_UNAVAILABLE") return undefined;
        throw error;
      }
    }, 30_000);
  }
});

describe("what PostgreSQL refuses by itself", () => {
  test.each([
    ["update ledger.posting set amount = amount", "append-only"],
    ["delete from ledger.posting", "append-only"],
    ["truncate ledger.posting cascade", "append-only"],
    ["update ledger.operation set status = 'REJECTED'", "append-only"],
    ["delete from ledger.posting_instruction_batch", "append-only"],
    ["delete from ledger.outbox", "append-only"],
    ["update ledger.balance set total_debit = -1", "violates check"],
    [
      `insert into ledger.posting select book_id, account_id, account_seq + 1, seq, batch_id, ordinal, address, asset, denomination,
        phase, side, amount, value_at, booked_at, committed_after, 0, 0 from ledger.posting limit 1`,
      "INV-1",
    ],
    [
      `insert into ledger.posting select book_id, account_id, account_seq + 2, seq, batch_id, ordinal, address, asset, denomination,
        phase, side, amount, value_at, booked_at, committed_after, 0, 0 from ledger.posting`,
      "INV-4",
    ],
    [
      `insert into ledger.posting select book_id, account_id, account_seq + 1, seq, batch_id, ordinal, address, asset, denomination,
        phase, side, -amount, value_at, booked_at, committed_after, 0, 0 from ledger.posting`,
      "violates check",
    ],
    [
      `insert into ledger.operation select operation_id, book_id, principal, idempotency_key, fingerprint, type, status, null, null,
        account_id, amount, denomination, batch_id, correlation_id, created_at, completed_at from ledger.operation`,
      "duplicate key",
    ],
  ])("%s", async (statement, message) => {
    await book.fundedWallet("1.00");
    await expect(book.admin.sql.unsafe(statement)).rejects.toThrow(message);
  });

  test("the ledger's own role may not touch what the superuser may", async () => {
    await book.fundedWallet("1.00");
    const ledger = connectDatabase({ url: book.url, area: "ledger", applicationName: "role", maxConnections: 1 });
    try {
      for (const statement of ["delete from ledger.posting", "update ledger.account set denomination = 'EUR'"])
        await expect(ledger.sql.unsafe(statement)).rejects.toThrow("permission denied");
    } finally {
      await ledger.stop();
    }
  });
});
