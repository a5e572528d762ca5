import { connectDatabase, discardDeadLetter, listDeadLetters } from "@florin/db";
import { formatId } from "@florin/kernel";
import { randomIds } from "@florin/resilience";
import { createLogger } from "@florin/telemetry";
import fc from "fast-check";
import { PORTFOLIO_BALANCES_CONSUMER } from "../src/index.js";
import { createBalancesConsumer, createReplayStore } from "../src/tasks/consumers.js";
import {
  account,
  codesOf,
  dataOf,
  newItem,
  newPerson,
  opened,
  opening,
  posted,
  startPlatform,
  transaction,
  type Person,
  type Platform,
} from "./portfolio-platform.js";

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

interface Row {
  readonly from: string;
  readonly to: string;
  readonly in: { readonly amount: string; readonly currency: string };
  readonly out: { readonly amount: string };
}

async function cashFlow(person: Person, from: string, to: string, interval: string): Promise<string[]> {
  const query = `query ($from: Date!, $to: Date!, $interval: Interval!) { cashFlow(from: $from, to: $to, interval: $interval) {
    from to in { amount currency } out { amount } } }`;
  const answer = await platform.call(query, { from, to, interval }, person);
  return dataOf<{ cashFlow: Row[] }>(answer).cashFlow.map(
    (row) => `${row.from}..${row.to} ${row.in.currency} +${row.in.amount} -${row.out.amount}`,
  );
}

async function spending(person: Person, from: string, to: string): Promise<string[]> {
  const query = `query ($from: Date!, $to: Date!) { spendingByCategory(from: $from, to: $to) { category amount { amount currency } } }`;
  const answer = await platform.call(query, { from, to }, person);
  return dataOf<{ spendingByCategory: { category: string; amount: { amount: string; currency: string } }[] }>(
    answer,
  ).spendingByCategory.map(({ category, amount }) => `${category} ${amount.amount} ${amount.currency}`);
}

test("money that came and went, by interval and currency; cards, transfers and what is pending are not cash", async () => {
  const person = newPerson();
  const item = newItem(person);
  const euros = { isoCode: "EUR", unofficialCode: null };
  await platform.tell(
    "accounts",
    ...item.say("ACCOUNTS", [account({ accountId: "cash" }), account({ accountId: "card", type: "credit" })]),
  );
  await platform.tell(
    "accounts",
    ...item.say("TRANSACTIONS", [
      transaction("cash", "-2000", { date: "2026-11-01", category: "INCOME" }),
      transaction("cash", "12.34", { date: "2026-11-02", category: "FOOD_AND_DRINK" }),
      transaction("cash", "100.5", { date: "2026-11-09", category: "LOAN_PAYMENTS" }),
      transaction("cash", "55", { date: "2026-11-09", category: "TRANSFER_OUT" }),
      transaction("cash", "9", { date: "2026-11-09", isPending: true }),
      transaction("card", "70", { date: "2026-11-09", category: "FOOD_AND_DRINK" }),
      transaction("cash", "3", { date: "2026-11-10", currency: euros }),
      transaction("cash", "8", { date: "2026-11-10", currency: { isoCode: null, unofficialCode: "BTC" } }),
      transaction("nobody's", "8", { date: "2026-11-10" }),
      transaction("cash", "999", { date: "2026-12-01" }),
    ]),
  );
  expect(await cashFlow(person, "2026-11-01", "2026-11-11", "WEEK")).toEqual([
    "2026-11-01..2026-11-01 EUR +0 -0",
    "2026-11-01..2026-11-01 USD +2000 -0",
    "2026-11-02..2026-11-08 EUR +0 -0",
    "2026-11-02..2026-11-08 USD +0 -12.34",
    "2026-11-09..2026-11-11 EUR +0 -3",
    "2026-11-09..2026-11-11 USD +0 -100.5",
  ]);
  expect(await cashFlow(person, "2026-11-01", "2026-12-31", "MONTH")).toEqual([
    "2026-11-01..2026-11-30 EUR +0 -3",
    "2026-11-01..2026-11-30 USD +2000 -112.84",
    "2026-12-01..2026-12-31 EUR +0 -0",
    "2026-12-01..2026-12-31 USD +0 -999",
  ]);
  expect(await cashFlow(newPerson(), "2026-11-01", "2026-11-11", "DAY")).toEqual([]);
});

test("spending by category: refunds are taken off, transfers, payments of debts and income are none", async () => {
  const person = newPerson();
  const item = newItem(person);
  const moved = transaction("cash", "40", { category: "TRAVEL" });
  await platform.tell(
    "accounts",
    ...item.say("ACCOUNTS", [account({ accountId: "cash" }), account({ accountId: "card", type: "credit" })]),
  );
  await platform.tell(
    "accounts",
    ...item.say("TRANSACTIONS", [
      transaction("card", "70", { category: "FOOD_AND_DRINK" }),
      transaction("card", "-20.5", { category: "FOOD_AND_DRINK" }),
      transaction("cash", "5", { category: null }),
      transaction("cash", "-900", { category: null }),
      transaction("cash", "100", { category: "LOAN_PAYMENTS" }),
      transaction("card", "-100", { category: "LOAN_PAYMENTS" }),
      transaction("cash", "100", { category: "TRANSFER_OUT" }),
      transaction("cash", "-2000", { category: "INCOME" }),
      transaction("card", "-30", { category: "ENTERTAINMENT" }),
      moved,
    ]),
  );
  expect(await spending(person, "2026-11-01", "2026-11-30")).toEqual([
    "FOOD_AND_DRINK 49.5 USD",
    "TRAVEL 40 USD",
    "UNCATEGORIZED 5 USD",
  ]);
  // The person says what it was, and a pending one that was posted is removed under its old id.
  const id = (moved as { linkedTransactionId: string }).linkedTransactionId;
  await platform.tell(
    "accounts",
    ...item.say("TRANSACTIONS", [
      { change: "REMOVED", linkedTransactionId: id },
      transaction("cash", "41", { category: "Summer" }),
    ]),
  );
  expect(await spending(person, "2026-11-01", "2026-11-30")).toContain("Summer 41 USD");
  expect(await spending(person, "2026-11-01", "2026-11-30")).not.toContain("TRAVEL 40 USD");
});

test("own accounts: what a batch moved between them is no flow, what it brought or took is", async () => {
  const person = newPerson();
  const [a, b] = [randomIds.next(), randomIds.next()];
  for (const id of [a, b]) await platform.tell("accounts", opening(person, id));
  const batchId = randomIds.next();
  await platform.tell(
    "ledger",
    opened(a),
    opened(b),
    posted(a, 1, "100.00", { asOf: "2026-11-10T23:59:59.999999Z" }),
    posted(a, 2, "60.00", { batchId, asOf: "2026-11-11T00:00:00.000000Z" }),
    posted(b, 1, "40.00", { batchId, asOf: "2026-11-11T00:00:00.000000Z" }),
    posted(b, 2, "25.00", { asOf: "2026-11-11T10:00:00.000000Z" }),
    posted(b, 3, "20.00", { asOf: "2026-11-12T10:00:00.000000Z", affectedBusinessDates: ["2026-11-09", "2026-11-10"] }),
  );
  expect(await cashFlow(person, "2026-11-09", "2026-11-12", "DAY")).toEqual([
    "2026-11-09..2026-11-09 USD +0 -5.00",
    "2026-11-10..2026-11-10 USD +100.00 -0",
    "2026-11-11..2026-11-11 USD +0 -15.00",
    "2026-11-12..2026-11-12 USD +0 -0",
  ]);
});

test("a balance that comes late or again changes nothing, and flows sum to the balance", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: -500, max: 500 }), { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(), { minLength: 1, maxLength: 16 }),
      async (steps, order) => {
        const id = randomIds.next();
        let balance = 0;
        const events = steps.map((step, n) => posted(id, n + 1, `${(balance += step)}.00`));
        const delivered = order.map((pick) => ({ ...events[pick % events.length]!, eventId: randomIds.next() }));
        await platform.tell("ledger", ...delivered, events.at(-1)!);
        const [row] = await platform.database.sql<{ committed: string; flows: string }[]>`
          select committed, (select coalesce(sum(amount), 0) from portfolio.own_flow where account_id = ${id}) as flows
          from portfolio.own_balance where account_id = ${id}`;
        expect(row!.committed).toBe(`${balance}.00`);
        expect(Number.parseInt(row!.flows, 10)).toBe(balance);
      },
    ),
    { numRuns: 20 },
  );
});

test("an event of the ledger that is none is parked; when it is discarded, what waited behind it is applied", async () => {
  const id = randomIds.next();
  const key = formatId("account", id);
  await platform.tell("ledger", { ...posted(id, 1, "1.00"), payload: { accountId: key } }, posted(id, 2, "2.00"));
  const { sql } = platform.database;
  const statuses = async () =>
    (
      await sql<{ status: string }[]>`select status from portfolio.dead_letter where key = ${key} order by position`
    ).map(({ status }) => status);
  expect(await statuses()).toEqual(["PARKED", "WAITING"]);
  const [first] = await listDeadLetters(sql, "portfolio", { consumer: PORTFOLIO_BALANCES_CONSUMER });
  await discardDeadLetter(sql, "portfolio", first!.deadLetterId, "a test made it");
  const own = connectDatabase({ url: platform.url, area: "portfolio", applicationName: "test", maxConnections: 2 });
  const group = createBalancesConsumer(own, createLogger({ name: "test", level: "silent" }));
  const parked = { consumer: group.name, stream: group.stream, key };
  await createReplayStore(own).replayDeadLetters(parked, (event) => group.handle(event));
  await own.stop();
  expect(await statuses()).toEqual(["DISCARDED", "REPLAYED"]);
  const [balance] = await sql`select committed from portfolio.own_balance where account_id = ${id}`;
  expect(balance).toEqual({ committed: "2.00" });
});

test("a balance that the database refuses is parked alone: what came with it is applied", async () => {
  const ids = Array.from({ length: 12 }, () => randomIds.next());
  const tooLong = "9".repeat(140_000);
  await platform.tell("ledger", ...ids.map((id, n) => posted(id, 1, n === 5 ? tooLong : `${n}.00`)));
  const { sql } = platform.database;
  const stored = await sql<{ committed: string }[]>`
    select committed from portfolio.own_balance where account_id = any(${ids}) order by committed`;
  expect(stored.map(({ committed }) => committed)).toEqual(ids.map((_, n) => `${n}.00`).filter((_, n) => n !== 5));
  const letters = await sql`select error from portfolio.dead_letter where key = ${formatId("account", ids[5]!)}`;
  expect(letters).toHaveLength(1);
});

test("a period must begin before it ends, and not be endless", async () => {
  const person = newPerson();
  const ask = (from: string, to: string, interval: string) =>
    platform.call(`{ cashFlow(from: "${from}", to: "${to}", interval: ${interval}) { from } }`, {}, person);
  expect(codesOf(await ask("2026-11-02", "2026-11-01", "DAY"))).toEqual(["BAD_USER_INPUT"]);
  expect(codesOf(await ask("2020-11-02", "2026-11-01", "DAY"))).toEqual(["BAD_USER_INPUT"]);
  expect(codesOf(await ask("2000-11-02", "2026-11-01", "MONTH"))).toEqual(["BAD_USER_INPUT"]);
  expect(codesOf(await ask("2020-11-02", "2026-11-01", "MONTH"))).toEqual([]);
});
