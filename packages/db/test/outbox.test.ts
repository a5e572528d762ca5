import { createHash } from "node:crypto";
import { instantFromMicros, parseInstant, uuidV8, type EventEnvelope, type NewEvent } from "@florin/kernel";
import {
  appendOutbox,
  connectDatabase,
  createOutboxStore,
  discardDeadLetter,
  insertInbox,
  isKeyParked,
  listDeadLetters,
  listen,
  loadConsumerOffset,
  notify,
  parkEvent,
  replayDeadLetters,
  saveConsumerOffset,
  type Database,
  type OutboxStore,
} from "@florin/db";
import { createTestDatabase, eventually, type TestDatabase } from "@florin/testkit";

let testDatabase: TestDatabase;
let database: Database;

beforeEach(async () => {
  testDatabase = await createTestDatabase();
  // The ledger's writer numbers its own rows; take that rule away, so that the relay's part is tested as any area's.
  const admin = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 1 });
  await admin.sql`alter table ledger.outbox alter column position drop not null`;
  await admin.stop();
  database = connectDatabase({ url: testDatabase.url, area: "ledger", applicationName: "test", maxConnections: 18 });
});
afterEach(async () => {
  await database.stop();
  await testDatabase.drop();
});

/**
 * Numbers everything that was appended. A transaction open anywhere in the cluster, another suite's too, holds the horizon
 * back for its time, so one call may number less than is there.
 */
async function numberUntil(store: OutboxStore, head: bigint, batch: number): Promise<void> {
  await eventually(async () => {
    expect(await store.number(batch)).toBeLessThanOrEqual(batch);
    return (await store.head()) === head;
  });
}

let made = 0;
function event(key: string, payload: NewEvent["payload"] = { balance: "12.50" }): NewEvent {
  const hash = createHash("sha256").update(`event ${++made}`).digest();
  return {
    eventId: uuidV8(hash),
    key,
    type: "account.posted",
    schemaVersion: 1,
    occurredAt: instantFromMicros(1_700_000_000_123_456n),
    correlationId: "c-1",
    changeId: "op_1",
    audience: ["usr_1", "role:staff"],
    payload,
  };
}

test("an event comes back as it was written, with its position", async () => {
  const written = event("acct_1", { amount: "100.00", tags: ["a", null], nested: { count: 3 } });
  const store = createOutboxStore(database, "ledger");
  await database.transaction((tx) => appendOutbox(tx, "ledger", [written]));
  await numberUntil(store, 1n, 100);
  expect(await store.read(0n, 10)).toEqual([{ ...written, causationId: undefined, stream: "ledger", position: 1n }]);
  expect([await store.head(), await store.range(1n, 10)]).toEqual([1n, []]);
});

test("several appends of one transaction keep their order", async () => {
  const events = Array.from({ length: 7 }, () => event("acct_1"));
  await database.transaction(async (tx) => {
    await appendOutbox(tx, "ledger", events.slice(0, 3));
    await appendOutbox(tx, "ledger", events.slice(3, 4));
    await appendOutbox(tx, "ledger", events.slice(4));
  });
  const store = createOutboxStore(database, "ledger");
  await numberUntil(store, 7n, 4);
  expect((await store.read(0n, 10)).map((each) => each.eventId)).toEqual(events.map((each) => each.eventId));
});

test("16 writers that hold their transactions: nothing lost, no gap, order kept; a reader by greatest id loses some", async () => {
  const WRITERS = 16;
  const ROUNDS = 40;
  const store = createOutboxStore(database, "ledger");
  const admin = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 1 });
  await admin.sql`create table public.naive (id bigint generated always as identity primary key, event_id uuid)`;
  await admin.sql`grant select, insert on public.naive to florin_ledger`;
  const writtenByKey = new Map<string, string[]>();
  const seenByNaive = new Set<string>();
  const read: EventEnvelope[] = [];
  let lastId = 0n;
  let isWriting = true;

  const write = async (writer: number): Promise<void> => {
    const key = `acct_${writer}`;
    const mine: string[] = [];
    writtenByKey.set(key, mine);
    for (let round = 0; round < ROUNDS; round++) {
      const events = [event(key), event(key)];
      await database.transaction(async (tx) => {
        await appendOutbox(tx, "ledger", events);
        await tx`insert into naive ${tx(events.map((each) => ({ event_id: each.eventId })))}`;
        await tx`select pg_sleep(${((writer * 7 + round * 13) % 10) / 1000})`;
      });
      mine.push(...events.map((each) => each.eventId));
    }
  };
  const relay = async (): Promise<void> => {
    for (let isLast = false; ; isLast = !isWriting) {
      for (const row of await database.sql<{ id: bigint; event_id: string }[]>`
        select id, event_id from naive where id > ${lastId} order by id`) {
        seenByNaive.add(row.event_id);
        lastId = row.id;
      }
      await store.number(50);
      read.push(...(await store.read(read.at(-1)?.position ?? 0n, 1_000)));
      if (isLast && read.length >= WRITERS * ROUNDS * 2) return;
    }
  };
  const relaying = relay();
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
  isWriting = false;
  await relaying;

  const total = WRITERS * ROUNDS * 2;
  expect(read.map((each) => each.position)).toEqual(Array.from({ length: total }, (_, i) => BigInt(i + 1)));
  for (const [key, ids] of writtenByKey) {
    expect(read.filter((each) => each.key === key).map((each) => each.eventId)).toEqual(ids);
  }
  expect(seenByNaive.size).toBeLessThan(total); // the control: this is what polling by greatest id costs
  await admin.stop();
});

test("two relays at once number each row once", async () => {
  for (let i = 0; i < 20; i++) await database.transaction((tx) => appendOutbox(tx, "ledger", [event(`acct_${i}`)]));
  const store = createOutboxStore(database, "ledger");
  await eventually(async () => {
    await Promise.all(Array.from({ length: 4 }, () => store.number(7)));
    return (await store.head()) === 20n;
  });
  expect((await store.read(0n, 100)).map((each) => each.position)).toEqual(
    Array.from({ length: 20 }, (_, i) => BigInt(i + 1)),
  );
});

test("a published event can neither be changed nor deleted", async () => {
  await database.transaction((tx) => appendOutbox(tx, "ledger", [event("acct_1")]));
  const store = createOutboxStore(database, "ledger");
  await numberUntil(store, 1n, 1);
  const admin = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 1 });
  await expect(admin.sql`update ledger.outbox set position = 2`).rejects.toMatchObject({ code: "FL003" });
  await expect(admin.sql`delete from ledger.outbox`).rejects.toMatchObject({ code: "FL003" });
  await admin.stop();
});

test("the delivered position and a consumer's offset never go back", async () => {
  const store = createOutboxStore(database, "ledger");
  for (const position of [5n, 3n]) {
    await store.saveDelivered(position);
    await saveConsumerOffset(database.sql, "ledger", "projection", "accounts", position);
  }
  expect(await store.loadDelivered()).toBe(5n);
  expect(await loadConsumerOffset(database.sql, "ledger", "projection", "accounts")).toBe(5n);
  expect(await loadConsumerOffset(database.sql, "ledger", "another", "accounts")).toBe(0n);
});

test("the inbox lets an event take effect once, however often and however parallel it comes", async () => {
  const envelope: EventEnvelope = { ...event("acct_1"), stream: "accounts", position: 1n };
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, () => database.transaction((tx) => insertInbox(tx, "ledger", "projection", envelope))),
  );
  expect(outcomes.filter(Boolean)).toHaveLength(1);
});

test("a parked key keeps its later events behind it until they are replayed in order", async () => {
  const events = [1n, 2n, 3n].map((position): EventEnvelope => ({
    ...event("acct_1"),
    stream: "accounts",
    position,
    causationId: "cmd_1",
  }));
  const parked = { consumer: "projection", stream: "accounts", key: "acct_1" } as const;
  expect(await isKeyParked(database.sql, "ledger", parked)).toBe(false);
  await parkEvent(database.sql, "ledger", "projection", events[0]!, { error: "no such product", attempts: 5 });
  await parkEvent(database.sql, "ledger", "projection", events[0]!, { error: "again", attempts: 6 });
  await parkEvent(database.sql, "ledger", "projection", events[1]!, { attempts: 0 });
  await parkEvent(database.sql, "ledger", "projection", events[2]!, { attempts: 0 });
  expect(await isKeyParked(database.sql, "ledger", parked)).toBe(true);
  expect(await isKeyParked(database.sql, "ledger", { ...parked, key: "acct_2" })).toBe(false);
  const listed = await listDeadLetters(database.sql, "ledger", { isOpen: true });
  expect(listed.map((letter) => [letter.status, letter.attempts])).toEqual([
    ["PARKED", 5],
    ["WAITING", 0],
    ["WAITING", 0],
  ]);
  expect(listed[0]?.event).toEqual({ ...events[0], payload: { balance: "12.50" } });

  const applied: bigint[] = [];
  const failing = replayDeadLetters(database, "ledger", parked, async (each) => {
    if (each.position === 2n) throw new Error("still broken");
    applied.push(each.position);
  });
  await expect(failing).rejects.toThrow("still broken");
  const afterFailure = await listDeadLetters(database.sql, "ledger");
  expect(afterFailure.map((letter) => letter.status)).toEqual(["REPLAYED", "PARKED", "WAITING"]);

  expect(await discardDeadLetter(database.sql, "ledger", afterFailure[1]!.deadLetterId, "sent twice by mistake")).toBe(
    true,
  );
  expect(await discardDeadLetter(database.sql, "ledger", afterFailure[1]!.deadLetterId, "again")).toBe(false);
  expect(await replayDeadLetters(database, "ledger", parked, async (each) => void applied.push(each.position))).toBe(1);
  expect(applied).toEqual([1n, 3n]);
  expect(await isKeyParked(database.sql, "ledger", parked)).toBe(false);
});

test("an event that was applied is not parked after all", async () => {
  const applied = { ...event("acct_1"), stream: "accounts" as const, position: 1n };
  await database.transaction((tx) => insertInbox(tx, "ledger", "projection", applied));
  await parkEvent(database.sql, "ledger", "projection", applied, { error: "it stood still", attempts: 5 });
  expect(await listDeadLetters(database.sql, "ledger", {})).toEqual([]);
  expect(await isKeyParked(database.sql, "ledger", { consumer: "projection", stream: "accounts", key: "acct_1" })).toBe(
    false,
  );
});

test("a listener hears a commit, and again after its connection was lost", async () => {
  const heard: string[] = [];
  const listening = await listen(database, "ledger_outbox", (payload) => void heard.push(payload));
  await database.transaction((tx) => notify(tx, "ledger_outbox", "first"));
  await eventually(() => heard.includes("first"));
  const admin = connectDatabase({ url: testDatabase.url, applicationName: "admin", maxConnections: 1 });
  await admin.sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and query ilike 'listen%' and pid <> pg_backend_pid()`;
  const before = heard.length;
  await eventually(() => heard.length > before); // told that it listens again
  await eventually(async () => {
    await notify(admin.sql, "ledger_outbox", "second");
    return heard.includes("second");
  });
  await listening.stop();
  await admin.stop();
});

test("an area's role may not touch another area's tables", async () => {
  const accounts = connectDatabase({
    url: testDatabase.url,
    area: "accounts",
    applicationName: "test",
    maxConnections: 1,
  });
  await expect(accounts.sql`select * from ledger.balance`).rejects.toMatchObject({ code: "42501" });
  await accounts.stop();
});

test("values come back exact: 64-bit integers, numerics, microseconds, infinities", async () => {
  const [row] = await database.sql<Record<string, unknown>[]>`
    select 9007199254740993::bigint as big, 0.10::numeric as amount, '2026-01-31 09:00:00.123456+01'::timestamptz as at,
      '-infinity'::timestamptz as never, ${9007199254740993n}::bigint as sent, '{"a":"1.0"}'::jsonb as doc`;
  expect(row).toMatchObject({ big: 9007199254740993n, amount: "0.10", sent: 9007199254740993n, doc: { a: "1.0" } });
  expect(row?.["at"]).toBe(parseInstant("2026-01-31T08:00:00.123456Z"));
  expect(row?.["never"]).toBe(-(2n ** 63n));
});
