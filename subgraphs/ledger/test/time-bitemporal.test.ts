import fc from "fast-check";
import { connectDatabase, type Database } from "@florin/db";
import {
  accountNets,
  addMicros,
  amountFromNumeric,
  coordinateKey,
  instantFromMicros,
  observe,
  parseInstant,
  type Amount,
  type BalanceSnapshot,
  type CurrencyCode,
  type Instant,
  type Leg,
  type Phase,
  type PostingEntry,
  type Side,
  type Uuid,
} from "@florin/kernel";
import { createReaderSource, type Observation, type Readers } from "../src/readers.js";
import type { PostingCommand } from "../src/writer/command.js";
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

// time.bitemporal: whatever was posted, and however far back its value time lies, every balance at every point of both clocks is the sum over
// all postings (kernel, `observe`). The postings come through the real writer, whose clock the test holds.

const USD = "USD" as CurrencyCode;
const SECOND = 1_000_000n;
const START = parseInstant("2026-03-01T00:00:00Z")!;
const FAR = instantFromMicros(4_000_000_000_000_000n);

let now = START;
let book: TestBook;
let database: Database;
let newReaders: () => Readers;

beforeAll(async () => {
  book = await openTestBook({ clock: { now: () => now } });
  database = connectDatabase({ url: book.url, area: "ledger", applicationName: "bitemporal", maxConnections: 4 });
  newReaders = createReaderSource(database);
});

afterAll(async () => {
  await database.stop();
  const faults = await book.findings();
  await book.stop();
  expect(faults).toEqual([]);
});

/** What was really booked on these accounts, as the kernel's sum takes it. */
async function entriesOf(accountIds: readonly Uuid[]): Promise<PostingEntry[]> {
  const rows = await book.admin.sql<
    {
      accountId: Uuid;
      seq: bigint;
      batchId: Uuid;
      address: string;
      asset: string;
      phase: Phase;
      side: Side;
      amount: string;
      valueAt: Instant;
      knownAt: Instant;
    }[]
  >`
    select p.account_id as "accountId", p.seq, p.batch_id as "batchId", p.address, p.asset, p.phase, p.side, p.amount,
      p.value_at as "valueAt", k.known_at as "knownAt"
    from ledger.posting p join ledger.posting_instruction_batch k on k.book_id = p.book_id and k.batch_id = p.batch_id
    where p.account_id = any(${[...accountIds]}::uuid[])
    order by p.account_id, p.account_seq`;
  return rows.map(({ accountId, seq, batchId, valueAt, knownAt, amount, ...where }) => {
    const leg: Leg = { ...where, accountId, denomination: USD, amount: amountFromNumeric(amount, USD) };
    return { leg, seq, batchId, valueAt, knownAt };
  });
}

function sumAt(entries: readonly PostingEntry[], accountId: Uuid, { at, knownAt }: Observation): BalanceSnapshot {
  return observe(
    entries.filter(({ leg }) => leg.accountId === accountId),
    { valueAt: at, knownAt: knownAt ?? FAR },
  );
}

/** What the readers say at one point: totals of every coordinate, and the balance at DEFAULT. */
async function readAt(accountIds: readonly Uuid[], observation: Observation) {
  const readers = newReaders();
  return Promise.all(
    accountIds.map(async (accountId) => {
      const totals = await readers.findTotals(accountId, observation);
      const balance = await readers.findObservedBalance(accountId, observation);
      return {
        totals: Object.fromEntries(
          totals!.coordinates.map(({ totalDebit, totalCredit, ...where }) => [
            coordinateKey({ ...where, denomination: USD }),
            { totalDebit: amountFromNumeric(totalDebit, USD), totalCredit: amountFromNumeric(totalCredit, USD) },
          ]),
        ),
        nets: [balance!.committed, balance!.pendingIn, balance!.pendingOut].map((one) => amountFromNumeric(one, USD)),
      };
    }),
  );
}

function expectedAt(entries: readonly PostingEntry[], accountIds: readonly Uuid[], observation: Observation) {
  return accountIds.map((accountId) => {
    const totals = sumAt(entries, accountId, observation);
    const { committed, pendingIn, pendingOut } = accountNets((key) => totals[key], USD, "LIABILITY");
    return { totals, nets: [committed, pendingIn, pendingOut] };
  });
}

/** Every time that something happened at, the instant before each, and no bound. */
function gridOf(entries: readonly PostingEntry[]): Observation[] {
  const around = (times: readonly Instant[]) => [
    undefined,
    ...new Set(times.flatMap((one) => [addMicros(one, -1n), one])),
  ];
  const values = around(entries.map(({ valueAt }) => valueAt));
  const knowns = around(entries.map(({ knownAt }) => knownAt));
  return values.flatMap((at) => knowns.map((knownAt) => ({ at, knownAt })));
}

interface Step {
  readonly kind: "deposit" | "withdrawal" | "transfer" | "hold" | "expected";
  readonly amount: number;
  readonly waits: number;
  readonly backdatedBy: number;
}

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom<Step["kind"]>("deposit", "deposit", "withdrawal", "transfer", "hold", "expected"),
    amount: fc.integer({ min: 1, max: 40 }),
    waits: fc.nat(3),
    backdatedBy: fc.oneof(fc.constant(0), fc.nat(8)),
  }),
  { minLength: 3, maxLength: 12 },
);

let holds = 0;

function commandOf({ kind, amount }: Step, [first, second]: readonly [Uuid, Uuid], valueAt: Instant): PostingCommand {
  const money = `${amount}.00`;
  if (kind === "deposit") return deposit(first, money, { valueAt });
  if (kind === "withdrawal") return withdrawal(first, money, { valueAt });
  if (kind === "transfer") return transfer(first, second, money, { valueAt });
  const authorisation = {
    type: kind === "hold" ? ("OUTBOUND_AUTHORISATION" as const) : ("INBOUND_AUTHORISATION" as const),
    target: { accountId: first },
    counterparty: { internalCode: "CARD_SETTLEMENT" },
    money: usd(money),
    clientTransactionId: `hold-${++holds}`,
  };
  return posting([authorisation], { valueAt });
}

/** Two wallets, the steps one after the other, and whether anything of them lies in the past. */
async function play(list: readonly Step[]): Promise<readonly [Uuid, Uuid]> {
  now = addMicros(now, 60n * SECOND);
  const openedAt = now;
  const accounts = [await book.openWallet(), await book.openWallet()] as const;
  await continueWith(list, accounts, openedAt);
  return accounts;
}

async function continueWith(list: readonly Step[], accounts: readonly [Uuid, Uuid], openedAt: Instant): Promise<void> {
  for (const step of list) {
    now = addMicros(now, BigInt(step.waits) * SECOND);
    const asked = addMicros(now, -BigInt(step.backdatedBy) * SECOND);
    // Refusals for funds are part of it: they leave no posting.
    const outcome = await book.writer.submit(commandOf(step, accounts, asked < openedAt ? openedAt : asked));
    expect(outcome.kind).toBe("operation");
  }
}

describe("time.bitemporal", () => {
  test("T-3, INV-5: balance(V, K) is the sum over all postings, on the whole grid and at every coordinate", async () => {
    let points = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const accounts = await play(list);
        const entries = await entriesOf(accounts);
        const grid = gridOf(entries);
        points += grid.length;
        const read = await Promise.all(grid.map((observation) => readAt(accounts, observation)));
        expect(read).toEqual(grid.map((observation) => expectedAt(entries, accounts, observation)));
        const live = await newReaders().findTotals(accounts[0], { at: undefined, knownAt: undefined });
        const [first] = await readAt(accounts, { at: FAR, knownAt: undefined });
        expect(live!.coordinates.map((one) => coordinateKey({ ...one, denomination: USD })).sort()).toEqual(
          Object.keys(first!.totals).sort(),
        );
      }),
      { numRuns: 5 },
    );
    expect(points).toBeGreaterThan(20); // small books are drawn too
  }, 60_000);

  test("T-3: what was told for a sealed known time is told again, whatever is backdated to before it since", async () => {
    await fc.assert(
      fc.asyncProperty(steps, steps, async (list, more) => {
        const openedAt = addMicros(now, 60n * SECOND);
        const accounts = await play(list);
        const sealed = await newReaders().findKnownAt();
        const grid = gridOf(await entriesOf(accounts)).map(({ at, knownAt }) => ({ at, knownAt: knownAt ?? sealed }));
        const told = await Promise.all(grid.map((observation) => readAt(accounts, observation)));
        await continueWith(more, accounts, openedAt);
        const again = await Promise.all(grid.map((observation) => readAt(accounts, observation)));
        expect(again).toEqual(told);
      }),
      { numRuns: 2 },
    );
  }, 60_000);

  test("a machine whose clock goes back does not: what is booked later is not booked earlier", async () => {
    const account = await book.fundedWallet("10.00");
    const then = now;
    now = addMicros(now, -3_600n * SECOND);
    await expectCompleted(book.writer.submit(deposit(account, "5.00")));
    now = addMicros(then, SECOND);
    const entries = await entriesOf([account]);
    for (const observation of gridOf(entries))
      expect(await readAt([account], observation)).toEqual(expectedAt(entries, [account], observation));
    expect(entries.map(({ valueAt }) => valueAt >= then)).toEqual([true, true]);
  });
});

describe("value time", () => {
  test("T-1: is the time of booking when nobody says otherwise; both and the known time are kept", async () => {
    now = addMicros(now, SECOND);
    const account = await book.openWallet();
    now = addMicros(now, SECOND);
    await expectCompleted(book.writer.submit(deposit(account, "1.00")));
    const interval = { start: addMicros(now, -1n), end: now, knownAt: undefined };
    const [change] = await newReaders().listBalanceChanges(account, interval, 5);
    expect([change!.valueAt, change!.bookedAt]).toEqual([now, now]);
    expect(change!.knownAt >= now).toBe(true);
  });

  test("T-2: is neither after the booking nor before the account was opened", async () => {
    now = addMicros(now, 10n * SECOND);
    const opened = now;
    const account = await book.openWallet();
    now = addMicros(now, 10n * SECOND);
    const at = (valueAt: Instant) => book.writer.submit(deposit(account, "1.00", { valueAt }));
    await expectRejected(at(addMicros(now, 1n)), "VALUE_IN_FUTURE");
    await expectRejected(at(addMicros(opened, -1n)), "BEFORE_OPENING");
    await expectCompleted(at(now));
    await expectCompleted(at(opened));
  });

  test("T-7: a backdated booking changes the present at once, and the past only for those who know of it", async () => {
    now = addMicros(now, 10n * SECOND);
    const account = await book.fundedWallet("100.00");
    const past = addMicros(now, 10n * SECOND);
    now = addMicros(now, 3_600n * SECOND);
    await expectCompleted(book.writer.submit(deposit(account, "1.00")));
    const before = (await newReaders().findKnownAt())!;
    now = addMicros(now, SECOND);
    await expectCompleted(book.writer.submit(withdrawal(account, "30.00", { valueAt: past })));
    const committed = async (observation: Observation): Promise<Amount> =>
      amountFromNumeric((await newReaders().findObservedBalance(account, observation))!.committed, USD);
    const dollars = (amount: string) => usd(amount).amount;
    expect(await book.balanceOf(account)).toBe("71.00"); // T-7 (1)
    const after = (await newReaders().findKnownAt())!;
    for (const at of [past, addMicros(past, SECOND), before]) {
      const missing = at === before ? "1.00" : "0.00";
      expect(await committed({ at, knownAt: after })).toBe(dollars("70.00") + dollars(missing)); // T-7 (2)
      expect(await committed({ at, knownAt: before })).toBe(dollars("100.00") + dollars(missing));
    }
    expect(await committed({ at: addMicros(past, -1n), knownAt: after })).toBe(dollars("100.00"));
  });
});
