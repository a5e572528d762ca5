import { connectDatabase } from "@florin/db";
import { haltWrites } from "@florin/db/ledger";
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

test("halts, tells who did it and why, and resumes; each once", async () => {
  expect(await florin("writes", "status")).toEqual({ exitCode: 0, out: "Writes are taken.\n", err: "" });
  expect(await florin("writes", "halt", "--reason", "cash desk counts", "--by", "ada")).toMatchObject({ exitCode: 0 });
  expect(await florin("writes", "halt", "--reason", "again")).toMatchObject({ exitCode: 1 });
  const { out } = await florin("writes", "status");
  expect(out).toMatch(/^Writes are HALTED\.\n[^]*1 +HALT +20\d\d-\S+ +ada +cash desk counts/);
  expect(await florin("writes", "resume", "--reason", "counted", "--by", "bo")).toMatchObject({ exitCode: 0 });
  expect(await florin("writes", "resume", "--reason", "again")).toMatchObject({ exitCode: 1 });
  expect((await florin("writes", "status")).out).toMatch(/^Writes are taken\.\n[^]*2 +RESUME[^]*1 +HALT/);
});

test("shows what the auditor found", async () => {
  const admin = connectDatabase({ url: testDatabase.url, area: "ledger", applicationName: "test", maxConnections: 1 });
  const findings = [{ sentence: "debits equal credits", who: "USD", what: "0.01" }];
  await haltWrites(admin, 1, { rule: "debits equal credits", findings, reason: "I1", by: "invariant auditor" });
  await admin.stop();
  expect((await florin("writes", "status")).out).toMatch(/debits equal credits +USD +0\.01/);
  expect((await florin("writes", "resume", "--reason", "mended")).out).toContain("does not halt them again");
});

test("a halt without a reason, or another action, is a misuse", async () => {
  expect(await florin("writes", "halt")).toMatchObject({ exitCode: 2 });
  expect(await florin("writes", "resume", "--reason", " ")).toMatchObject({ exitCode: 2 });
  expect(await florin("writes", "burn", "--reason", "x")).toMatchObject({ exitCode: 2 });
});
