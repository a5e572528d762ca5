import { formatId } from "@florin/kernel";
import { randomIds } from "@florin/resilience";
import fc from "fast-check";
import {
  account,
  closed,
  codesOf,
  dataOf,
  holding,
  newItem,
  newLinkedAccountId,
  newPerson,
  opened,
  opening,
  posted,
  security,
  startPlatform,
  usd,
  type Person,
  type Platform,
} from "./portfolio-platform.js";

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

interface NetWorth {
  readonly total: { readonly amount: string; readonly currency: string };
  readonly assets: { readonly amount: string };
  readonly liabilities: { readonly amount: string };
  readonly asOf: string;
  readonly excluded: readonly { readonly id: string }[];
  readonly excludedAccounts: readonly { readonly id: string }[];
}

async function netWorth(person: Person, currency?: string): Promise<NetWorth> {
  const query = `query ($currency: CurrencyCode) { netWorth(currency: $currency) {
    total { amount currency } assets { amount } liabilities { amount } asOf excluded { id } excludedAccounts { id } } }`;
  return dataOf<{ netWorth: NetWorth }>(await platform.call(query, { currency }, person)).netWorth;
}

async function openAccount(person: Person, balance: string, about: Parameters<typeof opened>[1] = {}): Promise<string> {
  const id = randomIds.next();
  await platform.tell("accounts", opening(person, id));
  await platform.tell("ledger", opened(id, about), posted(id, 1, balance, { currency: about.currency ?? "USD" }));
  return formatId("account", id);
}

test("deposits and investments are owned, cards and loans are owed, here and elsewhere; holdings do not count twice", async () => {
  const person = newPerson();
  const item = newItem(person);
  await openAccount(person, "1000.00");
  await openAccount(person, "250.50", { tside: "ASSET", addresses: {} });
  await platform.tell(
    "accounts",
    ...item.say("ACCOUNTS", [
      account({ accountId: "checking", current: "110" }),
      account({ accountId: "unsaid", current: null, available: "40.25" }),
      account({ accountId: "401k", type: "investment", current: "23631.9805" }),
      account({ accountId: "card", type: "credit", current: "410", asOf: "2026-11-19T08:00:00Z" }),
      account({ accountId: "overpaid", type: "credit", current: "-10" }),
      account({ accountId: "mortgage", type: "loan", current: "56302.06" }),
    ]),
  );
  await platform.tell(
    "accounts",
    ...item.say("HOLDINGS", [security("s"), holding("401k", "s", { institutionValue: "25125.63" })]),
  );
  expect(await netWorth(person)).toEqual({
    total: { amount: "-32170.3295", currency: "USD" },
    assets: { amount: "24792.2305" },
    liabilities: { amount: "56962.56" },
    asOf: "2026-11-19T08:00:00.000000Z",
    excluded: [],
    excludedAccounts: [],
  });
});

test("what is in another currency, or unknown, is left out and named; nothing is guessed", async () => {
  const person = newPerson();
  const item = newItem(person);
  const ids = Object.fromEntries(
    ["dollars", "euros", "bitcoin", "unsaid", "odd", "both"].map((name) => [name, newLinkedAccountId()]),
  );
  await platform.tell(
    "accounts",
    ...item.say("ACCOUNTS", [
      account({ accountId: "dollars", linkedAccountId: ids["dollars"]!, current: "1" }),
      account({
        accountId: "euros",
        linkedAccountId: ids["euros"]!,
        current: "2",
        currency: { isoCode: "EUR", unofficialCode: null },
      }),
      account({
        accountId: "bitcoin",
        linkedAccountId: ids["bitcoin"]!,
        current: "3",
        currency: { isoCode: null, unofficialCode: "BTC" },
      }),
      account({
        accountId: "unsaid",
        linkedAccountId: ids["unsaid"]!,
        type: "credit",
        current: null,
        available: "500",
      }),
      account({ accountId: "odd", linkedAccountId: ids["odd"]!, type: "a new kind of account", current: "4" }),
      account({
        accountId: "both",
        linkedAccountId: ids["both"]!,
        current: "10",
        currency: { isoCode: "EUR", unofficialCode: "EUR2" },
      }),
    ]),
  );
  const loan = await openAccount(person, "0.00", { tside: "ASSET", addresses: { PRINCIPAL: "MINOR" } });
  const euros = await openAccount(person, "7.00", { currency: "EUR", openedAt: "2020-01-01T00:00:00.000000Z" });
  const dollars = await netWorth(person, "USD");
  expect(dollars).toMatchObject({ total: { amount: "1" }, liabilities: { amount: "0" } });
  expect(dollars.excluded.map(({ id }) => id).sort()).toEqual(
    [ids["euros"], ids["bitcoin"], ids["unsaid"], ids["odd"], ids["both"]].sort(),
  );
  expect(dollars.excludedAccounts.map(({ id }) => id).sort()).toEqual([loan, euros].sort());
  // Without a currency: that of the account that was opened here first.
  expect((await netWorth(person)).total).toEqual({ amount: "19.00", currency: "EUR" });
  expect(codesOf(await platform.call('{ netWorth(currency: "XXQ") { asOf } }', {}, person))).toEqual([
    "BAD_USER_INPUT",
  ]);
});

test("an account that was closed, or left the roster, and an item that was removed count no more; somebody else's never did", async () => {
  const person = newPerson();
  const [item, other] = [newItem(person), newItem(newPerson())];
  const id = randomIds.next();
  await platform.tell("accounts", opening(person, id));
  await platform.tell("ledger", opened(id), posted(id, 1, "5.00"));
  const roster = [account({ accountId: "a", current: "10" }), account({ accountId: "b", current: "100" })];
  await platform.tell(
    "accounts",
    ...item.say("ACCOUNTS", roster),
    ...other.say("ACCOUNTS", [account({ accountId: "a", current: "1000" })]),
  );
  expect((await netWorth(person)).total.amount).toBe("115.00");
  await platform.tell("ledger", posted(id, 2, "0.00"), closed(id));
  expect((await netWorth(person)).total.amount).toBe("110");
  await platform.tell("accounts", ...item.say("ACCOUNTS", roster.slice(0, 1)));
  expect((await netWorth(person)).total.amount).toBe("10");
  await platform.tell("accounts", item.removal());
  expect((await netWorth(person)).total.amount).toBe("0");
});

/** In cents, so that the model of the test shares nothing with the code. */
const cents = fc.integer({ min: -1_000_000, max: 1_000_000 });
const text = (value: number): string =>
  `${value < 0 ? "-" : ""}${Math.floor(Math.abs(value) / 100)}.${String(Math.abs(value) % 100).padStart(2, "0")}`;
const linked = fc.record({
  value: cents,
  type: fc.constantFrom("depository", "credit", "loan", "investment", "unheard of"),
  isoCode: fc.constantFrom("USD", "EUR", null),
});
const own = fc.record({
  value: cents,
  tside: fc.constantFrom("ASSET", "LIABILITY"),
  currency: fc.constantFrom("USD", "EUR"),
});

test("net worth is what a person adding up by hand would find", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(linked, { maxLength: 8 }), fc.array(own, { maxLength: 4 }), async (elsewhere, here) => {
      const person = newPerson();
      const item = newItem(person);
      for (const { value, tside, currency } of here) await openAccount(person, text(value), { tside, currency });
      await platform.tell(
        "accounts",
        ...item.say(
          "ACCOUNTS",
          elsewhere.map(({ value, type, isoCode }, n) =>
            account({ accountId: `a${n}`, type, current: text(value), currency: { ...usd, isoCode } }),
          ),
        ),
      );
      const parts = [
        ...elsewhere
          .filter(({ isoCode, type }) => isoCode === "EUR" && type !== "unheard of")
          .map(({ value, type }) => (type === "credit" || type === "loan" ? -value : value)),
        ...here
          .filter(({ currency }) => currency === "EUR")
          .map(({ value, tside }) => (tside === "ASSET" ? -value : value)),
      ];
      const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
      const worth = await netWorth(person, "EUR");
      const inCents = (amount: string) =>
        Math.round(Number.parseInt(amount.replace(".", ""), 10)) * (amount.includes(".") ? 1 : 100);
      expect(inCents(worth.total.amount)).toBe(sum(parts));
      expect(inCents(worth.assets.amount)).toBe(sum(parts.filter((value) => value > 0)));
      expect(inCents(worth.liabilities.amount)).toBe(0 - sum(parts.filter((value) => value < 0)));
      expect(worth.excluded.length + worth.excludedAccounts.length).toBe(elsewhere.length + here.length - parts.length);
    }),
    { numRuns: 15 },
  );
});

test("the curve: each day ends with what was known by then", async () => {
  const person = newPerson();
  const item = newItem(person);
  const id = randomIds.next();
  await platform.tell("accounts", opening(person, id));
  await platform.tell(
    "ledger",
    opened(id),
    posted(id, 1, "100.00", { asOf: "2026-11-02T23:59:59.000000Z" }),
    posted(id, 2, "70.00", { asOf: "2026-11-04T00:00:00.000000Z" }),
  );
  const linkedAccountId = newLinkedAccountId();
  const say = (current: string, capturedAt: string) =>
    item.say("ACCOUNTS", [account({ accountId: "card", type: "credit", current, linkedAccountId })], { capturedAt });
  await platform.tell(
    "accounts",
    ...say("30", "2026-11-03T10:00:00.000000Z"),
    ...say("45.5", "2026-11-04T10:00:00.000000Z"),
  );
  const query = `{ netWorthHistory(from: "2026-11-01", to: "2026-11-05", currency: "USD") {
    date total { amount } assets { amount } liabilities { amount } } }`;
  const answer = dataOf<{ netWorthHistory: { date: string; total: { amount: string } }[] }>(
    await platform.call(query, {}, person),
  );
  expect(answer.netWorthHistory.map(({ date, total }) => [date, total.amount])).toEqual([
    ["2026-11-01", "0"],
    ["2026-11-02", "100.00"],
    ["2026-11-03", "70.00"],
    ["2026-11-04", "24.50"],
    ["2026-11-05", "24.50"],
  ]);
  const long = '{ netWorthHistory(from: "2020-01-01", to: "2026-11-05") { date } }';
  expect(codesOf(await platform.call(long, {}, person))).toEqual(["BAD_USER_INPUT"]);
});
