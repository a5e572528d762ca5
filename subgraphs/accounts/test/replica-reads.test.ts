import { connectDatabase, type Database } from "@florin/db";
import { eventually, startPostgresPair, type PostgresPair } from "@florin/testkit";
import { dataOf, registerPerson, startPlatform, type Person, type Platform } from "./accounts-platform.js";

const SLOW_MS = 30_000;
let pair: PostgresPair;
let standby: Database;
let platform: Platform;
let person: Person;

beforeAll(async () => {
  pair = await startPostgresPair({ synchronous: "off" });
  standby = connectDatabase({ url: pair.standby.url, applicationName: "test-standby", maxConnections: 1 });
  const primary = { url: pair.primary.url, drop: () => Promise.resolve() };
  platform = await startPlatform({ onDatabase: primary, replicaUrl: pair.standby.url });
  person = await registerPerson(platform);
}, 120_000);

afterEach(() => resumeReplay());
afterAll(async () => {
  await platform.stop();
  await standby.stop();
  await pair.stop();
});

async function pauseReplay(): Promise<void> {
  await standby.sql`select pg_wal_replay_pause()`;
  await eventually(async () => {
    const [row] = await standby.sql<{ state: string }[]>`select pg_get_wal_replay_pause_state() as state`;
    return row?.state === "paused";
  }, SLOW_MS);
}

async function resumeReplay(): Promise<void> {
  await standby.sql`select pg_wal_replay_resume()`;
}

let openings = 0;
async function openAccount(): Promise<string> {
  const input = { productId: "wallet", currency: "EUR", idempotencyKey: `opening-${++openings}` };
  const answer = await platform.call(
    "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id status } } }",
    { input },
    { token: person.token },
  );
  return dataOf<{ openAccount: { account: { id: string } } }>(answer).openAccount.account.id;
}

async function countAccounts(consistency?: string): Promise<number> {
  const query = "query { me { accounts(first: 50) { totalCount } } }";
  const answer = await platform.call(query, {}, { token: person.token, ...(consistency && { consistency }) });
  return dataOf<{ me: { accounts: { totalCount: number } } }>(answer).me.accounts.totalCount;
}

async function numbered(): Promise<bigint> {
  const [head] = await platform.database.sql<{ position: bigint }[]>`
    select max(numbered) as position from accounts.outbox_head`;
  return head!.position;
}

test("queries may be a little behind; with the token of a write they never are: the control and the rule", async () => {
  await eventually(async () => {
    await openAccount();
    const before = openings + 1; // and the wallet
    await eventually(async () => (await countAccounts()) === before, SLOW_MS);
    await pauseReplay();
    const positionBefore = await numbered();
    await openAccount();
    const stale = await countAccounts();
    const position = await eventually(async () => {
      const now = await numbered();
      return now > positionBefore ? now : undefined;
    }, SLOW_MS);
    expect(await countAccounts(`accounts=${position}`)).toBe(before + 1);
    await resumeReplay();
    return stale === before;
  }, SLOW_MS);
}, 120_000);

test("a person and an account that the replica has not heard of are found all the same", async () => {
  await pauseReplay();
  const newcomer = await registerPerson(platform);
  const answer = await platform.call(
    "query ($keys: [_Any!]!) { _entities(representations: $keys) { ... on User { id } ... on Account { id } } }",
    {
      keys: [
        { __typename: "User", id: newcomer.id },
        { __typename: "Account", id: newcomer.walletId },
      ],
    },
    { token: newcomer.token },
  );
  expect(dataOf(answer)).toEqual({ _entities: [{ id: newcomer.id }, { id: newcomer.walletId }] });
}, 60_000);
