import { connectDatabase, describeFinding, findViolations, moneyCreatingFindings, type Database } from "@florin/db";
import { createTestDatabase, type TestDatabase } from "@florin/testkit";
import { OVERDRAWN, WALLET } from "./books-in-order.js";
import { holdDamages, writeHoldsInOrder } from "./holds-in-order.js";

const areas = ["ledger"] as const;
/** Of a bounded run that begins behind the first books. */
const BEHIND = { seq: 5n, position: 19n };
let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 2 });
  await database.transaction(writeHoldsInOrder);
});
afterAll(async () => {
  await database.stop();
  await testDatabase.drop();
});

class Undo extends Error {}

async function findingsAfter(damage: string, after?: typeof BEHIND) {
  let findings: Awaited<ReturnType<typeof findViolations>>["findings"] = [];
  await database
    .transaction(async (tx) => {
      await tx.unsafe(`set local session_replication_role = replica; ${damage}`);
      ({ findings } = await findViolations(tx, { areas, ...(after === undefined ? {} : { after }) }));
      throw new Undo();
    })
    .catch((error: unknown) => {
      if (!(error instanceof Undo)) throw error;
    });
  return findings;
}

test("holds, reversals, other records and what products emit break no rule, whole or bounded", async () => {
  expect((await findingsAfter("select 1")).map(describeFinding)).toEqual([]);
  expect((await findingsAfter("select 1", BEHIND)).map(describeFinding)).toEqual([]);
});

test.each(holdDamages)("%s … tells of: %s", async (sentence, damage) => {
  const found = (await findingsAfter(damage)).map((finding) => finding.sentence);
  expect(found).toContainEqual(expect.stringMatching(`^${sentence}`));
});

test.each([
  ["INV-3 what a client transaction", "update ledger.posting set amount = 21 where seq = 6"],
  [
    "what a client transaction has settled",
    "update ledger.posting set amount = 6 where seq = 7 and phase = 'COMMITTED'",
  ],
  [
    "CT-9 a hold is the sum",
    `update ledger.posting_instruction set effect = '{"settled": "4"}' where type = 'SETTLEMENT'`,
  ],
  ["T-8 a reversal has the legs", "update ledger.posting set amount = 41 where seq = 8"],
  ["AUD-1 from the first linked", "update ledger.posting_instruction_batch set link = null where seq = 10"],
])("%s … is seen by the minute's bounded run too", async (sentence, damage) => {
  const found = (await findingsAfter(damage, BEHIND)).map((finding) => finding.sentence);
  expect(found).toContainEqual(expect.stringMatching(`^${sentence}`));
});

test.each([
  ["money that was made", `update ledger.balance set total_credit = total_credit + 1 where account_id = '${WALLET}'`],
  ["a hold that nobody has posted", "update ledger.client_transaction set authorised = 21 where closed_by is null"],
  [
    "an account's gap",
    `update ledger.posting set account_seq = 99 where account_id = '${OVERDRAWN}' and account_seq = 2`,
  ],
  ["a book's gap", "delete from ledger.resource_change"],
  ["a reversal of something else", "update ledger.posting set amount = 41 where seq = 8"],
])("§3.9: %s is what writes are halted for", async (_what, damage) => {
  expect(moneyCreatingFindings({ findings: await findingsAfter(damage) })).not.toEqual([]);
});

test("§3.9: what is late, or only untold, halts nothing", async () => {
  for (const damage of [
    `update ledger.client_transaction set expires_at = '2026-01-01' where closed_by is null; update ledger.head set known_at = '2026-01-02'`,
    "delete from ledger.hook_execution",
  ]) {
    const findings = await findingsAfter(damage);
    expect(findings).not.toEqual([]);
    expect(moneyCreatingFindings({ findings })).toEqual([]);
  }
});
