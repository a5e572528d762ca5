import { connectDatabase, type Database } from "@florin/db";
import { haltWrites, insertCommands, resumeWrites } from "@florin/db/ledger";
import { systemClock } from "@florin/resilience";
import { createLogger, createMetrics } from "@florin/telemetry";
import { eventually } from "@florin/testkit";
import { startInvariantChecks } from "../src/tasks/check-invariants.js";
import { toCommandRow } from "../src/writer/command-json.js";
import { deposit, expectCompleted, openTestBook, type TestBook } from "./test-book.js";

const BOOK = 1;
const halt = { reason: "a test looks", by: "a test" };
const TOLD = { code: "TEMPORARILY_UNAVAILABLE" };

let book: TestBook;
const metrics = createMetrics({ processMetrics: false });
let ada: Awaited<ReturnType<TestBook["openWallet"]>>;
beforeEach(async () => {
  book = await openTestBook({ metrics });
  ada = await book.fundedWallet("10.00");
});
afterEach(() => book.stop());

async function recordsOf(idempotencyKey: string): Promise<number> {
  const rows = await book.admin.sql`
    select from ledger.operation where idempotency_key = ${idempotencyKey}
    union all select from ledger.command where idempotency_key = ${idempotencyKey}`;
  return rows.length;
}

const isHaltShown = async (value: 0 | 1): Promise<boolean> =>
  (await metrics.render()).includes(`florin_ledger_writes_halted ${value}`);

test("§3.9: while a book is halted money is refused for now, nothing is recorded, and the same key works afterwards", async () => {
  const earlier = deposit(ada, "1.00", { idempotencyKey: "earlier" });
  await expectCompleted(book.writer.submit(earlier));
  expect(await haltWrites(book.admin, BOOK, halt)).toBe(true);
  expect(await haltWrites(book.admin, BOOK, halt)).toBe(false);
  await eventually(() => isHaltShown(1));

  const refused = deposit(ada, "5.00", { idempotencyKey: "refused" });
  await expect(book.writer.submit(refused)).rejects.toMatchObject(TOLD);
  await expect(book.writer.enqueue(refused)).rejects.toMatchObject(TOLD);
  expect(await recordsOf("refused")).toBe(0);
  expect(await book.balanceOf(ada)).toBe("11.00");
  // What was decided before is no new money: the key is answered as ever.
  expect(await book.writer.submit(earlier)).toMatchObject({ kind: "operation", isReplay: true });
  expect(await book.writer.enqueue(earlier)).toBe("durable");
  expect(await book.writer.enqueue({ ...earlier, fingerprint: "another" })).toBe("key-reused");

  expect(await resumeWrites(book.admin, BOOK, { reason: "looked", by: "a test" })).toBe(true);
  await eventually(() => isHaltShown(0));
  await expectCompleted(book.writer.submit(refused));
  expect(await book.balanceOf(ada)).toBe("16.00");
  expect(await book.findings()).toEqual([]);
});

test("§3.9: a commit whose writer has not heard of the halt is refused by the database, and its caller is told the same", async () => {
  // No notification, and no time to look: the writer finds out by its commit, or at its next look; nobody can tell which, nor need to.
  await book.admin
    .sql`insert into ledger.write_halt (book_id, entry, action, reason, by) values (${BOOK}, 1, 'HALT', 'quiet', 'a test')`;
  await expect(book.writer.submit(deposit(ada, "5.00", { idempotencyKey: "unheard" }))).rejects.toMatchObject(TOLD);
  expect(await recordsOf("unheard")).toBe(0);
  expect(await book.balanceOf(ada)).toBe("10.00");
});

test("§3.9: the halt stands in the database, for the ledger's own role too, and only a person lifts it", async () => {
  await haltWrites(book.admin, BOOK, halt);
  const own: Database = connectDatabase({ url: book.url, area: "ledger", applicationName: "own", maxConnections: 1 });
  await expect(own.sql`update ledger.head set seq = seq + 1`).rejects.toMatchObject({ code: "FL005" });
  await own.sql`update ledger.head set lease_until = lease_until`; // who leads may go on leading
  await expect(resumeWrites(own, BOOK, { reason: "no", by: "itself" })).rejects.toMatchObject({ code: "42501" });
  await expect(own.sql`delete from ledger.write_halt`).rejects.toMatchObject({ code: "42501" });
  await expect(book.admin.sql`delete from ledger.write_halt`).rejects.toMatchObject({ code: "FL003" });
  await expect(
    book.admin
      .sql`insert into ledger.write_halt (book_id, entry, action, reason, by) values (${BOOK}, 2, 'HALT', 'x', 'y')`,
  ).rejects.toMatchObject({ code: "FL003" });
  await own.stop();
});

test("of halts at the same moment one is written", async () => {
  const done = await Promise.all(Array.from({ length: 8 }, () => haltWrites(book.admin, BOOK, halt)));
  expect(done.filter(Boolean)).toHaveLength(1);
});

test("§3.9: what waits in the database waits through a halt and is done after it, once", async () => {
  await haltWrites(book.admin, BOOK, halt);
  await eventually(() => isHaltShown(1));
  const waiting = deposit(ada, "2.00", { idempotencyKey: "waiting" });
  await insertCommands(book.admin.sql, BOOK, [toCommandRow(waiting)]);
  book.writer.wake();
  await expect(book.writer.submit(deposit(ada, "3.00"))).rejects.toMatchObject(TOLD); // a turn has passed
  expect(await book.balanceOf(ada)).toBe("10.00");
  await resumeWrites(book.admin, BOOK, { reason: "looked", by: "a test" });
  await eventually(async () => (await book.balanceOf(ada)) === "12.00");
  expect(await recordsOf("waiting")).toBe(1);
});

describe("the auditor", () => {
  const entries = async (): Promise<readonly string[]> =>
    (await book.admin.sql<{ action: string }[]>`select action from ledger.write_halt order by entry`).map(
      ({ action }) => action,
    );
  function startAuditor(haltsOnViolation?: boolean) {
    const own = createMetrics({ processMetrics: false });
    const options = { databaseUrl: book.url, clock: systemClock, metrics: own, haltsOnViolation, everyMs: 20 };
    const logger = createLogger({ name: "test", level: "silent" });
    const checks = startInvariantChecks({ ...options, logger });
    const round = async (): Promise<string> =>
      /florin_invariant_violations\{area="ledger",invariant="I1"\} (\d+)/.exec(await own.render())?.[1] ?? "none";
    return {
      stop: () => checks.stop(),
      finds: (count: string) => eventually(async () => (await round()) === count),
    };
  }
  const makeMoney = (amount: string) =>
    book.admin
      .sql`update ledger.balance set total_credit = total_credit + ${amount}::numeric where account_id = ${ada}`;

  test("§3.9: halts on money that was made; what a person has seen and resumed with does not halt again, more of it does", async () => {
    const auditor = startAuditor();
    await makeMoney("0.01");
    await eventually(async () => (await entries()).length === 1);
    const [entry] = await book.admin.sql<{ rule: string; by: string; findings: { what: string }[] }[]>`
      select rule, by, findings from ledger.write_halt`;
    expect(entry).toMatchObject({ rule: expect.stringMatching(/^INV-/) as string, by: "invariant auditor" });
    expect(entry?.findings[0]?.what).toMatch(/0\.01/);
    await eventually(() => isHaltShown(1));

    await resumeWrites(book.admin, BOOK, { reason: "known", by: "a test" });
    await eventually(() => isHaltShown(0));
    await makeMoney("0.01");
    await eventually(async () => (await entries()).length >= 3);
    await auditor.stop();
  });

  test("told to only tell, it tells", async () => {
    const auditor = startAuditor(false);
    await makeMoney("0.01");
    await auditor.finds("1");
    await auditor.stop();
    expect(await entries()).toEqual([]);
  });
});
