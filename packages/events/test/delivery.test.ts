import { createOutboxStore, discardDeadLetter, listDeadLetters, requestReplay, type Database } from "@florin/db";
import {
  createTestDatabase,
  eventually,
  startTestRedis,
  whereRedisIs,
  type TestDatabase,
  type TestRedis,
} from "@florin/testkit";
import { createInProcessBus, createRedisBus } from "../src/index.js";
import {
  areas,
  commitEvent,
  connectArea,
  createEffectGroup,
  createEffectTables,
  listEffects,
  otherArea,
  startLife,
  type CreateBus,
  type Effect,
  type TestArea,
} from "./postgres-areas.js";

let testDatabase: TestDatabase;
let databases: Record<TestArea, Database>;

beforeEach(async () => {
  testDatabase = await createTestDatabase();
  await createEffectTables(testDatabase.url);
  databases = {
    accounts: connectArea(testDatabase.url, "accounts"),
    ledger: connectArea(testDatabase.url, "ledger"),
  };
});

afterEach(async () => {
  await Promise.all(areas.map((area) => databases[area].stop()));
  await testDatabase.drop();
});

const WRITERS = 8;
const PER_WRITER = 125;

/** Each writer has three keys of its own and commits to them one after the other, so the order per key is known. */
async function writeAll(area: TestArea, onCommit: () => void): Promise<void> {
  await Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      for (let number = 0; number < PER_WRITER; number++) {
        await commitEvent(databases[area], area, `${writer}-${number % 3}`, number);
        onCommit();
      }
    }),
  );
}

function byKey(effects: readonly Effect[]): Map<string, Effect[]> {
  const grouped = new Map<string, Effect[]>();
  for (const effect of effects) grouped.set(effect.key, [...(grouped.get(effect.key) ?? []), effect]);
  return grouped;
}

const countOf = async (area: TestArea): Promise<number> => (await listEffects(databases[area], area)).length;

/**
 * What every adapter must do.
 * @param forget makes the bus lose what it keeps beyond a process
 */
function carriesEvents(createBus: CreateBus, forget: () => Promise<void>): void {
  test("two areas, two thousand events of concurrent writers, killed at random: each effect once, in order per key", async () => {
    let handled = 0;
    let writing = true;
    let wake: () => void = () => {};
    const beforeEffect = async (): Promise<void> => void (handled += 1);
    const groups = {
      accounts: createEffectGroup({ database: databases.accounts, area: "accounts", beforeEffect }),
      ledger: createEffectGroup({ database: databases.ledger, area: "ledger", beforeEffect }),
    };
    let deliveries = 0;
    const countDeliveries = (area: TestArea) => ({
      ...groups[area],
      handle: (event: Parameters<(typeof groups)[TestArea]["handle"]>[0]) => {
        deliveries += 1;
        return groups[area].handle(event);
      },
    });
    const counted = { accounts: countDeliveries("accounts"), ledger: countDeliveries("ledger") };
    const writers = Promise.all(areas.map((area) => writeAll(area, () => wake()))).finally(() => (writing = false));
    writers.catch(() => undefined); // told below; the lives must end first

    let kills = 0;
    while (writing || kills < 5) {
      const life = startLife(databases, counted, { createBus, saveEveryMs: 1_000_000 }); // killed before it writes down what was delivered
      wake = () => life.wake();
      const before = await countOf("ledger");
      const some = 10 + Math.floor(Math.random() * 150);
      await eventually(async () => !writing || (await countOf("ledger")) >= before + some, 20_000);
      await life.kill();
      kills += 1;
    }
    await writers;

    const last = startLife(databases, counted, { createBus });
    for (const area of areas) {
      const head = BigInt(WRITERS * PER_WRITER);
      expect(await last.consumptions[otherArea(area)].reached(head, 20_000)).toBe(true);
      expect(await createOutboxStore(databases[area], area).head()).toBe(head);
    }
    await last.end();

    for (const area of areas) {
      const effects = await listEffects(databases[area], area);
      expect(effects).toHaveLength(WRITERS * PER_WRITER);
      for (const ofKey of byKey(effects).values()) {
        expect(ofKey.map((effect) => effect.number)).toEqual(ofKey.map((effect) => effect.number).toSorted(ascending));
        expect(ofKey.map((effect) => effect.position)).toEqual(
          ofKey.map((effect) => effect.position).toSorted(ascending),
        );
      }
      expect(new Set(effects.map((effect) => effect.position)).size).toBe(effects.length);
      expect(await listDeadLetters(databases[area].sql, area)).toEqual([]);
      // What was delivered is written down, so the next start repeats nothing.
      expect(await createOutboxStore(databases[area], area).loadDelivered()).toBe(BigInt(WRITERS * PER_WRITER));
    }
    expect(deliveries).toBeGreaterThan(2 * WRITERS * PER_WRITER); // the kills did cause repetitions
  });

  test("without the inbox the same kills leave effects twice (control)", async () => {
    const groups = {
      accounts: createEffectGroup({ database: databases.accounts, area: "accounts", hasInbox: false }),
      ledger: createEffectGroup({ database: databases.ledger, area: "ledger", hasInbox: false }),
    };
    for (let number = 0; number < 20; number++) await commitEvent(databases.accounts, "accounts", "key", number);
    const first = startLife(databases, groups, { createBus, saveEveryMs: 1_000_000 });
    await eventually(async () => (await countOf("ledger")) >= 5, 10_000);
    await first.kill();
    await databases.accounts.sql`update accounts.outbox_head set delivered = 0`; // killed before it was written
    await forget();
    const second = startLife(databases, groups, { createBus });
    expect(await second.consumptions.ledger.reached(20n, 10_000)).toBe(true);
    await second.end();
    expect(await countOf("ledger")).toBeGreaterThan(20);
  });

  describe("an event that cannot be applied", () => {
    let isBroken: boolean;
    const start = () =>
      startLife(
        databases,
        {
          accounts: createEffectGroup({ database: databases.accounts, area: "accounts" }),
          ledger: createEffectGroup({
            database: databases.ledger,
            area: "ledger",
            beforeEffect: async (event) => {
              if (isBroken && event.position === 2n) throw new Error("no such product");
            },
          }),
        },
        { createBus },
      );
    const parkedA = { consumer: "ledger", stream: "accounts", key: "a" } as const;

    async function commitSome(): Promise<void> {
      let number = 0;
      for (const key of ["a", "a", "b", "a", "b"]) await commitEvent(databases.accounts, "accounts", key, number++);
    }
    const numbersOf = async (key: string): Promise<bigint[]> =>
      (await listEffects(databases.ledger, "ledger"))
        .filter((effect) => effect.key === key)
        .map((effect) => effect.number);
    const statuses = async (): Promise<string[]> =>
      (await listDeadLetters(databases.ledger.sql, "ledger")).map(
        (letter) => `${letter.event.position} ${letter.status}`,
      );

    beforeEach(async () => {
      isBroken = true;
      await commitSome();
    });

    test("parks its key over a restart while other keys flow; a replay that is asked for drains it in order", async () => {
      const first = start();
      expect(await first.consumptions.ledger.reached(5n, 20_000)).toBe(true);
      expect(await numbersOf("a")).toEqual([0n]);
      expect(await numbersOf("b")).toEqual([2n, 4n]);
      expect(await statuses()).toEqual(["2 PARKED", "4 WAITING"]);
      const [head] = await listDeadLetters(databases.ledger.sql, "ledger");
      expect(head).toMatchObject({ error: "Error: no such product", attempts: 5 });
      await first.end();

      const second = start();
      await commitEvent(databases.accounts, "accounts", "a", 5);
      second.wake();
      expect(await second.consumptions.ledger.reached(6n, 20_000)).toBe(true);
      expect(await statuses()).toEqual(["2 PARKED", "4 WAITING", "6 WAITING"]);
      isBroken = false;
      expect(await requestReplay(databases.ledger.sql, "ledger", parkedA)).toBe(true);
      await eventually(async () => (await statuses()).every((status) => status.endsWith("REPLAYED")), 10_000);
      expect(await numbersOf("a")).toEqual([0n, 1n, 3n, 5n]);

      await commitEvent(databases.accounts, "accounts", "a", 6);
      second.wake();
      await eventually(async () => (await numbersOf("a")).at(-1) === 6n, 10_000);
      expect(await requestReplay(databases.ledger.sql, "ledger", parkedA)).toBe(false);
      await second.end();
    });

    test("a replay that fails again keeps the key parked and forgets the request", async () => {
      const life = start();
      expect(await life.consumptions.ledger.reached(5n, 20_000)).toBe(true);
      await requestReplay(databases.ledger.sql, "ledger", parkedA);
      const failed = await eventually(
        async () => (await listDeadLetters(databases.ledger.sql, "ledger")).find((letter) => letter.attempts === 6),
        20_000,
      );
      expect(failed.replayRequestedAt).toBeUndefined();
      expect(await statuses()).toEqual(["2 PARKED", "4 WAITING"]);
      await life.end();
    });

    test("a discard lets the rest of the key through, and the discarded event is never applied, not even when it is repeated", async () => {
      const life = start();
      expect(await life.consumptions.ledger.reached(5n, 20_000)).toBe(true);
      const [head] = await listDeadLetters(databases.ledger.sql, "ledger");
      expect(await discardDeadLetter(databases.ledger.sql, "ledger", head!.deadLetterId, "sent by mistake")).toBe(true);
      expect(await discardDeadLetter(databases.ledger.sql, "ledger", head!.deadLetterId, "again")).toBe(false);
      await eventually(async () => (await numbersOf("a")).length === 2, 10_000);
      expect(await numbersOf("a")).toEqual([0n, 3n]);
      await life.kill();

      isBroken = false;
      await databases.accounts.sql`update accounts.outbox_head set delivered = 0`;
      const second = start();
      expect(await second.consumptions.ledger.reached(5n, 20_000)).toBe(true);
      expect(await numbersOf("a")).toEqual([0n, 3n]);
      expect(await numbersOf("b")).toEqual([2n, 4n]);
      await second.end();
    });
  });
}

describe("over the bus of one process", () => carriesEvents(createInProcessBus, async () => {}));

whereRedisIs(describe, describe.skip)("over Redis", () => {
  let redis: TestRedis;
  beforeAll(async () => void (redis = await startTestRedis()));
  afterEach(() => redis.flushAll());
  afterAll(() => redis.stop());
  carriesEvents(
    (options) => createRedisBus({ ...options, redis: redis.url, leaseMs: 300 }),
    () => redis.flushAll(),
  );
});

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
