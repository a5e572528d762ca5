import { classifyDatabaseError, connectDatabase, type Database, type Pipeline } from "@florin/db";
import { COMMIT_COMPLETE, createTestDatabase, startTcpProxy, type TcpProxy, type TestDatabase } from "@florin/testkit";

// Whatever becomes of a connection: what is told as durable is there, what is told as refused is not, and what is told as unknown is
// told as that. The statements are the ledger's in small: a head that is swapped from where the one before leaves it, and a row.

let testDatabase: TestDatabase;
let admin: Database;
let proxy: TcpProxy;
let database: Database;
let pipeline: Pipeline;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  admin = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 2 });
  await admin.sql.unsafe(`
    create table told (n bigint primary key, what text not null);
    create table told_head (n bigint not null);
    insert into told_head values (0);
    create function refuse() returns boolean language plpgsql as $$ begin raise exception 'moved' using errcode = 'FL002'; end $$;
    create function check_late() returns trigger language plpgsql as
      $$ begin if new.what = 'late' then raise exception 'late' using errcode = '23514'; end if; return null; end $$;
    create constraint trigger check_late after insert on told deferrable initially deferred for each row execute function check_late();`);
  const { hostname, port } = new URL(testDatabase.url);
  proxy = await startTcpProxy({ target: { host: hostname, port: Number(port) } });
});
afterAll(async () => {
  await proxy.stop();
  await admin.stop();
  await testDatabase.drop();
});
beforeEach(async () => {
  await admin.sql`update told_head set n = coalesce((select max(n) from told), 0)`;
  database = connectDatabase({ url: proxy.url(testDatabase.url), applicationName: "piped", maxConnections: 1 });
  pipeline = database.openPipeline();
});
afterEach(() => database.stop());

const headOf = async (): Promise<bigint> => (await admin.sql<{ n: bigint }[]>`select n from told_head`)[0]!.n;

const isThere = async (n: bigint): Promise<boolean> =>
  (await admin.sql`select 1 from told where n = ${n}`).length === 1;

/** The head goes from n - 1 to n. */
function send(n: bigint, what = "row"): Promise<readonly object[]> {
  const text = `with swapped as (update told_head set n = $1::bigint where n = $1::bigint - 1 returning 1),
      added as (insert into told select $1::bigint, $2::text)
    select case when (select count(*) from swapped) <> 1 then refuse() end`;
  return pipeline.commit({ text, parameters: [n.toString(), what] });
}

test("transactions that are sent without waiting happen in their order, and each is there when it is told", async () => {
  const first = (await headOf()) + 1n;
  const sent = Array.from({ length: 50 }, async (_, index) => {
    await send(first + BigInt(index));
    return await isThere(first + BigInt(index));
  });
  expect((await Promise.all(sent)).every((one) => one)).toBe(true);
  expect(await headOf()).toBe(first + 49n);
});

test.each([
  ["by its statement", "a text without an end \0", "22021"],
  ["at its COMMIT", "late", "23514"],
])(
  "one that is refused %s takes those behind it with it, says why, and the pipe goes on",
  async (_when, what, code) => {
    const first = (await headOf()) + 1n;
    const results = await Promise.allSettled([send(first), send(first + 1n, what), send(first + 2n)]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
    expect(results[1]).toMatchObject({ reason: { code } });
    expect(results[2]).toMatchObject({ reason: { code: "FL002" } });
    expect(await headOf()).toBe(first);
    await send(first + 1n);
    expect(await headOf()).toBe(first + 1n);
  },
);

test("two under way and the first one's COMMIT is not heard of: both are in doubt, none is told as refused, and the first is there", async () => {
  const first = (await headOf()) + 1n;
  await send(first); // connected, and the statement is known
  const cut = proxy.cutAfter(COMMIT_COMPLETE);
  const results = await Promise.allSettled([send(first + 1n), send(first + 2n)]);
  expect(cut.hasFired).toBe(true);
  expect(results[0]!.status).toBe("rejected");
  expect(await isThere(first + 1n)).toBe(true);
  for (const result of results)
    if (result.status === "rejected") expect(classifyDatabaseError(result.reason)).toBe("unknown");
    else expect(await isThere(first + 2n)).toBe(true);
});

test("a connection that ends between the parts of a transaction: all of it or nothing, and never a wrong word about it", async () => {
  const tags = ["BEGIN\0", "SELECT 1\0", "COMMIT\0"];
  let told = 0;
  for (let round = 0; round < 24; round++) {
    const next = (await headOf()) + 1n;
    if (round % 2 === 1) await send(next);
    const n = (await headOf()) + 1n;
    proxy.cutAfter(tags[round % 3]!, { forward: round % 4 < 2, nth: 1 + (round % 2) });
    const results = await Promise.allSettled([send(n), send(n + 1n)]);
    for (const [index, result] of results.entries()) {
      if (result.status === "fulfilled") expect(await isThere(n + BigInt(index))).toBe(true);
      else if (classifyDatabaseError(result.reason) !== "unknown") expect(await isThere(n + BigInt(index))).toBe(false); // FL002: the one before did not happen
      told++;
    }
    const rows = await admin.sql`select 1 from told where n > ${n - 1n} and n <= (select n from told_head)`;
    expect(BigInt(rows.length)).toBe((await headOf()) - (n - 1n));
    proxy.heal();
  }
  expect(told).toBe(48);
});
