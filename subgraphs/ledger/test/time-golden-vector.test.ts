import { connectDatabase, type Database } from "@florin/db";
import {
  closeOf,
  cutoffOf,
  formatMinor,
  instantFromMicros,
  parseInstant,
  type BusinessDate,
  type CurrencyCode,
  type Instant,
  type ProcessingGroup,
  type Uuid,
} from "@florin/kernel";
import { balanceAfterPosting, balanceOfTotals } from "../src/account-balance.js";
import { createReaderSource, type Readers } from "../src/readers.js";
import { deposit, expectCompleted, openTestBook, withdrawal, type TestBook } from "./test-book.js";

// GV-1 (ledger.md §2.7), through the real writer and the real readers, with a clock that the test holds: the two cells "80 against 81" are one
// value date, seen at two known times.

const DAY0 = "2026-03-09" as BusinessDate;
const GROUP: ProcessingGroup = { timeZone: "UTC", cutoff: "00:00:00" };
const time = (text: string): Instant => parseInstant(`2026-03-${text}Z`)!;
const SECOND_CUTOFF = time("10T01:00:00");

let now = time("09T09:00:00");
let book: TestBook;
let database: Database;
let readers: Readers;
let account: Uuid;

beforeAll(async () => {
  book = await openTestBook({ clock: { now: () => now } });
  database = connectDatabase({ url: book.url, area: "ledger", applicationName: "golden-vector", maxConnections: 2 });
  readers = createReaderSource(database)();
  account = await book.openWallet();
  now = time("09T12:00:00");
  await expectCompleted(book.writer.submit(deposit(account, "100.00")));
});

afterAll(async () => {
  await database.stop();
  const faults = await book.findings();
  await book.stop();
  expect(faults).toEqual([]);
});

const facts = () => ({ accountId: account, denomination: "USD" as CurrencyCode, tside: "LIABILITY" as const });

async function balanceAt(at: Instant, knownAt: Instant | undefined): Promise<string> {
  const balance = await createReaderSource(database)().findObservedBalance(account, { at, knownAt });
  return formatMinor(balanceAfterPosting(facts(), balance!).available, facts().denomination);
}

async function live(): Promise<string> {
  const totals = await readers.findTotals(account, { at: undefined, knownAt: undefined });
  return formatMinor(balanceOfTotals(facts(), totals!).available, facts().denomination);
}

const happenings = {
  nothing: () => Promise.resolve(),
  cashMachine: () => expectCompleted(book.writer.submit(withdrawal(account, "50.00"))),
  lateCard: () => expectCompleted(book.writer.submit(withdrawal(account, "20.00", { valueAt: time("09T23:59:00") }))),
  interest: () => expectCompleted(book.writer.submit(deposit(account, "1.00", { valueAt: time("09T23:59:59") }))),
};

// In order: each row goes on from the one before.
describe("GV-1: the interest basis stands, and the close of day zero goes on", () => {
  test.each<[string, () => Promise<void>, string, string, string]>([
    ["10T00:00:00", happenings.nothing, "100.00", "100.00", "100.00"],
    ["10T00:15:00", happenings.cashMachine, "100.00", "100.00", "50.00"],
    ["10T00:30:00", happenings.lateCard, "80.00", "80.00", "30.00"],
    ["10T01:00:00", happenings.interest, "80.00", "81.00", "31.00"],
    ["10T01:05:00", happenings.nothing, "80.00", "81.00", "31.00"],
  ])("%s: basis, close and live", async (clock, happens, basis, close, liveBalance) => {
    now = time(clock);
    await happens();
    const closing = closeOf(DAY0, GROUP);
    // Known at the second cut-off, before the run's own postings; before it has come, what is known now.
    const before = instantFromMicros(SECOND_CUTOFF - 1n);
    const basisKnownAt = now < SECOND_CUTOFF ? undefined : before;
    expect(await balanceAt(closing, basisKnownAt)).toBe(basis);
    expect(await balanceAt(closing, undefined)).toBe(close);
    expect(await live()).toBe(liveBalance);
  });

  test("T-5: the close of a day is the last microsecond before the next cut-off", async () => {
    expect(closeOf(DAY0, GROUP)).toBe(cutoffOf("2026-03-10" as BusinessDate, GROUP) - 1n);
    expect(await balanceAt(closeOf("2026-03-08" as BusinessDate, GROUP), undefined)).toBe("0.00");
    expect(await balanceAt(closeOf("2026-03-10" as BusinessDate, GROUP), undefined)).toBe("31.00");
  });

  test("T-4: the night as an interval: its changes by value time, whenever they were booked", async () => {
    const night = { start: time("09T12:00:00"), end: time("10T01:00:00"), knownAt: undefined };
    const changes = await readers.listBalanceChanges(account, night, 10);
    expect(changes.map(({ side, amount, valueAt, bookedAt }) => [side, Number(amount), valueAt, bookedAt])).toEqual([
      ["DEBIT", 20, time("09T23:59:00"), time("10T00:30:00")],
      ["CREDIT", 1, time("09T23:59:59"), time("10T01:00:00")],
      ["DEBIT", 50, time("10T00:15:00"), time("10T00:15:00")],
    ]);
    const known = await readers.listBalanceChanges(account, { ...night, knownAt: time("10T00:20:00") }, 10);
    expect(known.map(({ amount }) => Number(amount))).toEqual([50]);
  });
});
