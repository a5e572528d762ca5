import {
  answerEventIdOf,
  checkInvariants,
  connectDatabase,
  createInvariantWatch,
  describeFinding,
  findViolations,
  invariants,
  operationIdOf,
  type Database,
} from "@florin/db";
import { formatId, productLibrary } from "@florin/kernel";
import { randomIds } from "@florin/resilience";
import { checkBooks, createTestDatabase, type TestDatabase } from "@florin/testkit";
import { CLOSED, OVERDRAWN, REFUSED, WALLET, writeBooksInOrder } from "./books-in-order.js";
import { holdDamages } from "./holds-in-order.js";
import { linkedDamages, writeLinkedInOrder } from "./linked-in-order.js";
import { portfolioDamages, writePortfolioInOrder } from "./portfolio-in-order.js";

const areas = ["accounts", "ledger", "portfolio"] as const;
let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = connectDatabase({ url: testDatabase.url, applicationName: "test", maxConnections: 2 });
  await database.transaction(writeBooksInOrder);
  await database.transaction(writePortfolioInOrder);
  await database.transaction(writeLinkedInOrder);
});
afterAll(async () => {
  await database.stop();
  await testDatabase.drop();
});

class Undo extends Error {}

/** The sentences of the rules that fire when `damage` has been done past every trigger and constraint trigger; nothing of it stays. */
async function firedBy(damage: string): Promise<string[]> {
  const fired: string[] = [];
  await database
    .transaction(async (tx) => {
      await tx.unsafe(`set local session_replication_role = replica; ${damage}`);
      const { findings } = await findViolations(tx, { areas, isAtRest: true });
      for (const { sentence } of findings) if (!fired.includes(sentence)) fired.push(sentence);
      throw new Undo();
    })
    .catch((error: unknown) => {
      if (!(error instanceof Undo)) throw error;
    });
  return fired;
}

test("books in order break no rule", async () => {
  const { findings, checked, unchecked } = await checkInvariants(database, { areas, isAtRest: true });
  expect(findings.map(describeFinding)).toEqual([]);
  expect(unchecked).toEqual([]);
  expect(checked).toBe(invariants.length);
});

test("what the queries make of ids is what the code makes of them", async () => {
  for (let round = 0; round < 50; round++) {
    const id = randomIds.next();
    const [made] = await database.sql`
      select florin.border_id('acct', ${id}) as border, florin.derived_id('operation', 'usr_é', ${id}) as operation,
        florin.derived_id('answer', ${id}) as answer`;
    expect(made).toEqual({
      border: formatId("account", id),
      operation: operationIdOf("usr_é", id),
      answer: answerEventIdOf(id),
    });
  }
});

test("the limit in I4 knows every product there is", () => {
  // A product with another rule about available money must be said in `isBeyondLimit` of money-rules.ts, and then here.
  const limits: Readonly<Record<string, readonly string[]>> = {
    wallet: [],
    current_account: ["arrangedOverdraft"],
    savings_account: [],
    term_deposit: [],
    credit_card: ["creditLimit", "overSettlementTolerance"],
    personal_loan: [], // it has no limit: nothing but repayments comes to it from outside
  };
  const isLimit = (name: string): boolean => /limit|overdraft$|tolerance|available/i.test(name);
  for (const { code, parameters } of productLibrary)
    expect([code, parameters.map(({ name }) => name).filter(isLimit)]).toEqual([code, limits[code]]);
});

const key = (uuid: string): string => `florin.border_id('acct', '${uuid}')`;

/** The negative control of each rule: damage that it must see. Other rules may see the same damage from their side. */
const damages: readonly (readonly [sentence: string, damage: string])[] = [
  [
    "INV-1 debits equal credits in the whole book",
    "update ledger.balance set total_debit = total_debit + 1 where total_debit = 100",
  ],
  [
    "INV-1 debits equal credits in each instruction",
    "update ledger.posting set amount = 101 where seq = 1 and side = 'DEBIT'",
  ],
  [
    "IDEM-2 one operation",
    "alter table ledger.operation drop constraint if exists operation_principal_idempotency_key_key; update ledger.operation set idempotency_key = 'k1' where idempotency_key = 'k2'",
  ],
  ["IDEM-3 an operation's id", "update ledger.operation set principal = 'usr_y' where idempotency_key = 'k1'"],
  ["INV-2 a stored balance", "delete from ledger.balance where total_debit = 100"],
  [
    "a posting's balances after it",
    "update ledger.posting set committed_after = committed_after + 1 where seq = 2 and side = 'CREDIT'",
  ],
  ["what an account shows", "update ledger.posting set committed_after = 164 where seq = 4 and side = 'DEBIT'"],
  ["nothing but an advice lowered", "update ledger.posting_instruction_batch set details = null where seq = 3"],
  [
    "nothing but an advice lowered",
    `update ledger.account set parameters = '{"arrangedOverdraft": "39.99"}' where account_id = '${OVERDRAWN}'`,
  ],
  ["nothing but an advice lowered", "update ledger.account set parameters = '{}' where kind = 'CUSTOMER'"],
  ["INV-4 a book's records", "update ledger.posting_instruction_batch set seq = 6 where seq = 5"],
  ["INV-4 a book's records", "update ledger.head set seq = 6"],
  [
    "ORD-1 known_at grows",
    "update ledger.posting_instruction_batch set known_at = '2026-01-01 00:00:01+00' where seq = 2",
  ],
  ["ORD-1 known_at grows", "update ledger.head set known_at = '2026-01-01 00:00:04+00'"],
  ["what is held goes out", `update ledger.posting set pending_out_after = 1 where account_id = '${WALLET}'`],
  [
    "an account's status is the fold",
    `update accounts.account set status = 'PENDING_CLOSURE' where account_id = '${WALLET}'`,
  ],
  [
    "an account's status is the fold",
    `update accounts.account set status = 'OPEN', closed_at = null where account_id = '${CLOSED}'`,
  ],
  [
    "an account's status is the fold",
    `update accounts.account set ledger_position = 2 where account_id = '${REFUSED}'`,
  ],
  [
    "an account's product and parameters",
    `update accounts.account set parameters = '{"a": "1"}' where account_id = '${WALLET}'`,
  ],
  [
    "an account has applied all",
    `update accounts.account set ledger_position = 0, status = 'PENDING', opened_at = null where account_id = '${WALLET}'`,
  ],
  ["the ledger's copy of who owns", `delete from ledger.account_owner where account_id = '${WALLET}'`],
  [
    "no account or request to close waits",
    `insert into accounts.account_closure values (gen_random_uuid(), '${WALLET}', 'u', 'PENDING', null, null, now(), null)`,
  ],
  ["outbox positions of accounts", "delete from accounts.outbox where position = 3"],
  ["outbox positions of accounts", "update accounts.outbox_head set numbered = 7"],
  ["outbox positions of ledger", "delete from ledger.outbox where position = 19"],
  ["nothing of accounts counts as delivered", "update accounts.outbox_head set delivered = 7"],
  ["nothing of ledger counts as delivered", "update ledger.outbox_head set delivered = 20"],
  [
    "every event of accounts has its position",
    "update accounts.outbox set position = null where position = 6; update accounts.outbox_head set numbered = 5, delivered = 5",
  ],
  [
    "every event of ledger has its position",
    "alter table ledger.outbox alter position drop not null; update ledger.outbox set position = null where position = 19",
  ],
  ["what counts as delivered of accounts", "delete from ledger.inbox where position = 6"],
  ["what counts as delivered of ledger", "delete from accounts.inbox where position = 6"],
  [
    "every event of accounts was applied",
    "delete from ledger.inbox where position = 6; update accounts.outbox_head set delivered = 5",
  ],
  [
    "every event of ledger was applied",
    "delete from accounts.inbox where position = 6; update ledger.outbox_head set delivered = 5",
  ],
  ["ledger applied nothing that accounts never", "update ledger.inbox set position = 9 where position = 2"],
  ["accounts applied nothing that ledger never", `update accounts.inbox set event_id = '${WALLET}' where position = 1`],
  ["STR-1 ledger.account-commands applied", "update ledger.inbox set applied_at = '2025-01-01' where position = 6"],
  ["STR-1 accounts applied", "update accounts.inbox set applied_at = '2025-01-01' where position = 6"],
  [
    "PIB-1 a completed operation",
    "update ledger.operation set status = 'COMPLETED', rejection_code = null, rejection_message = null where idempotency_key = 'k5'",
  ],
  ["PIB-1 a completed operation", "delete from ledger.operation where idempotency_key = 'k1'"],
  ["PIB-1 a completed operation", "delete from ledger.posting_instruction_batch where seq = 5"],
  ["only an accepted batch has postings", "update ledger.posting set seq = 7 where seq = 1"],
  ["only an accepted batch has postings", "delete from ledger.posting where seq = 4"],
  [
    "STR-2 every operation has the one event",
    "delete from ledger.outbox where position = 19; update ledger.head set outbox_position = 18",
  ],
  ["no event tells of an operation", "delete from ledger.operation where idempotency_key = 'k5'"],
  ["STR-3 a batch told each account", "update ledger.outbox set type = 'x' where position = 7"],
  [
    "a batch that tells by its own rows",
    "update ledger.posting_instruction_batch set operation_id = gen_random_uuid(), outbox_position = 30 where seq = 1",
  ],
  ["STR-3 a batch told each account", "update ledger.outbox set change_id = 'op_x' where position = 7"],
  ["every customer account was told of", "update ledger.outbox set type = 'x' where position = 1"],
  ["every customer account was told of", `delete from ledger.account where account_id = '${CLOSED}'`],
  ["INV-4 an account's postings", "update ledger.posting set account_seq = 9 where seq = 4 and side = 'DEBIT'"],
  [
    "an account's events tell of its postings",
    `update ledger.outbox set payload = '{"accountSeq": "1"}' where position = 11`,
  ],
  ["every account that was asked for", `update accounts.outbox set key = ${key(WALLET)} where type = 'account.open'`],
  ["every account that was asked for", `delete from accounts.account where account_id = '${REFUSED}'`],
  ["every person was told of", "delete from accounts.app_user"],
  [
    "an event that accounts parked says why",
    "update accounts.dead_letter set error = null, status = 'PARKED', resolved_at = null where status = 'REPLAYED'; delete from accounts.inbox where position = 3",
  ],
  [
    "an event that ledger parked says why",
    "insert into ledger.dead_letter (consumer, stream, position, event_id, key, type, envelope, status) select 'c', 'accounts', position, event_id, key, type, '{}', 'PARKED' from accounts.outbox where position = 1",
  ],
  ["an event that left the dead letters of accounts", "delete from accounts.inbox where position in (3, 5)"],
  [
    "an event that left the dead letters of ledger",
    "insert into ledger.dead_letter (consumer, stream, position, event_id, key, type, envelope, status, error, attempts, resolved_at) select 'c', 'accounts', position, event_id, key, type, '{}', 'REPLAYED', 'e', 1, now() from accounts.outbox where position = 1",
  ],
  [
    "an event is applied by accounts or parked",
    "update accounts.dead_letter set status = 'PARKED', resolved_at = null where status = 'REPLAYED'",
  ],
  [
    "an event is applied by ledger or parked",
    "insert into ledger.dead_letter (consumer, stream, position, event_id, key, type, envelope, status, error, attempts) select 'ledger.account-commands', 'accounts', position, event_id, key, type, '{}', 'PARKED', 'e', 1 from accounts.outbox where position = 2",
  ],
  [
    "no command waits",
    "insert into ledger.command values (gen_random_uuid(), 1, 'posting', 'p', 'k', 'f', '{}', 'c', now())",
  ],
];

test.each([...damages, ...portfolioDamages, ...linkedDamages])("%s … tells of: %s", async (sentence, damage) => {
  expect(await firedBy(damage)).toContainEqual(expect.stringMatching(`^${sentence}`));
});

test("an idle session inside a transaction is told of", async () => {
  const idler = connectDatabase({ url: testDatabase.url, applicationName: "idler", maxConnections: 1 });
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const began = new Promise<void>((resolve) => {
    void idler.transaction(async (tx) => {
      await tx`select 1`;
      resolve();
      await ended;
    });
  });
  await began;
  const rule = invariants.find(({ sentence }) => sentence.startsWith("no session stands idle"))!;
  const found = await database.sql.unsafe(rule.sql({ seq: 0n, position: 0n }).replace("10 seconds", "0 seconds"));
  expect(found.map((row) => String(row["who"]))).toContainEqual(expect.stringMatching(/^idler/));
  end();
  await idler.stop();
});

test("checkBooks folds every posting by itself too, and tells of a balance that is another", async () => {
  expect(await checkBooks(testDatabase.url, { isAtRest: true })).toEqual([]);
  await database.sql`update ledger.balance set total_debit = total_debit + 0.0000001 where total_debit = 100`;
  expect((await checkBooks(testDatabase.url)).filter((line) => line.startsWith("I3 a balance is not"))).toHaveLength(1);
  await database.sql`update ledger.balance set total_debit = total_debit - 0.0000001 where total_debit > 100 and total_debit < 101`;
  expect(await checkBooks(testDatabase.url)).toEqual([]);
});

test("every rule has a control that it fires in", () => {
  const controlled = [
    ...[...damages, ...holdDamages, ...portfolioDamages, ...linkedDamages].map(([sentence]) => sentence),
    "no session stands idle",
  ];
  const without = invariants.filter(({ sentence }) => !controlled.some((start) => sentence.startsWith(start)));
  expect(without.map(({ sentence }) => sentence)).toEqual([]);
});

test("damage in what was checked before is left to a whole run, damage behind it is seen", async () => {
  const seen = async (damage: string) => {
    let sentences: string[] = [];
    await database
      .transaction(async (tx) => {
        await tx.unsafe(`set local session_replication_role = replica; ${damage}`);
        const { findings } = await findViolations(tx, { areas: ["ledger"], after: { seq: 3n, position: 15n } });
        sentences = findings.map(({ sentence }) => sentence);
        throw new Undo();
      })
      .catch(() => undefined);
    return sentences;
  };
  expect(await seen("select 1")).toEqual([]);
  expect(await seen("update ledger.posting set amount = 101 where seq = 1 and side = 'DEBIT'")).toEqual([]);
  expect(await seen("update ledger.posting set amount = 101 where seq = 4 and side = 'DEBIT'")).not.toEqual([]);
});

describe("in production", () => {
  test.each(areas)("the role of %s may run every rule of its area, and finds the books in order", async (area) => {
    const own = connectDatabase({ url: testDatabase.url, area, applicationName: "test", maxConnections: 1 });
    const report = await createInvariantWatch({ database: own, area }).run();
    const rules = invariants.filter((rule) => rule.holds === "always" && rule.areas.every((one) => one === area));
    expect(report).toEqual({ findings: [], unchecked: [], checked: rules.length });
    await own.stop();
  });

  test("one process of an area at a time", async () => {
    const watch = createInvariantWatch({ database, area: "ledger" });
    await database.transaction(async (tx) => {
      await tx`select pg_advisory_xact_lock(${0x666c6f72}, hashtext('ledger'))`;
      expect(await watch.run()).toBeUndefined();
    });
    expect(await watch.run()).toBeDefined();
  });

  test("a big book is read from its last clean run on, and never further back than the bound", async () => {
    const watch = createInvariantWatch({ database, area: "ledger", wholeUpTo: 2n, latest: 2n });
    const whole = await createInvariantWatch({ database, area: "ledger" }).run();
    const first = await watch.run();
    expect(first?.findings).toEqual([]);
    expect(first?.checked).toBeLessThan(whole?.checked ?? 0);
    expect((await watch.run())?.findings).toEqual([]);
  });

  test("a rule that takes too long is told of and does not hold up the others", async () => {
    await database.transaction(async (blocker) => {
      await blocker`lock table ledger.balance in access exclusive mode`;
      const { checked, unchecked, findings } = await checkInvariants(database, { areas: ["ledger"], timeoutMs: 200 });
      expect(findings).toEqual([]);
      expect(unchecked.map(({ sentence }) => sentence.slice(0, 25))).toEqual(
        ["INV-1 debits equal credits", "INV-2 a stored balance eq", "what an account shows is "].map((start) =>
          start.slice(0, 25),
        ),
      );
      expect(checked).toBeGreaterThan(10);
    });
  });
});
