import { connectDatabase, createReadRouter, type Database, type ReadRouter } from "@florin/db";
import { eventually, startPostgresPair, type PostgresPair } from "@florin/testkit";

const DELAY_MS = 2_000;
const SLOW_MS = 20_000;
let pair: PostgresPair;
let primary: Database;
let replica: Database;

beforeAll(async () => {
  pair = await startPostgresPair({
    synchronous: "off",
    standbySettings: { recovery_min_apply_delay: `${DELAY_MS}ms`, hot_standby_feedback: "on" },
  });
  primary = connect(pair.primary.url);
  replica = connect(pair.standby.url);
});
afterAll(async () => {
  await Promise.all([primary.stop(), replica.stop()]);
  await pair.stop();
});

function connect(url: string): Database {
  return connectDatabase({ url, area: "ledger", applicationName: "reader", maxConnections: 2, deadlineMs: 10_000 });
}

async function positionSeenBy({ sql }: Database): Promise<bigint> {
  const [row] = await sql<{ position: bigint }[]>`select max(outbox_position) as position from ledger.head`;
  return row?.position ?? 0n;
}

async function write(): Promise<bigint> {
  const [row] = await primary.sql<{ position: bigint }[]>`
    update ledger.head set outbox_position = outbox_position + 1 returning outbox_position as position`;
  return row?.position ?? 0n;
}

/** No deadline of the router decides in a test that is not about it: machines are slow. */
const patient = { probeMs: 10_000, asideMs: 10 };
const ledgerAt = (position: bigint) => ({ area: "ledger", position });

test("what a caller wrote is read, from the primary until the replica shows it and from the replica then", async () => {
  const router = createReadRouter({ primary, replica, area: "ledger", maxLagMs: 3_600_000, ...patient });
  const chosenAtOnce = new Set<Database>();
  for (let round = 0; round < 3; round++) {
    const written = await write();
    const chosen = await router.forReading(ledgerAt(written));
    expect(await positionSeenBy(chosen)).toBe(written);
    chosenAtOnce.add(chosen);
    await eventually(async () => {
      const later = await router.forReading(ledgerAt(written));
      expect(await positionSeenBy(later)).toBeGreaterThanOrEqual(written);
      return later === replica;
    }, SLOW_MS);
  }
  expect(chosenAtOnce).toContain(primary);
  // The control: without the position the same caller reads what was before.
  await eventually(async () => {
    const written = await write();
    const chosen = await router.forReading(undefined);
    return chosen === replica && (await positionSeenBy(chosen)) < written;
  }, SLOW_MS);
});

test("a caller without a position gets the replica only while it is near enough", async () => {
  const router = createReadRouter({ primary, replica, area: "ledger", maxLagMs: 1_000, ...patient });
  await write();
  await eventually(async () => (await router.forReading(undefined)) === primary, DELAY_MS); // behind, once it has received it
  await eventually(async () => (await router.forReading(undefined)) === replica, SLOW_MS); // all that there is, is there
});

test("a position of another area, and a router without a replica, lead to the primary", async () => {
  const router = createReadRouter({ primary, replica, area: "ledger", ...patient });
  expect(await router.forReading({ area: "accounts", position: 0n })).toBe(primary);
  const alone = createReadRouter({ primary, replica: undefined, area: "ledger" });
  expect(await alone.forReading(undefined)).toBe(primary);
});

test("one question serves all callers of a moment", async () => {
  let asked = 0;
  const sql = new Proxy(replica.sql, {
    apply: (target, self, args: [{ readonly raw?: unknown }]) => {
      if (String(args[0]).includes("pg_is_in_recovery")) asked++;
      return Reflect.apply(target, self, args) as unknown;
    },
  });
  const router = createReadRouter({
    primary,
    replica: { ...replica, sql },
    area: "ledger",
    cacheMs: 60_000,
    ...patient,
  });
  await Promise.all(Array.from({ length: 100 }, () => router.forReading(undefined)));
  await router.forReading(ledgerAt(1n));
  expect(asked).toBe(1);
});

describe("a replica that cannot be used", () => {
  async function expectAside(router: ReadRouter, reasons: readonly string[], reason: RegExp): Promise<void> {
    const chosen = await Promise.all(Array.from({ length: 20 }, () => router.forReading(undefined)));
    expect(new Set(chosen)).toEqual(new Set([primary]));
    expect(await router.forReading(ledgerAt(0n))).toBe(primary); // aside still: it is not asked again
    expect(reasons).toEqual([expect.stringMatching(reason)]);
  }

  test("because it does not answer in time, is left aside", async () => {
    const reasons: string[] = [];
    const busy = connectDatabase({ url: pair.standby.url, area: "ledger", applicationName: "busy", maxConnections: 1 });
    const held = busy.transaction((tx) => tx`select pg_sleep(3)`); // its only connection
    const router = createReadRouter({
      ...{ primary, replica: busy, area: "ledger", probeMs: 100, asideMs: 60_000 },
      onAside: (reason) => reasons.push(reason),
    });
    await expectAside(router, reasons, /did not answer within 100 ms/);
    await held;
    await busy.stop();
  });

  test("because it is no replica, is left aside", async () => {
    const reasons: string[] = [];
    const router = createReadRouter({
      ...{ primary, replica: connectDatabaseToPrimary(), area: "ledger", ...patient, asideMs: 60_000 },
      onAside: (reason) => reasons.push(reason),
    });
    await expectAside(router, reasons, /no replica any more/);
    await other?.stop();
  });

  let other: Database | undefined;
  const connectDatabaseToPrimary = (): Database => (other = connect(pair.primary.url));
});

test("a replica that is cut off counts as behind, though it has replayed all that it received", async () => {
  const router = createReadRouter({ primary, replica, area: "ledger", maxLagMs: 1_000, ...patient });
  await eventually(async () => (await router.forReading(undefined)) === replica, SLOW_MS);
  await pair.detachStandby();
  await write();
  await eventually(async () => (await router.forReading(undefined)) === primary, SLOW_MS);
  await pair.attachStandby();
  await eventually(async () => (await router.forReading(undefined)) === replica, SLOW_MS);
});
