import { connectDatabase, type Database } from "@florin/db";
import { eventually, startPostgresPair, type PostgresPair } from "@florin/testkit";

const open: Database[] = [];
const pairs: PostgresPair[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((database) => database.stop()));
  await Promise.all(pairs.splice(0).map((pair) => pair.stop()));
});

async function startPair(synchronous: "on" | "off"): Promise<PostgresPair> {
  const pair = await startPostgresPair({ synchronous });
  pairs.push(pair);
  return pair;
}

function connect(url: string): Database {
  const database = connectDatabase({ url, applicationName: "pair-test", maxConnections: 2, deadlineMs: 20_000 });
  open.push(database);
  return database;
}

const countNotes = async ({ sql }: Database) => (await sql<{ n: number }[]>`select count(*)::int as n from note`)[0]?.n;

test("what was acknowledged before the kill is on the promoted standby, which then writes alone", async () => {
  const pair = await startPair("on");
  const primary = connect(pair.primary.url);
  await primary.sql`create table note (id int)`;
  for (let id = 0; id < 20; id++) await primary.sql`insert into note values (${id})`;
  const supervisor = pair.superviseFailover();
  const killedAt = performance.now();
  await pair.killPrimary();
  const { detectedAt, promotedAt } = await supervisor.done;
  expect(promotedAt).toBeGreaterThan(detectedAt);
  expect(detectedAt).toBeGreaterThan(killedAt);
  const standby = connect(pair.standby.url);
  expect(await countNotes(standby)).toBe(20);
  await standby.sql`insert into note values (20)`;
  expect(await countNotes(standby)).toBe(21);
});

test("a detached standby falls behind and catches up once it is attached", async () => {
  const pair = await startPair("off");
  const [primary, standby] = [connect(pair.primary.url), connect(pair.standby.url)];
  await primary.sql`create table note (id int)`;
  await eventually(async () => (await countNotes(standby)) === 0);
  await pair.detachStandby();
  await primary.sql`insert into note values (1)`;
  expect(await countNotes(standby)).toBe(0);
  await pair.attachStandby();
  await eventually(async () => (await countNotes(standby)) === 1, 20_000);
});
