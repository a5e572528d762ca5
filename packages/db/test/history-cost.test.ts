import { connectDatabase, internalAccountId, type Database } from "@florin/db";
import {
  listBalanceChanges,
  listObservedBalances,
  listTransactions,
  listTrialBalance,
  type TransactionListFilter,
} from "@florin/db/ledger";
import { addMicros, instantFromMicros } from "@florin/kernel";
import { createTestDatabase, type TestDatabase } from "@florin/testkit";

// What reads of history cost, counted in rows that PostgreSQL touches and not in time: an account of 20 000 postings, one an hour's tenth, every
// fiftieth backdated by a day. Nothing may scan, and nothing may grow with the account.

const POSTINGS = 20_000;
const START = instantFromMicros(1_700_000_000_000_000n);
const STEP_MICROS = 360_000_000n;
const DAY = 86_400_000_000n;
const END = addMicros(START, BigInt(POSTINGS) * STEP_MICROS);
const account = internalAccountId("CASH_IN", "USD");
const other = internalAccountId("CASH_OUT", "USD");

let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  const admin = connectDatabase({
    url: testDatabase.url,
    applicationName: "history-cost-admin",
    maxConnections: 1,
    deadlineMs: 30_000,
  });
  // Without the row checks, which would cost more than all the rest: what is read is what counts here.
  await admin.sql.unsafe(`
    set session_replication_role = replica;
    create temporary table step as
      select n, (lpad(to_hex(n), 32, '0'))::uuid as batch_id,
        to_timestamp(1700000000) + n * interval '360 seconds' as booked_at,
        to_timestamp(1700000000) + n * interval '360 seconds' - case when n % 50 = 0 then interval '1 day' else interval '0' end as value_at
      from generate_series(1, ${POSTINGS}) n;
    insert into ledger.posting_instruction_batch (book_id, batch_id, seq, client_id, status, value_at, booked_at, known_at)
      select 1, batch_id, n, 'c', 'ACCEPTED', value_at, booked_at, booked_at from step;
    insert into ledger.posting_instruction (book_id, batch_id, ordinal, type, client_id, client_transaction_id)
      select 1, batch_id, 0, 'CUSTOM_INSTRUCTION', 'c', 'op_' || n from step;
    insert into ledger.posting
      select 1, account_id, n, n, batch_id, 0, 'DEFAULT', 'COMMERCIAL_BANK_MONEY', 'USD', 'COMMITTED', side, 1, value_at, booked_at, after * n, 0, 0
      from step cross join (values ('${account}'::uuid, 'DEBIT', 1), ('${other}'::uuid, 'CREDIT', -1)) leg (account_id, side, after);
    insert into ledger.balance
      select book_id, account_id, address, asset, denomination, phase, coalesce(sum(amount) filter (where side = 'DEBIT'), 0),
        coalesce(sum(amount) filter (where side = 'CREDIT'), 0), max(account_seq)
      from ledger.posting group by 1, 2, 3, 4, 5, 6;
    update ledger.head set seq = ${POSTINGS}, known_at = (select max(booked_at) from step);
    analyze`);
  await admin.stop();
  database = connectDatabase({
    url: testDatabase.url,
    area: "ledger",
    applicationName: "history-cost",
    maxConnections: 1,
  });
}, 60_000);

afterAll(async () => {
  await database.stop();
  await testDatabase.drop();
});

/** Rows of postings, instructions and batches that a read fetched, and how often it scanned one of these tables from end to end. */
async function costOf(read: () => Promise<unknown>): Promise<{ readonly rows: number; readonly scans: number }> {
  const before = await touched();
  await read();
  const after = await touched();
  return { rows: after.rows - before.rows, scans: after.scans - before.scans };
}

async function touched(): Promise<{ readonly rows: number; readonly scans: number }> {
  const { sql } = database; // of one connection, whose own counts are flushed here
  await sql`select pg_stat_force_next_flush()`;
  const [row] = await sql<{ rows: number; scans: number }[]>`
    select (sum(idx_tup_fetch) + sum(seq_tup_read))::float8 as rows, sum(seq_scan)::float8 as scans
    from pg_stat_user_tables where schemaname = 'ledger' and relname in ('posting', 'posting_instruction', 'posting_instruction_batch')`;
  return row!;
}

const tenDaysBack = addMicros(END, -10n * DAY);

describe("at 20 000 postings", () => {
  test.each([
    ["at V", { at: tenDaysBack, knownAt: undefined }],
    ["at K", { at: undefined, knownAt: tenDaysBack }],
    ["at V and a later K", { at: tenDaysBack, knownAt: addMicros(tenDaysBack, 5n * DAY) }],
    ["at the beginning", { at: START, knownAt: START }],
  ])(
    "T-3: a balance %s costs two searches, one row, and the backdated postings behind it",
    async (_when, observation) => {
      const read = () => listObservedBalances(database.sql, [account], observation);
      const { rows, scans } = await costOf(read);
      expect(scans).toBe(0);
      expect(rows).toBeLessThan(100); // two searches of 15 steps, each a posting and its batch
      // The first five are backdated to before the beginning; of the day after V every fiftieth is backdated to before V.
      const [balance] = await read();
      const isCounted = (n: number): boolean => {
        const booked = START + BigInt(n) * STEP_MICROS;
        const value = n % 50 === 0 ? booked - DAY : booked;
        return value <= (observation.at ?? END) && booked <= (observation.knownAt ?? END);
      };
      const counted = Array.from({ length: POSTINGS }, (_, index) => index + 1).filter(isCounted).length;
      expect(Number(balance!.committed)).toBe(counted);
    },
  );

  test("T-4: an interval of a day costs its changes", async () => {
    const interval = { start: addMicros(tenDaysBack, -DAY), end: tenDaysBack, knownAt: undefined };
    const read = () => listBalanceChanges(database.sql, account, interval, {}, 1_000);
    const changes = await read();
    expect(changes.length).toBeGreaterThan(230);
    const { rows, scans } = await costOf(read);
    expect(scans).toBe(0);
    expect(rows).toBeLessThan(1_000);
  });

  test("the trial balance of yesterday costs a day", async () => {
    const read = () => listTrialBalance(database.sql, { at: addMicros(END, -DAY), knownAt: undefined });
    const { rows } = await costOf(read);
    expect(rows).toBeLessThan(1_000);
    const [cashIn, cashOut] = await read();
    expect([cashIn!.debit, cashIn!.credit]).toEqual([cashOut!.credit, cashOut!.debit]);
  });

  test.each<[string, bigint | undefined, TransactionListFilter]>([
    ["from the newest", undefined, {}],
    ["deep in the account", 500n, {}],
    ["before a booking time", undefined, { bookedLt: tenDaysBack }],
    ["known by a time", undefined, { knownLte: tenDaysBack }],
    [
      "between two booking times",
      undefined,
      { bookedGte: addMicros(START, DAY), bookedLte: addMicros(START, 2n * DAY) },
    ],
    ["of a short time that holds less", undefined, { valueGt: addMicros(END, -STEP_MICROS * 3n) }],
  ])("a page of twenty, %s, costs its own rows", async (_which, beforeSeq, filter) => {
    const read = () => listTransactions(database.sql, account, { beforeSeq, limit: 21 }, filter);
    for (let time = 0; time < 8; time++) await read(); // past the point where the server may choose one plan for all parameters
    const { rows, scans } = await costOf(read);
    expect(await read()).toHaveLength(filter.valueGt === undefined ? 21 : 2);
    expect(scans).toBe(0);
    expect(rows).toBeLessThan(250);
  });
});
