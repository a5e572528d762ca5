import { connectDatabase, type Database } from "@florin/db";
import { checkBooks, createTestDatabase, type TestDatabase } from "@florin/testkit";

const BATCH = "01900000-0000-7000-8000-000000000001";
let testDatabase: TestDatabase;
let database: Database;

/** One deposit of 10 USD into an internal liability account, in books that are otherwise empty. */
beforeEach(async () => {
  testDatabase = await createTestDatabase();
  database = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 1 });
  await database.transaction(async (tx) => {
    await tx`
      insert into ledger.posting_instruction_batch (book_id, batch_id, seq, client_id, status, value_at, booked_at, known_at)
      values (1, ${BATCH}, 1, 'test', 'ACCEPTED', now(), now(), now())`;
    await tx`insert into ledger.posting_instruction values (1, ${BATCH}, 0, 'TRANSFER', 'test', 't1', null)`;
    await tx`
      insert into ledger.posting
      select 1, florin.internal_account_id(code, 'USD'), 1, 1, ${BATCH}::uuid, 0, 'DEFAULT', 'COMMERCIAL_BANK_MONEY', 'USD',
        'COMMITTED', side, 10, now(), now(), 10, 0, 0
      from (values ('CASH_IN', 'DEBIT'), ('SUSPENSE', 'CREDIT')) leg (code, side)`;
    await tx`
      insert into ledger.balance
      select book_id, account_id, address, asset, denomination, phase, case side when 'DEBIT' then amount else 0 end,
        case side when 'CREDIT' then amount else 0 end, account_seq from ledger.posting`;
    await tx`update ledger.head set seq = 1, batch = 1`;
  });
});
afterEach(async () => {
  await database.stop();
  await testDatabase.drop();
});

test("finds nothing in books that are in order", async () => {
  expect(await checkBooks(testDatabase.url)).toEqual([]);
});

test.each([
  ["update ledger.balance set total_debit = total_debit + 1 where total_debit > 0", /INV-2/],
  ["delete from ledger.balance where total_debit > 0", /INV-2/],
  ["update ledger.head set seq = 2", /INV-4 a book/],
  ["update ledger.posting set account_seq = 2 where side = 'DEBIT'", /INV-4 an account/],
  ["update ledger.posting set amount = 11 where side = 'DEBIT'", /INV-1/],
  ["update ledger.posting set committed_after = 11 where side = 'CREDIT'", /balance after it/],
  ["update ledger.posting set seq = 7", /place in the book/],
])("tells of: %s", async (damage, expected) => {
  await database.sql.unsafe(`set session_replication_role = replica; ${damage}`); // past the triggers that refuse it
  expect((await checkBooks(testDatabase.url)).join("\n")).toMatch(expected);
});
