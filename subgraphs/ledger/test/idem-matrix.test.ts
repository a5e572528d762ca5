import { systemClock } from "@florin/resilience";
import type { LedgerWriter, PostingCommand, WriterOutcome } from "../src/writer/command.js";
import type { Uuid } from "@florin/kernel";
import { deposit, expectCompleted, openTestBook, transfer, withdrawal, type TestBook } from "./test-book.js";

/**
 * idem.matrix: every row of IDEM-3 and IDEM-4 × {before, during, after} a crash of the writer × {accepted, rejected}.
 *
 * One book for each moment. Its first writer loses its connections for good, as when its process dies; whoever asks again asks the process that
 * takes over. `during`: the calls are under way when it dies, so what became of them is not known until somebody asks by their key.
 */
type Moment = "before" | "during" | "after";
type Verdict = "accepted" | "rejected";
const moments: readonly Moment[] = ["before", "during", "after"];
const verdicts: readonly Verdict[] = ["accepted", "rejected"];
const rows = ["the same body", "another body", "in flight"] as const;
type Row = (typeof rows)[number];

/** As a client sends it again: by its own clock of then, which is no part of the body. */
const sentAgain = (call: PostingCommand): PostingCommand => ({ ...call, createdAt: systemClock.now() });

interface Cell {
  readonly call: PostingCommand;
  /** What the first caller was told, where anybody could. */
  readonly told: Promise<WriterOutcome | undefined>;
}

describe.each(moments)("a call that was made %s a crash of the writer", (moment) => {
  let book: TestBook;
  let survivor: LedgerWriter;
  let poor: Uuid;
  let rich: Uuid;
  const cells = new Map<string, Cell>();
  const cellOf = (row: Row, verdict: Verdict): Cell => cells.get(`${row}/${verdict}`)!;

  beforeAll(async () => {
    book = await openTestBook();
    [poor, rich] = await Promise.all([book.openWallet(), book.fundedWallet("100.00")]);
    const doomed = book.writer;
    if (moment === "after") survivor = await crash();
    for (const row of rows)
      for (const verdict of verdicts) {
        const call = verdict === "accepted" ? transfer(rich, poor, "1.00") : withdrawal(poor, "1000.00");
        const writer = moment === "after" ? survivor : doomed;
        const told = writer.submit(call).catch(() => undefined);
        // In flight: a second call meets the first one before that is decided.
        if (row === "in flight") void writer.submit(sentAgain(call)).catch(() => undefined);
        cells.set(`${row}/${verdict}`, { call, told });
      }
    if (moment !== "during") await Promise.all([...cells.values()].map(({ told }) => told));
    if (moment !== "after") survivor = await crash();
  });
  afterAll(async () => {
    expect(await book.findings()).toEqual([]);
    await book.stop();
  });

  async function crash(): Promise<LedgerWriter> {
    await book.crash(book.writer);
    return book.startWriter().writer;
  }

  async function expectOneEffect({ call }: Cell): Promise<void> {
    const [found] = await book.admin.sql<{ operations: string; batches: string }[]>`
      select count(distinct o.operation_id)::text as operations, count(distinct k.batch_id)::text as batches
      from ledger.operation o left join ledger.posting_instruction_batch k using (batch_id)
      where o.principal = ${call.principal} and o.idempotency_key = ${call.idempotencyKey}`;
    expect(found).toEqual({ operations: "1", batches: "1" });
  }

  const statusOf = { accepted: "COMPLETED", rejected: "REJECTED" } as const;

  test.each(verdicts)("the same body is answered with what was decided, %s (IDEM-3, IDEM-4)", async (verdict) => {
    const cell = cellOf("the same body", verdict);
    const again = await survivor.submit(sentAgain(cell.call));
    expect(again).toMatchObject({ kind: "operation", operation: { status: statusOf[verdict] } });
    if (moment !== "during") {
      const told = await cell.told;
      if (told?.kind !== "operation" || again.kind !== "operation")
        throw new Error("the first caller was told nothing");
      expect(again.isReplay).toBe(true);
      expect(again.operation).toEqual(told.operation);
    }
    const third = await survivor.submit(sentAgain(cell.call));
    expect(third).toMatchObject({ isReplay: true, operation: again.kind === "operation" ? again.operation : {} });
    await expectOneEffect(cell);
  });

  test.each(verdicts)("another body under the key is told so and does nothing, %s (IDEM-3)", async (verdict) => {
    const cell = cellOf("another body", verdict);
    await survivor.submit(sentAgain(cell.call)); // during: decided by now, whoever did it
    const before = await book.balanceOf(rich);
    const other = transfer(rich, poor, "7.00", { idempotencyKey: cell.call.idempotencyKey });
    expect(await survivor.submit(other)).toEqual({ kind: "key-reused" });
    expect(await book.balanceOf(rich)).toBe(before);
    await expectOneEffect(cell);
  });

  test.each(verdicts)("calls that meet in flight are one, %s (IDEM-3)", async (verdict) => {
    const cell = cellOf("in flight", verdict);
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => survivor.submit(sentAgain(cell.call))));
    const ids = outcomes.map((one) => one.kind === "operation" && `${one.operation.batchId} ${one.operation.status}`);
    expect(new Set(ids).size).toBe(1);
    expect(outcomes[0]).toMatchObject({ operation: { status: statusOf[verdict] } });
    await expectOneEffect(cell);
  });

  test("a refusal stays one after the account was funded, and another key is another call (IDEM-4)", async () => {
    const { call } = cellOf("the same body", "rejected");
    await expectCompleted(survivor.submit(deposit(poor, "2000.00")));
    expect(await survivor.submit(sentAgain(call))).toMatchObject({ isReplay: true, operation: { status: "REJECTED" } });
    await expectCompleted(survivor.submit(withdrawal(poor, "1000.00")));
  });

  test("each accepted call moved its money once (IDEM-2)", async () => {
    for (const verdict of verdicts) for (const row of rows) await expectOneEffect(cellOf(row, verdict));
    expect(await book.balanceOf(rich)).toBe("97.00");
  });

  test("keys are kept for ever: nobody may take one back (IDEM-5)", async () => {
    const { call } = cellOf("the same body", "accepted");
    await expect(book.admin.sql`delete from ledger.operation where operation_id = ${call.commandId}`).rejects.toThrow(
      /operation/,
    );
  });
});
