import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createOutboxStore, listDeadLetters, type Database, type DeadLetter } from "@florin/db";
import type { FaultPoint } from "@florin/resilience";
import {
  createTestDatabase,
  eventually,
  startTestRedis,
  whereRedisIs,
  type TestDatabase,
  type TestRedis,
} from "@florin/testkit";
import { commitEvent, connectArea, createEffectTables, listEffects, type Effect } from "./postgres-areas.js";
import { ask } from "./redis-nodes.js";

const describeWithRedis = whereRedisIs(describe, describe.skip);
const PROGRAM = fileURLToPath(new URL("redis-process.mjs", import.meta.url));

const points = [
  "relay.after-number",
  "relay.before-publish",
  "relay.after-publish",
  "relay.after-save-delivered",
  "redis-bus.after-lease",
  "redis-bus.after-read",
  "redis-bus.before-ack",
  "redis-bus.after-ack",
  "consumer.before-transaction",
  "consumer.before-commit",
  "consumer.after-commit",
  "consumer.before-park",
  "consumer.after-park",
] as const satisfies readonly FaultPoint[];

describeWithRedis("processes that carry and apply events", () => {
  let redis: TestRedis;
  let testDatabase: TestDatabase;
  let accounts: Database;
  let ledger: Database;
  const children: ChildProcess[] = [];
  let committed = 0;

  beforeEach(async () => {
    committed = 0;
    [redis, testDatabase] = await Promise.all([startTestRedis(), createTestDatabase()]);
    await createEffectTables(testDatabase.url);
    accounts = connectArea(testDatabase.url, "accounts");
    ledger = connectArea(testDatabase.url, "ledger");
  });

  afterEach(async () => {
    await Promise.all(children.splice(0).map(kill));
    await Promise.all([accounts.stop(), ledger.stop()]);
    await Promise.all([redis.stop(), testDatabase.drop()]);
  });

  function start(more: Readonly<Record<string, string>> = {}): ChildProcess {
    const child = fork(PROGRAM, {
      env: { PATH: process.env.PATH, REDIS_URL: redis.url, DATABASE_URL: testDatabase.url, ...more },
      execArgv: [],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    children.push(child);
    return child;
  }

  async function kill(child: ChildProcess): Promise<void> {
    if (isGone(child)) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  async function commit(key = `key-${committed % 5}`): Promise<void> {
    await commitEvent(accounts, "accounts", key, committed++);
  }

  /** A slow machine parks more than a page while a process comes up. */
  async function allLetters(): Promise<readonly DeadLetter[]> {
    const letters: DeadLetter[] = [];
    for (;;) {
      const page = await listDeadLetters(ledger.sql, "ledger", { after: letters.at(-1)?.deadLetterId ?? 0n });
      if (page.length === 0) return letters;
      letters.push(...page);
    }
  }

  const effects = (): Promise<readonly Effect[]> => listEffects(ledger, "ledger");
  const countEffects = async (): Promise<number> => (await effects()).length;

  test("killed at each point of the way, one after the other: each effect once and in order, parked ones parked once", async () => {
    for (const point of points) {
      const child = start({ FLORIN_FAULT: `${point}:1:kill` });
      const deadline = performance.now() + 30_000;
      while (!isGone(child)) {
        if (performance.now() > deadline) throw new Error(`${point} was not passed in 30 s`);
        await commit(point.endsWith("park") ? "poison" : undefined);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(child.signalCode).toBe("SIGKILL");
    }
    start();
    const head = BigInt(committed);
    await eventually(async () => (await createOutboxStore(accounts, "accounts").loadDelivered()) === head, 30_000);
    const letters = await allLetters();
    const all = await effects();
    expect(all.length + letters.length).toBe(committed);
    expect(letters.length).toBeGreaterThan(1);
    expect(
      new Set([...all.map((effect) => effect.position), ...letters.map((letter) => letter.event.position)]).size,
    ).toBe(committed);
    for (let key = 0; key < 5; key++) {
      const numbers = all.filter((effect) => effect.key === `key-${key}`).map((effect) => effect.number);
      expect(numbers).toEqual(numbers.toSorted((a, b) => Number(a - b)));
    }
    await eventually(async () => (await pending()) === 0);
  }, 180_000);

  async function freezeAndWake(more: Readonly<Record<string, string>>): Promise<void> {
    for (let i = 0; i < 300; i++) await commit();
    const first = start(more);
    await eventually(async () => (await countEffects()) >= 50, 30_000);
    first.kill("SIGSTOP");
    const second = start(more);
    await eventually(async () => (await leaseHolders()) > 0 && (await countEffects()) >= 200, 30_000);
    for (let i = 0; i < 100; i++) await commit();
    first.kill("SIGCONT");
    for (let i = 0; i < 100; i++) await commit();
    await eventually(async () => (await countEffects()) >= 500, 30_000);
    await eventually(async () => (await pending()) === 0, 30_000);
    await kill(second);
    for (let i = 0; i < 100; i++) await commit();
    await eventually(async () => (await countEffects()) >= 600, 30_000); // the one that was frozen is of use again
    await eventually(async () => (await createOutboxStore(accounts, "accounts").loadDelivered()) === 600n, 30_000);
  }

  test("frozen with the lease and woken after another took over: each effect once and in order", async () => {
    await freezeAndWake({});
    const all = await effects();
    expect(all).toHaveLength(600);
    expect(new Set(all.map((effect) => effect.position)).size).toBe(600);
    for (let key = 0; key < 5; key++) {
      const numbers = all.filter((effect) => effect.key === `key-${key}`).map((effect) => effect.number);
      expect(numbers).toEqual(numbers.toSorted((a, b) => Number(a - b)));
    }
  }, 120_000);

  test("the same without the inbox leaves effects twice (control)", async () => {
    await freezeAndWake({ WITHOUT_INBOX: "yes" });
    expect(await countEffects()).toBeGreaterThan(600);
  }, 120_000);

  const pending = (): Promise<number> =>
    ask(redis, async (client) => Number((await client.xpending("florin:{accounts}:events", "ledger"))[0]));
  const leaseHolders = (): Promise<number> =>
    ask(redis, (client) => client.exists("florin:{accounts}:group:ledger:lease"));
});

function isGone(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
