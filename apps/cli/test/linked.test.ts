import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectDatabase, type Database } from "@florin/db";
import { findToken, insertLinkedItem, insertToken, insertUser } from "@florin/db/accounts";
import { asUuid, formatId, type Uuid } from "@florin/kernel";
import { AccessToken, createKeyFileProvider, createTokenVault } from "@florin/plaid";
import { systemClock } from "@florin/resilience";
import { createTestDatabase, type TestDatabase } from "@florin/testkit";
import { runFlorin } from "../src/index.js";

let testDatabase: TestDatabase;
let worker: Database;
let directory: string;
let keyring: string;

beforeEach(async () => {
  testDatabase = await createTestDatabase();
  directory = await mkdtemp(join(tmpdir(), "florin-keyring-"));
  keyring = join(directory, "keyring.json");
  worker = connectDatabase({
    url: testDatabase.url,
    area: "accounts",
    role: "florin_linked_worker",
    applicationName: "test",
    maxConnections: 2,
  });
});
afterEach(async () => {
  await worker.stop();
  await testDatabase.drop();
  await rm(directory, { recursive: true, force: true });
});

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

const openVault = () =>
  createTokenVault({ keys: createKeyFileProvider({ path: keyring, isProductionGrade: true }), environment: "sandbox" });

const ownerOf = (userId: Uuid, itemId: Uuid) => ({
  tenant: "florin",
  user: formatId("user", userId),
  itemRowId: itemId,
});

async function linkItem(text: string): Promise<{ userId: Uuid; itemId: Uuid }> {
  const userId = asUuid(randomUUID());
  const itemId = asUuid(randomUUID());
  const at = systemClock.now();
  const people = connectDatabase({
    url: testDatabase.url,
    area: "accounts",
    applicationName: "test",
    maxConnections: 1,
  });
  await people.transaction((tx) =>
    insertUser(tx, {
      userId,
      email: `${userId}@example.test`,
      phone: null,
      fullName: "Ada",
      country: "US",
      passwordHash: "$argon2id$test",
      roles: ["CUSTOMER"],
      createdAt: at,
    }),
  );
  await people.stop();
  const sealed = await openVault().sealToken(new AccessToken(text), ownerOf(userId, itemId));
  await worker.transaction(async (tx) => {
    await insertLinkedItem(tx, {
      itemId,
      userId,
      plaidItemId: `item-${itemId}`,
      plaidItemDigest: Buffer.alloc(32, itemId),
      environment: "sandbox",
      institutionId: "ins_1",
      institutionName: "First Bank",
      chosenAccounts: [],
      createdAt: at,
    });
    await insertToken(tx, itemId, sealed, at);
  });
  return { userId, itemId };
}

test("turns tokens to a new key: every one opens as before, the old key wraps none", async () => {
  expect(await florin("linked", "add-key", "--keyring", keyring, "--id", "kek-1")).toMatchObject({ exitCode: 0 });
  const items = await Promise.all([linkItem("access-sandbox-1"), linkItem("access-sandbox-2")]);
  expect((await florin("linked", "status")).out).toMatch(/HEALTHY +2[^]*kek-1 +2/);
  await florin("linked", "add-key", "--keyring", keyring, "--id", "kek-2");
  const { exitCode, out } = await florin("linked", "rewrap", "--keyring", keyring, "--environment", "sandbox");
  expect([exitCode, out]).toEqual([0, "2 wrapped anew, 0 left\n"]);
  expect((await florin("linked", "status")).out).toMatch(/kek-2 +2/);
  const vault = openVault();
  for (const { userId, itemId } of items) {
    const stored = await findToken(worker.sql, itemId);
    expect(stored?.kekId).toBe("kek-2");
    const opened = await vault.openToken(stored!, ownerOf(userId, itemId));
    expect(String(opened)).toBe("[access token]");
  }
});

test("a key file that is not there, or an action that is none, changes nothing and says what to do", async () => {
  await florin("linked", "add-key", "--keyring", keyring);
  await linkItem("access-sandbox-3");
  const missing = await florin("linked", "rewrap", "--keyring", join(directory, "none"), "--environment", "sandbox");
  expect(missing).toMatchObject({ exitCode: 1, err: expect.stringContaining("cannot be opened as a file of keys") });
  expect(await florin("linked", "rewrap")).toMatchObject({ exitCode: 2 });
  expect(await florin("linked", "burn")).toMatchObject({ exitCode: 2 });
});
