import { connectDatabase, createOutboxStore } from "@florin/db";
import { formatId, type EventEnvelope } from "@florin/kernel";
import {
  deposit,
  expectCompleted,
  expectRejected,
  openTestBook,
  posting,
  transfer,
  usd,
  withdrawal,
  type TestBook,
} from "./test-book.js";

let book: TestBook;
beforeAll(async () => {
  book = await openTestBook();
});
afterAll(() => book.stop());

/** Everything that the ledger has told, read in pages of `limit`. */
async function readAll(limit: number): Promise<readonly EventEnvelope[]> {
  const database = connectDatabase({
    url: book.url,
    area: "ledger",
    applicationName: "test-reader",
    maxConnections: 2,
  });
  try {
    const store = createOutboxStore(database, "ledger");
    const events: EventEnvelope[] = [];
    for (;;) {
      const page = await store.read(events.at(-1)?.position ?? 0n, limit);
      expect(page.length).toBeLessThanOrEqual(limit);
      if (page.length === 0) return events;
      events.push(...page);
    }
  } finally {
    await database.stop();
  }
}

test.each([1, 2, 3, 7, 500])(
  "STR-2 events of plain batches and rows of the outbox are one gapless stream, in pages of %i",
  async (limit) => {
    const [a, b] = [await book.fundedWallet("100"), await book.fundedWallet("100")];
    await Promise.all([
      expectCompleted(book.writer.submit(transfer(a, b, "1"))),
      expectRejected(book.writer.submit(withdrawal(a, "1000")), "INSUFFICIENT_FUNDS"), // told by a row
      expectCompleted(book.writer.submit(transfer(b, a, "2"))),
      expectCompleted(book.writer.submit(deposit(b, "3"))),
    ]);
    const events = await readAll(limit);
    expect(events.map(({ position }) => position)).toEqual(events.map((_, index) => BigInt(index + 1)));
    expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(events.length);
  },
);

test("STR-2 the same event is the same whenever it is read", async () => {
  expect(await readAll(500)).toEqual(await readAll(3));
});

test("STR-3 each account hears its balance after the batch once, and the operation's end comes last", async () => {
  const [a, b] = [await book.fundedWallet("10"), await book.fundedWallet("0.01")];
  const command = transfer(a, b, "4");
  await expectCompleted(book.writer.submit(command));
  const changeId = formatId("operation", command.commandId);
  const told = (await readAll(500)).filter((event) => event.changeId === changeId);
  expect(told.map(({ type, key }) => [type, key])).toEqual([
    ...[a, b]
      .map((id) => formatId("account", id))
      .sort()
      .map((key) => ["account.posted", key]),
    ["operation.completed", changeId],
  ]);
  const balances = Object.fromEntries(
    told
      .slice(0, 2)
      .map(({ key, payload }) => [key, (payload as { balance: { available: string } }).balance.available]),
  );
  expect(balances).toEqual({ [formatId("account", a)]: "6.00", [formatId("account", b)]: "4.01" });
});

test("STR-3 what is held counts in the balance that an account is told (PI-2)", async () => {
  const [a, b] = [await book.fundedWallet("10"), await book.openWallet()];
  await expectCompleted(
    book.writer.submit(
      posting([
        {
          type: "OUTBOUND_AUTHORISATION",
          target: { accountId: a },
          counterparty: { internalCode: "CARD_SETTLEMENT" },
          money: usd("3.50"),
          clientTransactionId: "held",
        },
      ]),
    ),
  );
  const command = transfer(a, b, "4");
  await expectCompleted(book.writer.submit(command));
  const changeId = formatId("operation", command.commandId);
  const told = (await readAll(500)).find(
    (event) => event.changeId === changeId && event.key === formatId("account", a),
  );
  expect(told?.payload).toMatchObject({
    balance: { available: "2.50", committed: "6.00", pendingIn: "0.00", pendingOut: "-3.50", currency: "USD" },
  });
});
