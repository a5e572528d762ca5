import { connectDatabase, internalAccountId, type Database } from "@florin/db";
import { ensureProducts, findAccountTerms } from "@florin/db/ledger";
import { findValueAt, parseInstant, wallet, type Instant, type Uuid } from "@florin/kernel";
import { randomIds, systemClock } from "@florin/resilience";
import { createTestDatabase, type TestDatabase } from "@florin/testkit";

let testDatabase: TestDatabase;
let database: Database;
const at = (text: string): Instant => parseInstant(text)!;
const [plain, rich] = [randomIds.next(), randomIds.next()];

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 2 });
  await ensureProducts(database, [wallet], randomIds, systemClock);
  for (const accountId of [plain, rich]) {
    await database.sql`
      insert into ledger.account (book_id, account_id, kind, product_version_id, denomination, tside, status, opened_at)
      select 1, ${accountId}, 'CUSTOMER', product_version_id, 'USD', 'LIABILITY', 'OPEN', '2026-01-01T00:00:00Z'
      from ledger.product_version`;
    await database.sql`insert into ledger.account_owner values (1, ${accountId}, ${`usr_${accountId}`})`;
  }
});
afterAll(async () => {
  await database.stop();
  await testDatabase.drop();
});

const find = (...ids: Uuid[]) => findAccountTerms(database.sql, 1, ids);

test("an account of which nothing was said is not in the answer, nor is one that is not there", async () => {
  expect((await find(plain, randomIds.next())).size).toBe(0);
  expect((await find()).size).toBe(0);
});

test("FLAG-1: flags and parameters come as they were told, in order, with all three times", async () => {
  await database.sql`
    insert into ledger.account_flag values
      (1, ${rich}, 7, 'DORMANT', true, '2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z', 'usr_staff', '2026-02-02T00:00:00Z'),
      (1, ${rich}, 8, 'DORMANT', false, '2026-02-10T00:00:00.000001Z', null, 'usr_staff', '2026-02-10T00:00:00Z')`;
  await database.sql`
    insert into ledger.account_parameter values
      (1, ${rich}, 9, 'limit', '10', '2026-02-01T00:00:00Z', null, 'usr_staff', '2026-02-02T00:00:00Z')`;
  await database.sql`
    insert into ledger.template_parameter
    select 1, product_version_id, 6, 'limit', '5', '2026-02-01T00:00:00Z', null, 'usr_staff', '2026-02-02T00:00:00Z'
    from ledger.product_version`;
  const terms = await find(plain, rich);
  const dormant = terms.get(rich)!.flags!["DORMANT"]!;
  expect(dormant).toHaveLength(2);
  expect(findValueAt(dormant, at("2026-02-10T00:00:00Z"))).toBe(true);
  expect(findValueAt(dormant, at("2026-02-10T00:00:00.000001Z"))).toBe(false);
  expect(findValueAt(dormant, at("2026-02-20T00:00:00Z"), at("2026-02-05T00:00:00Z"))).toBe(true);
  expect(terms.get(rich)!.parameterHistory!.instance!["limit"]!.map(({ value }) => value)).toEqual(["10"]);
  expect(terms.get(plain)!.parameterHistory).toEqual({
    template: { limit: [expect.objectContaining({ value: "5" })] },
  });
});

test("RES-1: restrictions of the owner, of the account and of its devices, by rule; a lift ends one early", async () => {
  const [first, second] = [randomIds.next(), randomIds.next()];
  await database.sql`
    insert into ledger.restriction_definition values
      (1, 'FRAUD', 2, 1, 'Suspected fraud', ${'[{"type":"PREVENT_DEBITS","exemptions":[{"channel":"BRANCH"}]},{"type":"LIMIT_CREDITS","limits":{"USD":"12.5","EUR":"9"}},{"type":"LIMIT_DEBITS","limits":{"EUR":"9"}}]'}::text::jsonb,
       'usr_staff', now())`;
  await database.sql`
    insert into ledger.restriction values
      (1, ${first}, 2, 'FRAUD', 2, 'CUSTOMER', ${`usr_${rich}`}, null, null, '2026-02-01T00:00:00Z', '2026-09-01T00:00:00Z', 'usr_staff', now()),
      (1, ${second}, 3, 'FRAUD', 2, 'PAYMENT_DEVICE', null, ${rich}, 'card_1', '2026-02-01T00:00:00Z', null, 'usr_staff', now())`;
  await database.sql`insert into ledger.restriction_lift values (1, ${first}, 4, '2026-05-01T00:00:00Z', 'cleared', 'usr_staff', now())`;
  const restrictions = (await find(rich)).get(rich)!.restrictions!;
  expect(restrictions.map(({ level, type, to }) => [level, type, to])).toEqual([
    ["CUSTOMER", "PREVENT_DEBITS", at("2026-05-01T00:00:00Z")],
    ["CUSTOMER", "LIMIT_CREDITS", at("2026-05-01T00:00:00Z")],
    ["PAYMENT_DEVICE", "PREVENT_DEBITS", undefined],
    ["PAYMENT_DEVICE", "LIMIT_CREDITS", undefined],
  ]);
  expect(restrictions[1]).toMatchObject({ code: "FRAUD", version: "2", limit: 125_000_000n });
  expect(restrictions[2]).toMatchObject({ paymentDevice: "card_1", exemptions: [{ channel: "BRANCH" }] });
});

test("BAL-1, T-2, MON-2: the last guard, the group's closed period, and the scales of internal addresses", async () => {
  await database.sql`
    insert into ledger.account_guard values
      (1, ${rich}, 3, 5, 6, 'usr_staff', now()), (1, ${rich}, 4, -0.0000001, null, 'usr_staff', now())`;
  await database.sql`
    insert into ledger.period_close values
      (1, 'main', 1, '2026-02-01T00:00:00Z', 'usr_staff', now()), (1, 'main', 2, '2026-03-01T00:00:00Z', 'usr_staff', now())`;
  const income = internalAccountId("INTEREST_INCOME", "USD");
  const terms = await find(plain, rich, income);
  expect(terms.get(rich)!.guards).toEqual({ minAvailable: -1n, maxCommitted: undefined });
  expect(terms.get(plain)!.closedUntil).toBe(at("2026-03-01T00:00:00Z"));
  expect(terms.get(income)!.addressScales).toEqual({ ACCRUED_INTEREST: "INTERNAL" });
});

test("what was told is never edited", async () => {
  for (const table of [
    "account_flag",
    "account_parameter",
    "restriction",
    "restriction_lift",
    "account_guard",
    "period_close",
  ])
    await expect(database.sql.unsafe(`delete from ledger.${table}`)).rejects.toThrow(/append-only/);
});
