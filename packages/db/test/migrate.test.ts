import { connectDatabase, migrate, type Database } from "@florin/db";
import { createTestDatabase, type TestDatabase } from "@florin/testkit";

let testDatabase: TestDatabase;
let database: Database;

beforeEach(async () => {
  testDatabase = await createTestDatabase({ template: "template0" });
  database = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 2 });
});
afterEach(async () => {
  await database.stop();
  await testDatabase.drop();
});

test("applies every file once, in order, and finds nothing to do the second time", async () => {
  const told: string[] = [];
  const first = await migrate(testDatabase.url, { onProgress: (migration) => void told.push(migration) });
  expect(first.applied[0]).toBe("platform/000001-areas-and-event-tables.sql");
  expect(first.applied).toContain("ledger/000001-ledger.sql");
  expect(told).toEqual(first.applied);
  expect(await migrate(testDatabase.url)).toEqual({ applied: [] });
});

test("several at once: one applies, the others find it done", async () => {
  const results = await Promise.all([1, 2, 3].map(() => migrate(testDatabase.url)));
  expect(results.filter((result) => result.applied.length > 0)).toHaveLength(1);
});

test("a file that changed after it was applied is an error that names it", async () => {
  await migrate(testDatabase.url);
  await database.sql`update public.florin_migration set sha256 = 'other' where area = 'ledger'`;
  await expect(migrate(testDatabase.url)).rejects.toThrow(/ledger\/000001-ledger\.sql has changed/);
});

test("seeds an internal account for each code and currency, and again what is missing", async () => {
  await migrate(testDatabase.url);
  const count = async (): Promise<number | undefined> => {
    const [row] = await database.sql<{ missing: number }[]>`
      select count(*)::int as missing from florin.internal_account_code i cross join florin.currency c
      where not exists (select from ledger.account a where a.account_id = florin.internal_account_id(i.code, c.code))`;
    return row?.missing;
  };
  expect(await count()).toBe(0);
  await database.sql`delete from ledger.account where code = 'CASH_IN'`;
  expect(await count()).toBeGreaterThan(100);
  await migrate(testDatabase.url);
  expect(await count()).toBe(0);
});
