import fc from "fast-check";
import { checkBooks, eventually } from "@florin/testkit";
import { customer, startLedger, type TestLedger } from "./ledger-harness.js";

const ACCOUNTS = 8;
const FUNDS_CENTS = 10_000n;
const owner = customer("bank");

let ledger: TestLedger;
let accountIds: string[];

beforeAll(async () => {
  ledger = await startLedger();
  accountIds = await Promise.all(Array.from({ length: ACCOUNTS }, () => ledger.openAccount(owner)));
  await Promise.all(
    accountIds.map((accountId, index) =>
      perform("deposit", "DepositInput", {
        accountId,
        amount: { amount: "100.00", currency: "USD" },
        idempotencyKey: `fund-${index}`,
      }),
    ),
  );
}, 60_000);

afterAll(async () => {
  await ledger.stop();
  const faults = await checkBooks(ledger.url, { areas: ["ledger"] });
  await ledger.drop();
  expect(faults).toEqual([]);
});

async function perform(mutation: string, type: string, input: Record<string, unknown>): Promise<void> {
  const query = `mutation ($input: ${type}!) { ${mutation}(input: $input) { operation { status } } }`;
  const { errors } = await ledger.run(owner, query, { input });
  expect(errors).toBeUndefined();
}

/** Each question asks for all accounts, in one of the ways that clients and the gateway have. */
const questions = {
  list: `query ($ids: [ID!]) { balances(accountIds: $ids) { available { amount } } }`,
  entities: `query ($keys: [_Any!]!) { _entities(representations: $keys) { ... on Account { balance { available { amount } } } } }`,
  coordinates: `query ($keys: [_Any!]!) { _entities(representations: $keys) { ... on Account { balances { net } } } }`,
} as const;
type Question = keyof typeof questions;

async function totalCents(question: Question): Promise<bigint> {
  const keys = accountIds.map((id) => ({ __typename: "Account", id }));
  const { data, errors } = await ledger.run(owner, questions[question], { ids: accountIds, keys });
  expect(errors).toBeUndefined();
  // "12.50" of money, "12.5000000" of a coordinate: whole cents, as only such were moved
  const amounts = [...JSON.stringify(data).matchAll(/"(-?\d+)\.(\d\d)0*"/g)];
  return amounts.reduce((sum, [, whole, cents]) => sum + BigInt(`${whole}${cents}`), 0n);
}

describe("balances of several accounts in one query", () => {
  test("are of one moment: they sum to the same, however they are asked for, while money moves between them", async () => {
    let isDone = false;
    let transfers = 0;
    const movers = Array.from({ length: 4 }, async (_, mover) => {
      for (let number = 0; !isDone; number++) {
        const from = accountIds[(mover + number) % ACCOUNTS];
        const to = accountIds[(mover + number * 3 + 1) % ACCOUNTS];
        if (from === to) continue;
        await perform("bookTransfer", "BookTransferInput", {
          fromAccountId: from,
          toAccountId: to,
          amount: { amount: `${1 + (number % 7)}.00`, currency: "USD" },
          idempotencyKey: `move-${mover}-${number}`,
        });
        transfers++;
      }
    });
    try {
      await eventually(() => transfers > 10, 20_000);
      await fc.assert(
        fc.asyncProperty(
          // More keys at once than one gathered statement of accounts takes: a question must not be divided all the same.
          fc.array(fc.constantFrom<Question>("list", "entities", "coordinates"), { minLength: 1, maxLength: 90 }),
          async (asked) => {
            const totals = await Promise.all(asked.map(totalCents));
            expect(new Set(totals)).toEqual(new Set([FUNDS_CENTS * BigInt(ACCOUNTS)]));
          },
        ),
        { numRuns: 25 },
      );
    } finally {
      isDone = true;
      await Promise.all(movers);
    }
    expect(transfers).toBeGreaterThan(20);
  }, 120_000);
});
