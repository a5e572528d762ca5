import fc from "fast-check";
import { connectDatabase, type Database } from "@florin/db";
import {
  listBalanceChanges,
  listBalanceContributions,
  listObservedBalances,
  listObservedTotals,
  listTrialBalance,
  type Observation,
} from "@florin/db/ledger";
import {
  accountNets,
  amountFromNumeric,
  asUuid,
  coordinateKey,
  formatInstant,
  instantFromMicros,
  observe,
  observeInterval,
  type Amount,
  type BalanceSnapshot,
  type CurrencyCode,
  type Instant,
  type Leg,
  type Phase,
  type PostingEntry,
  type Tside,
  type Uuid,
} from "@florin/kernel";
import { createTestDatabase, type TestDatabase } from "@florin/testkit";

// Every way of reading balances on two clocks, against the sum over all postings that the kernel does (observation.ts). The rows are written by
// hand, with the columns that a posting carries computed here, so that no mistake of the writer is in what the reads are held against.

const USD = "USD" as CurrencyCode;
const MONEY = "COMMERCIAL_BANK_MONEY";
const PHASES: readonly Phase[] = ["COMMITTED", "PENDING_IN", "PENDING_OUT"];
const SCALE = 10_000_000n;
const FAR = instantFromMicros(4_000_000_000_000_000n);

let testDatabase: TestDatabase;
let admin: Database;
let reader: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  admin = connectDatabase({ url: testDatabase.url, applicationName: "two-clocks-admin", maxConnections: 1 });
  reader = connectDatabase({
    url: testDatabase.url,
    area: "ledger",
    applicationName: "two-clocks",
    maxConnections: 1,
  });
  for (const [number, tside] of [
    [1, "LIABILITY"],
    [2, "ASSET"],
  ] as const)
    await admin.sql`
      with made as (insert into ledger.product values (${id(number)}, ${tside}, ${tside}, now()) returning product_id)
      insert into ledger.product_version select ${id(10 + number)}, product_id, '1', ${tside}, '[]', now() from made`;
});

afterAll(async () => {
  await reader.stop();
  await admin.stop();
  await testDatabase.drop();
});

let ids = 1000;
function id(number: number): Uuid {
  return asUuid(`01900000-0000-7000-8000-${number.toString().padStart(12, "0")}`);
}

/** Two accounts, one of either side; what is debited here is credited there. */
interface Pair {
  readonly accounts: readonly [Uuid, Uuid];
  readonly tsides: readonly [Tside, Tside];
}

interface Movement {
  /** Places along the booking clock: how far behind the last one it was booked, and how long before its booking it has value. */
  readonly later: number;
  readonly backdatedBy: number;
  readonly amount: number;
  readonly isReversed: boolean;
  readonly address: string;
  readonly phase: Phase;
  /** Other records of the book that take places in between. */
  readonly skippedSeqs: number;
}

const movements = fc.array(
  fc.record({
    later: fc.nat(2),
    backdatedBy: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(6) }),
    amount: fc.integer({ min: 1, max: 9 }),
    isReversed: fc.boolean(),
    address: fc.constantFrom("DEFAULT", "DEFAULT", "FEES"),
    phase: fc.constantFrom(...PHASES, "COMMITTED" as const),
    skippedSeqs: fc.nat(2),
  }),
  { minLength: 1, maxLength: 14 },
);

/** Microseconds between two places of the clocks: known times, which never tie, keep between them. */
const PLACE = 100n;
let clock = 1_700_000_000_000_000n;
let lastKnown = 0n;
let seq = 0n;
const written: PostingEntry[] = [];
/** The first account of every pair. */
const liabilities = new Set<Uuid>();

async function openPair(): Promise<Pair> {
  const accounts = [id(++ids), id(++ids)] as const;
  for (const [index, accountId] of accounts.entries())
    await admin.sql`
      insert into ledger.account (book_id, account_id, kind, product_version_id, denomination, tside, status, opened_at)
      select 1, ${accountId}, 'CUSTOMER', product_version_id, 'USD', tside, 'OPEN', '2020-01-01T00:00:00Z'
      from ledger.product_version where product_version_id = ${id(11 + index)}`;
  liabilities.add(accounts[0]);
  return { accounts, tsides: ["LIABILITY", "ASSET"] };
}

/** The rows that a writer would have left, all in one transaction, with the book's clock at its end. */
async function write(pair: Pair, list: readonly Movement[]): Promise<PostingEntry[]> {
  const entries: PostingEntry[] = [];
  const posted = new Map<Uuid, PostingEntry[]>(pair.accounts.map((accountId) => [accountId, []]));
  await admin.transaction(async (tx) => {
    for (const { later, backdatedBy, amount, isReversed, address, phase, skippedSeqs } of list) {
      clock += BigInt(later) * PLACE;
      const bookedAt = instantFromMicros(clock);
      const valueAt = instantFromMicros(clock - BigInt(backdatedBy) * PLACE);
      lastKnown = lastKnown >= clock ? lastKnown + 1n : clock;
      const knownAt = instantFromMicros(lastKnown);
      seq += 1n + BigInt(skippedSeqs);
      const batchId = id(++ids);
      await tx`
        insert into ledger.posting_instruction_batch (book_id, batch_id, seq, client_id, status, value_at, booked_at, known_at)
        values (1, ${batchId}, ${seq}, 'c', 'ACCEPTED', ${formatInstant(valueAt)}, ${formatInstant(bookedAt)}, ${formatInstant(knownAt)})`;
      await tx`
        insert into ledger.posting_instruction (book_id, batch_id, ordinal, type, client_id, client_transaction_id)
        values (1, ${batchId}, 0, 'CUSTOM_INSTRUCTION', 'c', ${batchId})`;
      const rows = pair.accounts.map((accountId, index) => {
        const side = (index === 0) !== isReversed ? ("CREDIT" as const) : ("DEBIT" as const);
        const leg: Leg = {
          accountId,
          address,
          asset: MONEY,
          denomination: USD,
          phase,
          side,
          amount: (BigInt(amount) * SCALE) as Amount,
        };
        const own = posted.get(accountId)!;
        own.push({ leg, batchId, valueAt, knownAt, seq });
        const after = netsOf(observe(own, { knownAt: FAR }), pair.tsides[index]!);
        return { accountId, accountSeq: own.length, side, ...after };
      });
      await tx`
        insert into ledger.posting
        select 1, r.account_id, r.account_seq, ${seq}, ${batchId}::uuid, 0, ${address}, ${MONEY}, 'USD', ${phase}, r.side, ${amount}::text::numeric,
          ${formatInstant(valueAt)}::timestamptz, ${formatInstant(bookedAt)}::timestamptz, r.committed, r.pending_in, r.pending_out
        from unnest(${rows.map((row) => row.accountId)}::uuid[], ${rows.map((row) => String(row.accountSeq))}::bigint[],
          ${rows.map((row) => row.side)}::text[], ${rows.map((row) => row.committed)}::numeric[],
          ${rows.map((row) => row.pendingIn)}::numeric[], ${rows.map((row) => row.pendingOut)}::numeric[])
          as r (account_id, account_seq, side, committed, pending_in, pending_out)`;
    }
    await tx`
      insert into ledger.balance
      select book_id, account_id, address, asset, denomination, phase, coalesce(sum(amount) filter (where side = 'DEBIT'), 0),
        coalesce(sum(amount) filter (where side = 'CREDIT'), 0), max(account_seq)
      from ledger.posting where account_id = any(${[...pair.accounts]}::uuid[]) group by 1, 2, 3, 4, 5, 6`;
    await tx`update ledger.head set seq = ${seq}, known_at = ${formatInstant(instantFromMicros(lastKnown))}`;
  });
  for (const own of posted.values()) entries.push(...own);
  written.push(...entries);
  return entries;
}

function netsOf(snapshot: BalanceSnapshot, tside: Tside) {
  const { committed, pendingIn, pendingOut } = accountNets((key) => snapshot[key], USD, tside);
  const text = (amount: Amount) => (amount / SCALE).toString();
  return { committed: text(committed), pendingIn: text(pendingIn), pendingOut: text(pendingOut) };
}

const amount = (numeric: string) => amountFromNumeric(numeric, USD);

/** Every value time and every known time that something happens at, the instants around them, and no bound. */
function gridOf(entries: readonly PostingEntry[]): Observation[] {
  const around = (times: readonly Instant[]) => [
    undefined,
    ...new Set(times.flatMap((time) => [instantFromMicros(time - 1n), time])),
  ];
  const values = around(entries.map(({ valueAt }) => valueAt));
  const knowns = around(entries.map(({ knownAt }) => knownAt));
  return values.flatMap((at) => knowns.map((knownAt) => ({ at, knownAt })));
}

const boundsOf = ({ at, knownAt }: Observation) => ({ valueAt: at, knownAt: knownAt ?? FAR });

describe("balances on two clocks", () => {
  test("T-3, INV-5: at every point of the grid and at every coordinate they are the sum over the postings", async () => {
    await fc.assert(
      fc.asyncProperty(movements, async (list) => {
        const pair = await openPair();
        const entries = await write(pair, list);
        const ownOf = (accountId: Uuid) => entries.filter(({ leg }) => leg.accountId === accountId);
        for (const observation of sample(gridOf(entries), 40)) {
          const totals = await listObservedTotals(reader.sql, pair.accounts, observation);
          const balances = await listObservedBalances(reader.sql, pair.accounts, observation);
          expect([totals.length, balances.length]).toEqual([2, 2]);
          for (const [index, accountId] of pair.accounts.entries()) {
            const expected = observe(ownOf(accountId), boundsOf(observation));
            const own = totals.find((one) => one.accountId === accountId)!;
            expect(
              Object.fromEntries(
                own.coordinates.map(({ totalDebit, totalCredit, ...where }) => [
                  coordinateKey({ ...where, denomination: USD }),
                  { totalDebit: amount(totalDebit), totalCredit: amount(totalCredit) },
                ]),
              ),
            ).toEqual(expected);
            const balance = balances.find((one) => one.accountId === accountId)!;
            const { committed, pendingIn, pendingOut } = accountNets((key) => expected[key], USD, pair.tsides[index]!);
            expect([balance.committed, balance.pendingIn, balance.pendingOut].map(amount)).toEqual([
              committed,
              pendingIn,
              pendingOut,
            ]);
            const counted = ownOf(accountId).flatMap(({ valueAt, knownAt }, place) =>
              valueAt <= (observation.at ?? FAR) && knownAt <= (observation.knownAt ?? FAR) ? [BigInt(place + 1)] : [],
            );
            expect([own.accountSeq, balance.accountSeq]).toEqual([counted.at(-1) ?? 0n, counted.at(-1) ?? 0n]);
            const made = await listBalanceContributions(reader.sql, accountId, observation, 20);
            expect(made.postings).toBe(BigInt(counted.length));
            expect([...made.latest, ...made.backdated].map((one) => one.accountSeq).sort(ascending)).toEqual(counted);
          }
        }
      }),
      { numRuns: 12 },
    );
  }, 60_000);

  test("T-4: an interval's changes are those of (start, end], in order of value time and book", async () => {
    await fc.assert(
      fc.asyncProperty(movements, fc.nat(), fc.nat(), async (list, a, b) => {
        const pair = await openPair();
        const entries = await write(pair, list);
        const times = [...new Set(entries.flatMap(({ valueAt }) => [instantFromMicros(valueAt - 1n), valueAt]))];
        const [start, end] = [times[a % times.length]!, times[b % times.length]!].sort(ascending) as [Instant, Instant];
        for (const knownAt of [undefined, ...entries.map((entry) => entry.knownAt)]) {
          const accountId = pair.accounts[0];
          const own = entries.filter(({ leg }) => leg.accountId === accountId);
          const expected = observeInterval(own, { start, end, knownAt: knownAt ?? FAR }).changes;
          const changes = await listBalanceChanges(reader.sql, accountId, { start, end, knownAt }, {}, 100);
          expect(changes.map((one) => [one.valueAt, one.seq, one.knownAt, amount(one.amount), one.side])).toEqual(
            expected.map(({ valueAt, seq, knownAt, leg }) => [valueAt, seq, knownAt, leg.amount, leg.side]),
          );
          const first = await listBalanceChanges(reader.sql, accountId, { start, end, knownAt }, {}, 2);
          expect(first).toEqual(changes.slice(0, 2));
          const filter = { addresses: ["FEES"], phases: ["COMMITTED"] as const };
          const some = await listBalanceChanges(reader.sql, accountId, { start, end, knownAt }, filter, 100);
          expect(some).toEqual(changes.filter((one) => one.address === "FEES" && one.phase === "COMMITTED"));
        }
      }),
      { numRuns: 12 },
    );
  }, 60_000);

  test("the trial balance of the whole book is the same sum, by product", async () => {
    for (const observation of sample(gridOf(written), 50)) {
      const rows = await listTrialBalance(reader.sql, observation);
      const expected = new Map<string, { debit: bigint; credit: bigint }>();
      for (const { leg, valueAt, knownAt } of written) {
        if (valueAt > (observation.at ?? FAR) || knownAt > (observation.knownAt ?? FAR)) continue;
        const key = `${liabilities.has(leg.accountId) ? "LIABILITY" : "ASSET"}|${leg.phase}`;
        const sums = expected.get(key) ?? { debit: 0n, credit: 0n };
        expected.set(key, sums);
        if (leg.side === "DEBIT") sums.debit += leg.amount;
        else sums.credit += leg.amount;
      }
      expect(
        new Map(
          rows.map((row) => [`${row.code}|${row.phase}`, { debit: amount(row.debit), credit: amount(row.credit) }]),
        ),
      ).toEqual(expected);
    }
  }, 60_000);
});

const ascending = (a: bigint, b: bigint): number => Number(a > b) - Number(a < b);

/** Evenly, at most so many: a grid grows with the square of its history. */
function sample<Item>(items: readonly Item[], most: number): Item[] {
  const step = Math.max(1, items.length / most);
  return Array.from({ length: Math.min(most, items.length) }, (_, index) => items[Math.floor(index * step)]!);
}
