import {
  connectDatabase,
  isKeyParked,
  listKeysToReplay,
  parkEvent,
  replayDeadLetters,
  type Database,
} from "@florin/db";
import { asUuid, instantFromMillis, type EventEnvelope } from "@florin/kernel";
import { createTestDatabase, eventually, type TestDatabase } from "@florin/testkit";
import { runFlorin } from "../src/index.js";

const NOWHERE = "postgres://nobody:hidden@127.0.0.1:1/none";
let testDatabase: TestDatabase | undefined;
let ledger: Database;

async function florin(...args: string[]): Promise<{ exitCode: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const exitCode = await runFlorin(args, {
    environment: { databaseUrl: testDatabase?.url ?? NOWHERE },
    write: (text) => void (out += text),
    writeError: (text) => void (err += text),
  });
  return { exitCode, out, err };
}

const KEY = "acct_01hf3k2m5n6p7q8r9s0t1v2w3x";
const parked = { consumer: "ledger", stream: "accounts", key: KEY } as const;

function makeEvent(position: number): EventEnvelope {
  return {
    eventId: asUuid(`00000000-0000-7000-8000-${String(position).padStart(12, "0")}`),
    stream: "accounts",
    position: BigInt(position),
    key: KEY,
    type: "account.open",
    schemaVersion: 1,
    occurredAt: instantFromMillis(position),
    correlationId: "correlation-1",
    audience: [],
    payload: { accountId: KEY, name: "Ada Lovelace" },
  };
}

async function parkTwo(): Promise<void> {
  await parkEvent(ledger.sql, "ledger", "ledger", makeEvent(1), { error: "no such\nproduct", attempts: 5 });
  await parkEvent(ledger.sql, "ledger", "ledger", makeEvent(2), { attempts: 0 });
}

describe("on a database", () => {
  beforeEach(async () => {
    testDatabase = await createTestDatabase();
    ledger = connectDatabase({ url: testDatabase.url, area: "ledger", applicationName: "cli-test", maxConnections: 2 });
  });

  afterEach(async () => {
    await ledger.stop();
    await testDatabase?.drop();
    testDatabase = undefined;
  });

  test("lists open letters as a table that says what waits and why", async () => {
    expect(await florin("dead-letters", "list")).toEqual({ exitCode: 0, out: "No open dead letters.\n", err: "" });
    await parkTwo();
    const { out } = await florin("dead-letters", "list");
    const lines = out.trimEnd().split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^ID +STATUS +CONSUMER/);
    expect(lines[1]).toMatch(/^ledger:1 +PARKED +ledger +accounts@1 +account\.open +acct_\S+ +5 .*no such product$/);
    expect(lines[2]).toMatch(/^ledger:2 +WAITING .* waits behind/);
    expect((await florin("dead-letters", "list", "--consumer", "other")).out).toBe("No open dead letters.\n");
  });

  test("shows a letter with its payload masked, and in full only when asked", async () => {
    await parkTwo();
    const masked = await florin("dead-letters", "inspect", "ledger:1");
    expect(JSON.parse(masked.out)).toMatchObject({
      deadLetterId: "ledger:1",
      status: "PARKED",
      event: { position: "1", payload: { accountId: KEY, name: "***" } },
    });
    expect(masked.out).not.toContain("Lovelace");
    expect((await florin("dead-letters", "inspect", "ledger:1", "--reveal")).out).toContain("Ada Lovelace");
  });

  test("a replay is asked for, and the waiting terminal tells how the running consumer fared", async () => {
    await parkTwo();
    const applied: bigint[] = [];
    const asked = florin("dead-letters", "replay", "ledger:1", "--wait", "20");
    await eventually(async () => (await listKeysToReplay(ledger.sql, "ledger", "ledger", "accounts", 10)).length === 1);
    expect((await florin("dead-letters", "list")).out).toContain("PARKED (replay asked for)");
    await replayDeadLetters(ledger, "ledger", parked, async (event) => void applied.push(event.position));
    const { exitCode, out } = await asked;
    expect(out).toContain("REPLAYED.");
    expect(exitCode).toBe(0);
    expect(applied).toEqual([1n, 2n]);
    expect((await florin("dead-letters", "list")).out).toBe("No open dead letters.\n");
    expect((await florin("dead-letters", "list", "--all")).out).toContain("REPLAYED");
  });

  test("a replay that fails again ends with the reason and exit code 1", async () => {
    await parkTwo();
    const asked = florin("dead-letters", "replay", "ledger:1", "--wait", "20");
    await eventually(async () => (await listKeysToReplay(ledger.sql, "ledger", "ledger", "accounts", 10)).length === 1);
    await eventually(async () => {
      const failing = replayDeadLetters(ledger, "ledger", parked, () => Promise.reject(new Error("still no product")));
      await expect(failing).rejects.toThrow("still no product");
      return true;
    });
    const { exitCode, err } = await asked;
    expect(err).toBe("It failed again: still no product\n");
    expect(exitCode).toBe(1);
  });

  test("a discard needs a reason, keeps it, and frees the key", async () => {
    await parkTwo();
    expect(await florin("dead-letters", "discard", "ledger:1")).toMatchObject({ exitCode: 2 });
    expect(await isKeyParked(ledger.sql, "ledger", parked)).toBe(true);
    expect(await florin("dead-letters", "discard", "ledger:1", "--reason", "sent by mistake")).toMatchObject({
      exitCode: 0,
    });
    expect((await florin("dead-letters", "list", "--all")).out).toMatch(/DISCARDED .*sent by mistake/);
    expect(await listKeysToReplay(ledger.sql, "ledger", "ledger", "accounts", 10)).toEqual([KEY]);
    expect(await florin("dead-letters", "discard", "ledger:1", "--reason", "again")).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("resolved already"),
    });
  });

  test("refuses what is not there", async () => {
    for (const action of ["inspect", "replay"]) {
      const { exitCode, err } = await florin("dead-letters", action, "ledger:404");
      expect(exitCode).toBe(1);
      expect(err).toContain("no dead letter ledger:404");
    }
  });
});

test.each([
  [[], 2, ""],
  [["dance"], 2, "no command dance"],
  [["dead-letters"], 2, "Use list, inspect, replay or discard"],
  [["dead-letters", "list", "--colour"], 2, "--colour"],
  [["dead-letters", "list", "ledger:1"], 2, "list takes no id"],
  [["dead-letters", "inspect"], 2, "no id of a dead letter"],
  [["dead-letters", "inspect", "payments:1"], 2, "no id of a dead letter"],
  [["dead-letters", "inspect", "ledger:1; drop table"], 2, "no id of a dead letter"],
  [["dead-letters", "inspect", "ledger:1", "more"], 2, "one argument too many"],
  [["dead-letters", "replay", "ledger:1", "--wait", "soon"], 2, "--wait takes whole seconds"],
  [["dead-letters", "list"], 1, "127.0.0.1:1"],
])("%j ends with exit code %i and says why", async (args, exitCode, message) => {
  const result = await florin(...args);
  expect(result.exitCode).toBe(exitCode);
  expect(result.err).toContain(message);
  expect(result.err).not.toContain("hidden");
});

test("needs a database", async () => {
  let err = "";
  const exitCode = await runFlorin(["dead-letters", "list"], {
    environment: { databaseUrl: undefined },
    write: () => {},
    writeError: (text) => void (err += text),
  });
  expect(exitCode).toBe(2);
  expect(err).toContain("--database-url");
});
