import { connectDatabase, isOutcomeUnknown, type Database } from "@florin/db";
import { eventually } from "@florin/testkit";
import { deposit, expectCompleted, openTestBook, TEST_LEASE_MS, type TestBook } from "./test-book.js";

const HOURS_MS = 3_600_000;
/** Design: a second ledger process takes over in under 5 s; with the lease of these tests there is much room. */
const TAKEOVER_MS = 5_000;

let book: TestBook;
const open: Database[] = [];

async function openBook(options: Parameters<typeof openTestBook>[0] = {}): Promise<void> {
  book = await openTestBook(options);
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((database) => database.stop()));
  expect(await book.findings()).toEqual([]);
  await book.stop();
});

/** Stops every timer, socket and loop of this process, as SIGSTOP does. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe("the writer's lease", () => {
  test("a process that slept through its lease does not claim to lead when it wakes", async () => {
    await openBook();
    const ada = await book.openWallet();
    expect(book.writer.isLeader()).toBe(true);
    standStill(TEST_LEASE_MS + 1);
    expect(book.writer.isLeader()).toBe(false);
    // Nobody took it meanwhile, so it goes on.
    await expectCompleted(book.writer.submit(deposit(ada, "1.00")));
    await eventually(() => book.writer.isLeader());
  });

  test("a lease that is given back is taken at once by those who wait for it", async () => {
    await openBook({ leaseMs: HOURS_MS });
    const ada = await book.openWallet();
    const heir = book.startWriter({ leaseMs: HOURS_MS }).writer;
    const call = heir.submit(deposit(ada, "1.00")); // by way of the leader
    await expectCompleted(call);
    expect(heir.isLeader()).toBe(false);
    await book.writer.stop(5_000);
    await eventually(() => heir.isLeader(), TAKEOVER_MS); // its own next question would come in twenty minutes
    await expectCompleted(heir.submit(deposit(ada, "1.00")));
  });

  test("a holder that stands still inside of its transaction holds the book up for a lease and no longer", async () => {
    await openBook();
    const ada = await book.fundedWallet("10.00");
    await book.crash(book.writer);
    const frozen = connectDatabase({
      url: book.url,
      area: "ledger",
      applicationName: "frozen-writer",
      maxConnections: 1,
      idleInTransactionMs: TEST_LEASE_MS,
    });
    open.push(frozen);
    let wake: () => void = () => undefined;
    const woken = new Promise<void>((resolve) => (wake = resolve));
    // As far as a batch gets before COMMIT: the head is swapped, the balances are locked.
    const transaction = frozen
      .transaction(async (tx) => {
        await tx`select 1 from ledger.balance where account_id = ${ada} for update`;
        await tx`update ledger.head set batch = batch + 1, seq = seq + 1, lease_until = clock_timestamp()`;
        await woken;
        await tx`select 1`;
      })
      .catch((error: unknown) => error);
    await eventually(async () => {
      const rows = await book.admin.sql`
        select 1 from pg_stat_activity where application_name = 'frozen-writer' and state = 'idle in transaction'`;
      return rows.length > 0;
    });
    const heir = book.startWriter().writer;
    await eventually(() => heir.isLeader(), TAKEOVER_MS);
    await expectCompleted(heir.submit(deposit(ada, "1.00")));
    wake();
    expect(isOutcomeUnknown(await transaction)).toBe(true);
    expect(await book.balanceOf(ada)).toBe("11.00");
  });

  test("what was brought to a process that loses the lease is done by the one that took it", async () => {
    await openBook();
    const ada = await book.openWallet();
    const heir = book.startWriter({ leaseMs: HOURS_MS }).writer;
    standStill(TEST_LEASE_MS + 1);
    const calls = Array.from({ length: 20 }, () => book.writer.submit(deposit(ada, "1.00")));
    await Promise.all(calls.map(expectCompleted));
    // Whoever of the two it is, one leads, and each of the twenty was done once.
    await eventually(() => book.writer.isLeader() !== heir.isLeader());
    expect(await book.balanceOf(ada)).toBe("20.00");
  });
});
