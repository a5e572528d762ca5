import { createTestDatabase } from "@florin/testkit";
import { connectDatabase, fingerprintOf, internalAccountId, operationIdOf } from "@florin/db";

test("an internal account's id is the one that PostgreSQL derives", async () => {
  const { url, drop } = await createTestDatabase();
  const database = connectDatabase({ url, applicationName: "test", maxConnections: 1 });
  try {
    const rows = await database.sql<{ code: string; denomination: string; id: string }[]>`
      select code, denomination, account_id as id from ledger.account where kind = 'INTERNAL'`;
    expect(rows.length).toBeGreaterThan(100);
    for (const { code, denomination, id } of rows) expect(internalAccountId(code, denomination)).toBe(id);
  } finally {
    await database.stop();
    await drop();
  }
});

test("a fingerprint knows what is asked, not how", () => {
  const input = { amount: { amount: "1.00", currency: "USD" }, accountId: "acct_x" };
  const fingerprint = fingerprintOf({ ...input, idempotencyKey: "one", waitMs: 0 });
  expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
  expect(fingerprintOf({ accountId: "acct_x", amount: { currency: "USD", amount: "1.00" }, waitMs: 9 })).toBe(
    fingerprint,
  );
  expect(fingerprintOf({ ...input, accountId: "acct_y" })).not.toBe(fingerprint);
});

test("an operation's id comes from principal and key, and their border cannot be moved", () => {
  expect(operationIdOf("usr_a", "key")).toBe(operationIdOf("usr_a", "key"));
  expect(operationIdOf("usr_a", "key")).not.toBe(operationIdOf("usr_ak", "ey"));
});
