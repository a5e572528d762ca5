import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { eventually } from "@florin/testkit";
import { callsOf, productsOf, startLinkedPlatform, truthOf, type LinkedPlatform } from "./linked-platform.js";

let platform: LinkedPlatform;
beforeAll(async () => {
  platform = await startLinkedPlatform({ policy: { pageSize: 500 } });
});
afterAll(() => platform.stop());

test("twenty thousand transactions in forty accounts come without loss, a page in memory at a time", async () => {
  const login = await platform.link("user_big", ["transactions"]);
  await eventually(async () => (await productsOf(platform, login))["TRANSACTIONS"] === "READY", 60_000);
  await platform.atRest(login.itemId);
  const [stored] = await platform.database.sql<{ count: number; ids: number; accounts: number; sum: string }[]>`
    select count(*)::int as count, count(distinct plaid_transaction_id)::int as ids,
      count(distinct linked_account_id)::int as accounts, sum(amount * 100)::bigint::text as sum
    from accounts.linked_transaction where item_id = ${login.itemId} and removed_at is null`;
  const cents = truthOf(platform, login).reduce(
    (sum, { amount }) => sum + BigInt(Math.round(Number(amount) * 100)),
    0n,
  );
  expect(stored).toEqual({ count: 20_000, ids: 20_000, accounts: 40, sum: cents.toString() });
  // Forty pages, and a look after each webhook that came meanwhile.
  expect(callsOf(platform, login, "/transactions/sync")).toBeLessThanOrEqual(44);

  const versions = await platform.handedOver(login.itemId, "TRANSACTIONS");
  expect(versions.reduce((sum, { rows }) => sum + rows.length, 0)).toBe(20_000);
  expect(Math.max(...versions.map(({ rows }) => rows.length))).toBeLessThanOrEqual(5_000);
  const [left] = await platform.database.sql<{ count: number }[]>`
    select count(*)::int as count from accounts.linked_transaction_staged`;
  expect(left?.count).toBe(0);
}, 90_000);
