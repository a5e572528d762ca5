import { connectDatabase } from "@florin/db";
import { createTestDatabase, type TestDatabase } from "@florin/testkit";

let testDatabase: TestDatabase;
beforeAll(async () => {
  testDatabase = await createTestDatabase();
});
afterAll(() => testDatabase.drop());

async function levelOf(url: string, area?: "accounts" | "ledger"): Promise<string | undefined> {
  const database = connectDatabase({ url, area, applicationName: "durable", maxConnections: 1 });
  try {
    const [row] = await database.sql<{ synchronous_commit: string }[]>`show synchronous_commit`;
    return row?.synchronous_commit;
  } finally {
    await database.stop();
  }
}

test("an area's session commits durably even where the server's default says otherwise", async () => {
  expect(await levelOf(testDatabase.url)).toBe("off"); // the control: what this test's server gives to others
  for (const area of ["accounts", "ledger"] as const) expect(await levelOf(testDatabase.url, area)).toBe("on");
});

test("the URL may ask for more than that, and not for less", async () => {
  expect(await levelOf(`${testDatabase.url}?synchronous_commit=remote_apply`, "ledger")).toBe("remote_apply");
  for (const less of ["off", "local", "remote_write"]) {
    const url = `${testDatabase.url}?synchronous_commit=${less}`;
    expect(() => connectDatabase({ url, area: "ledger", applicationName: "durable", maxConnections: 1 })).toThrow(
      "acknowledged money can be lost",
    );
  }
});
