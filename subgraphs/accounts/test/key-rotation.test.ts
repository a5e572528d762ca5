import { createTokenIssuer, createTokenVerifier, defaultRotationPolicy } from "@florin/auth";
import { connectDatabase, type Database } from "@florin/db";
import { addMicros, type Clock } from "@florin/kernel";
import { randomIds, systemClock } from "@florin/resilience";
import { createLogger } from "@florin/telemetry";
import { createTestDatabase, type TestDatabase } from "@florin/testkit";
import { claimIdempotencyKey, countLoginAttempt, listSigningKeys } from "@florin/db/accounts";
import { createKeyRing, type KeyRing } from "../src/key-ring.js";
import { forgetExpired } from "../src/tasks/forget-expired.js";

let testDatabase: TestDatabase;
let database: Database;
beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = connectDatabase({
    url: testDatabase.url,
    area: "accounts",
    applicationName: "test",
    maxConnections: 4,
  });
});
afterAll(async () => {
  await database.stop();
  await testDatabase.drop();
});

let passedMs = 0;
const clock: Clock = { now: () => addMicros(systemClock.now(), BigInt(passedMs) * 1_000n) };
const logger = createLogger({ name: "test", level: "silent" });
const masterKey = new Uint8Array(32).fill(3);
const newRing = (): KeyRing => createKeyRing({ database, clock, masterKey, logger });
const verifierOf = (ring: KeyRing) =>
  createTokenVerifier({ issuer: "test", jwks: ring.jwks, clock, maxAgeMs: 1, refetchEveryMs: 0 });
const issueWith = (ring: KeyRing) =>
  createTokenIssuer({ issuer: "test", clock, activeKey: ring.activeKey }).issueAccessToken({
    principal: "usr_00000000000000000000000000",
    roles: ["CUSTOMER"],
    scopes: [],
  });
const states = async () => (await listSigningKeys(database.sql)).map((key) => key.state);

test("a signing key lives through its states in every process, and each token is good until its end", async () => {
  const [first, second] = [newRing(), newRing()];
  await Promise.all([first.refresh(), second.refresh()]);
  expect(await states()).toEqual(["ACTIVE"]);

  passedMs = defaultRotationPolicy.activeMs - defaultRotationPolicy.publishAheadMs;
  await first.refresh();
  expect(await states()).toEqual(["ACTIVE", "NEXT"]);
  expect((await first.jwks()).keys).toHaveLength(2);

  passedMs = defaultRotationPolicy.activeMs;
  const old = await issueWith(first);
  await Promise.all([first.refresh(), second.refresh()]);
  expect(await states()).toEqual(["RETIRING", "ACTIVE"]);
  const [retiring] = await listSigningKeys(database.sql);
  expect(retiring!.privateJwkSealed).toBeNull();
  const fresh = await issueWith(second);
  for (const ring of [first, second])
    for (const { token } of [old, fresh]) await expect(verifierOf(ring).verify(token)).resolves.toBeDefined();

  passedMs += 700_000;
  await second.refresh();
  expect(await states()).toEqual(["RETIRED", "ACTIVE"]);
  expect((await second.jwks()).keys).toHaveLength(1);
  await expect(verifierOf(second).verify(old.token)).rejects.toMatchObject({ name: "AuthError" });
});

test("what has no use any more is forgotten, and nothing else", async () => {
  const { sql } = database;
  const key = { principal: "usr_x", operation: "openAccount", fingerprint: "f", entityId: randomIds.next() } as const;
  await database.transaction((tx) => claimIdempotencyKey(tx, { ...key, key: "old", createdAt: clock.now() }));
  await countLoginAttempt(sql, "old", clock.now(), 1n);
  passedMs += 30 * 24 * 3_600_000 + 1_000;
  await database.transaction((tx) => claimIdempotencyKey(tx, { ...key, key: "new", createdAt: clock.now() }));
  await countLoginAttempt(sql, "new", clock.now(), 1n);
  await forgetExpired(sql, clock);
  expect(await sql`select idempotency_key as key from accounts.idempotency_key`).toMatchObject([{ key: "new" }]);
  expect(await sql`select subject from accounts.login_attempt`).toMatchObject([{ subject: "new" }]);
});
