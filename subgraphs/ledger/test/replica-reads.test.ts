import { connectDatabase, type Database } from "@florin/db";
import { checkBooks, eventually, startPostgresPair, type PostgresPair } from "@florin/testkit";
import { customer, startLedger, type TestLedger } from "./ledger-harness.js";

const SLOW_MS = 30_000;
const owner = customer("reader");
let pair: PostgresPair;
let standby: Database;
let ledger: TestLedger;
let wallet: string;

beforeAll(async () => {
  pair = await startPostgresPair({ synchronous: "off" });
  standby = connectDatabase({ url: pair.standby.url, applicationName: "test-standby", maxConnections: 1 });
  ledger = await startLedger({ databases: { primaryUrl: pair.primary.url, replicaUrl: pair.standby.url } });
  wallet = await ledger.openAccount(owner);
}, 120_000);

afterEach(() => resumeReplay());
afterAll(async () => {
  await ledger.stop();
  const faults = await checkBooks(ledger.url, { areas: ["ledger"] });
  await standby.stop();
  await pair.stop();
  expect(faults).toEqual([]);
});

/** From here on the standby receives and shows nothing new: as far behind as a replica can be. */
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

let keys = 0;
/** Returns the balance that the mutation itself shows, and the position that it reached. */
async function deposit(): Promise<{ readonly shown: string; readonly position: string }> {
  const { data, errors, extensions } = await ledger.run(
    owner,
    `mutation ($input: DepositInput!) { deposit(input: $input) { operation { account { balance { available { amount } } } } } }`,
    { input: { accountId: wallet, amount: { amount: "1.00", currency: "USD" }, idempotencyKey: `deposit-${++keys}` } },
  );
  expect(errors).toBeUndefined();
  const { operation } = (
    data as { deposit: { operation: { account: { balance: { available: { amount: string } } } } } }
  ).deposit;
  return { shown: operation.account.balance.available.amount, position: extensions?.florin?.written?.["ledger"] ?? "" };
}

async function balance(headers: Parameters<TestLedger["run"]>[3] = {}): Promise<string> {
  const query = `query ($ids: [ID!]) { balances(accountIds: $ids) { available { amount } } }`;
  const { data, errors } = await ledger.run(owner, query, { ids: [wallet] }, headers);
  expect(errors).toBeUndefined();
  return (data as { balances: { available: { amount: string } }[] }).balances[0]!.available.amount;
}

const centsOf = (amount: string): bigint => BigInt(amount.replace(".", ""));

describe("with a replica", () => {
  test("queries read it, and so may be a little behind; with the token of a write they never are: the control and the rule", async () => {
    await eventually(async () => {
      const before = await deposit();
      await eventually(async () => (await balance()) === before.shown, SLOW_MS); // the replica has it
      await pauseReplay();
      const { shown, position } = await deposit();
      const stale = await balance();
      expect(await balance({ consistency: `ledger=${position}` })).toBe(shown);
      await resumeReplay();
      return stale === before.shown; // else the replica was left aside in this round, as it was not near enough
    }, SLOW_MS);
  }, 120_000);

  test("a mutation, and what comes after one in the same operation, reads the primary", async () => {
    await pauseReplay();
    for (let call = 0; call < 3; call++) {
      const before = await balance({ read: "primary" });
      const { shown } = await deposit();
      expect(centsOf(shown) - centsOf(before)).toBe(100n);
      expect(await balance({ read: "primary" })).toBe(shown);
    }
  }, 60_000);

  test("an account that the replica has not heard of is found all the same, and so is an operation", async () => {
    await pauseReplay();
    const account = await ledger.openAccount(owner);
    const { data } = await ledger.run(owner, `query ($ids: [ID!]) { balances(accountIds: $ids) { accountSeq } }`, {
      ids: [account],
    });
    expect(data).toEqual({ balances: [{ accountSeq: "0" }] });
    await deposit();
    const { data: found } = await ledger.run(
      owner,
      `query ($key: ID!) { operationByKey(idempotencyKey: $key) { status } }`,
      { key: `deposit-${keys}` },
    );
    expect(found).toEqual({ operationByKey: { status: "COMPLETED" } });
  }, 60_000);
});
