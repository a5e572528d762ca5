import { insertCommands } from "@florin/db/ledger";
import { armFaultPoints, disarmFaultPoints, type FaultPoint } from "@florin/resilience";
import { eventually, startTcpProxy } from "@florin/testkit";
import { toCommandRow } from "../src/writer/command-json.js";
import { deposit, expectCompleted, openTestBook, type TestBook } from "./test-book.js";

let book: TestBook;
beforeEach(async () => {
  book = await openTestBook();
});
afterEach(async () => {
  disarmFaultPoints();
  expect(await book.findings()).toEqual([]);
  await book.stop();
});

/** Microseconds since 1970, by the database's clock. */
async function leaseEnd(): Promise<bigint> {
  const [head] = await book.admin.sql<{ end: bigint }[]>`
    select (extract(epoch from lease_until) * 1000000)::bigint as end from ledger.head`;
  return head!.end;
}

const commitPoints: readonly FaultPoint[] = [
  "ledger.commit.before-read",
  "ledger.commit.after-read",
  "ledger.commit.before-commit",
  "ledger.commit.after-commit",
];

describe("a commit that fails at a fault point", () => {
  test.each(commitPoints)("%s: is read again by key, done once, and told as done", async (point) => {
    const ada = await book.openWallet();
    armFaultPoints({ faults: `${point}:1:throw,${point}:3:throw` });
    for (let call = 0; call < 4; call++)
      expect(await book.writer.submit(deposit(ada, "1.00"))).toMatchObject({
        isReplay: false,
        operation: { status: "COMPLETED" },
      });
    expect(await book.balanceOf(ada)).toBe("4.00");
  });

  test.each(commitPoints)("%s: does a durable command once too", async (point) => {
    const ada = await book.openWallet();
    armFaultPoints({ faults: `${point}:1:throw` });
    await insertCommands(book.admin.sql, 1, [toCommandRow(deposit(ada, "1.00"))]);
    await eventually(async () => (await book.balanceOf(ada)) === "1.00", 20_000);
    await eventually(async () => (await book.admin.sql`select from ledger.command`).length === 0, 20_000);
  });
});

describe("a lease that fails at a fault point", () => {
  test.each<FaultPoint>(["ledger.lease.after-claim", "ledger.lease.before-renew"])(
    "%s: is asked for again, and the book goes on",
    async (point) => {
      const ada = await book.openWallet();
      await book.writer.stop(5_000);
      armFaultPoints({ faults: `${point}:1:throw,${point}:2:throw` });
      const { writer } = book.startWriter();
      await expectCompleted(writer.submit(deposit(ada, "1.00")));
      const before = await leaseEnd();
      await eventually(async () => (await leaseEnd()) > before, 20_000); // renewed by itself while nothing is written
      await expectCompleted(writer.submit(deposit(ada, "1.00")));
      expect(await book.balanceOf(ada)).toBe("2.00");
    },
  );
});

describe("making a command durable, with the answer lost", () => {
  test.each<FaultPoint>(["ledger.command.before-insert", "ledger.command.after-insert"])(
    "%s: is written once, and durable is what the caller is told",
    async (point) => {
      const ada = await book.openWallet();
      armFaultPoints({ faults: `${point}:1:throw,${point}:3:throw` });
      for (let call = 0; call < 2; call++) expect(await book.writer.enqueue(deposit(ada, "1.00"))).toBe("durable");
      await eventually(async () => (await book.balanceOf(ada)) === "2.00", 20_000);
    },
  );

  test("on the wire: the same statement again finds the row, and nothing is told as refused", async () => {
    const ada = await book.openWallet();
    const { hostname, port } = new URL(book.url);
    const proxy = await startTcpProxy({ target: { host: hostname, port: Number(port) } });
    try {
      const { writer } = book.startWriter({ url: proxy.url(book.url) });
      const call = deposit(ada, "1.00");
      const cut = proxy.cutAfter("INSERT 0 1\0");
      expect(await writer.enqueue(call)).toBe("durable");
      expect(cut.hasFired).toBe(true);
      expect(await writer.submit(call)).toMatchObject({ operation: { status: "COMPLETED" } });
      expect(await book.balanceOf(ada)).toBe("1.00");
      await writer.stop(5_000);
    } finally {
      await proxy.stop();
    }
  });

  test("a forwarded command whose answer is lost is done once, and the first caller is not told of a repetition", async () => {
    const ada = await book.openWallet();
    const other = book.startWriter().writer;
    armFaultPoints({ faults: "ledger.command.after-insert:1:throw" });
    expect(await other.submit(deposit(ada, "1.00"))).toMatchObject({
      isReplay: false,
      operation: { status: "COMPLETED" },
    });
    expect(await book.balanceOf(ada)).toBe("1.00");
  });
});
