import { connectDatabase } from "@florin/db";
import { createTestDatabase, type TestDatabase } from "@florin/testkit";
import { runFlorin } from "../src/index.js";

let testDatabase: TestDatabase;
beforeEach(async () => {
  testDatabase = await createTestDatabase();
});
afterEach(() => testDatabase.drop());

async function florin(...args: string[]): Promise<{ exitCode: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const exitCode = await runFlorin(args, {
    environment: { databaseUrl: testDatabase.url },
    write: (text) => void (out += text),
    writeError: (text) => void (err += text),
  });
  return { exitCode, out, err };
}

test("says that the books are in order, and how many rules say so", async () => {
  const { exitCode, out } = await florin("invariants", "--at-rest");
  expect(out).toMatch(/^\d{2} rules checked, 0 findings, 0 rules not checked\n$/);
  expect(exitCode).toBe(0);
});

test("names the rule, the place and what stands there, and fails", async () => {
  const admin = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 1 });
  await admin.sql`update ledger.head set seq = seq + 7`;
  await admin.stop();
  const { exitCode, out, err } = await florin("invariants");
  expect(out).toMatch(/I5 .*numbered/);
  expect(err).toContain("docs/invariants.md");
  expect(exitCode).toBe(1);
});

test("an option that is not there is a misuse", async () => {
  expect(await florin("invariants", "--at-lunch")).toMatchObject({ exitCode: 2 });
});
