import { connectDatabase, internalAccountId, type Database } from "@florin/db";
import {
  findBatches,
  findInternalAccountId,
  findKnownAt,
  findOperationByKey,
  findOperations,
  findProductByCode,
  findProducts,
  findProductVersions,
  findTransactions,
  listAccountIdsOfOwner,
  listAccounts,
  listBalancesAtSeq,
  listInstructions,
  listLiveTotals,
  listObservedTotals,
  listProducts,
  listProductVersions,
  listTransactions,
  listTrialBalance,
} from "@florin/db/ledger";
import { asUuid, instantFromMicros } from "@florin/kernel";
import { createTestDatabase, type TestDatabase } from "@florin/testkit";

let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = connectDatabase({
    url: testDatabase.url,
    area: "ledger",
    applicationName: "ledger-reads",
    maxConnections: 2,
  });
});

afterAll(async () => {
  await database.stop();
  await testDatabase.drop();
});

const nobody = asUuid("00000000-0000-7000-8000-000000000001");
const cashIn = internalAccountId("CASH_IN", "USD");
const y2000 = instantFromMicros(946_684_800_000_000n);

describe("reads of a book that nothing was posted to", () => {
  test("an internal account is found by code, and is empty at every observation", async () => {
    const { sql } = database;
    expect(await findInternalAccountId(sql, "CASH_IN", "USD")).toBe(cashIn);
    expect(await findInternalAccountId(sql, "CASH_IN", "XXX")).toBeUndefined();
    expect(await listAccounts(sql, [cashIn, nobody])).toEqual([
      expect.objectContaining({ accountId: cashIn, kind: "INTERNAL", code: "CASH_IN", tside: "ASSET", owners: [] }),
    ]);
    const [live] = await listLiveTotals(sql, [cashIn, nobody]);
    expect(live).toEqual({ accountId: cashIn, accountSeq: 0n, asOf: 0n, coordinates: [] });
    const observed = await listObservedTotals(sql, [cashIn], { at: undefined, knownAt: y2000 });
    expect(observed).toEqual([{ accountId: cashIn, accountSeq: 0n, asOf: y2000, coordinates: [] }]);
  });

  test("lists are empty and lookups find nothing", async () => {
    const { sql } = database;
    const key = { accountId: cashIn, accountSeq: 1n };
    const filter = {
      types: ["TRANSFER"],
      direction: "CREDIT",
      valueGte: y2000,
      valueLt: y2000,
      bookedGte: y2000,
      bookedLt: y2000,
      minAmount: "1.00",
      maxAmount: "2",
    } as const;
    const lists = [
      listBalancesAtSeq(sql, [key]),
      findTransactions(sql, [key]),
      listTransactions(sql, cashIn, { beforeSeq: 5n, limit: 3 }, filter),
      listTransactions(sql, cashIn, { beforeSeq: undefined, limit: 3 }, {}),
      findOperations(sql, [nobody]),
      findBatches(sql, [nobody]),
      listInstructions(sql, [nobody]),
      findProducts(sql, [nobody]),
      listProducts(sql, { afterCode: "a", limit: 2 }),
      listProductVersions(sql, [nobody]),
      findProductVersions(sql, [nobody]),
      listTrialBalance(sql, { at: undefined, knownAt: undefined }),
      listTrialBalance(sql, { at: y2000, knownAt: y2000 }),
      listAccountIdsOfOwner(sql, "usr_nobody"),
    ];
    for (const list of lists) expect([...(await list)]).toEqual([]);
    expect(await findOperationByKey(sql, "usr_nobody", "k")).toBeUndefined();
    expect(await findProductByCode(sql, "nothing")).toBeUndefined();
    expect(await findKnownAt(sql)).toBeUndefined();
  });
});
