import type { PlaidApi } from "plaid";
import type { PlaidSimulator } from "../src/index.js";
import { linkItem, refusalOf, startForTest } from "./plaid-client.js";

let sim: PlaidSimulator;
let plaid: PlaidApi;

beforeAll(async () => {
  ({ sim, plaid } = await startForTest({ historicalPullMs: 0 }));
});
afterAll(() => sim.stop());

const tokenOf = async (userName: string) => (await linkItem(plaid, userName)).accessToken;

it("user_good has the twelve known accounts with their balances", async () => {
  const { data } = await plaid.accountsGet({ access_token: await tokenOf("user_good") });
  const known = data.accounts.map((it) => [it.mask, it.balances.available, it.balances.current, it.balances.limit]);
  expect(known).toEqual([
    ["0000", 100, 110, null],
    ["1111", 200, 210, null],
    ["2222", null, 1000, null],
    ["3333", null, 410, 2000],
    ["4444", 43200, 43200, null],
    ["5555", null, 320.76, null],
    ["6666", null, 23631.9805, null],
    ["7777", null, 65262, null],
    ["8888", null, 56302.06, null],
    ["9001", 6009, 6009, null],
    ["9002", 12060, 12060, null],
    ["9999", 4980, 5020, 10000],
  ]);
});

it("user_good has thirteen holdings of seven kinds, and liabilities of three", async () => {
  const access_token = await tokenOf("user_good");
  const { data } = await plaid.investmentsHoldingsGet({ access_token });
  expect(data.accounts).toHaveLength(12);
  expect(data.holdings).toHaveLength(13);
  expect(new Set(data.securities.map((it) => it.type)).size).toBe(7);
  const known = new Set(data.securities.map((it) => it.security_id));
  expect(data.holdings.every((it) => known.has(it.security_id))).toBe(true);
  const { liabilities } = (await plaid.liabilitiesGet({ access_token })).data;
  expect([liabilities.credit, liabilities.mortgage, liabilities.student].map((it) => it?.length)).toEqual([2, 1, 1]);
});

it("answers for the accounts asked for, and refuses others", async () => {
  const access_token = await tokenOf("user_good");
  const { data } = await plaid.accountsGet({ access_token });
  const card = data.accounts.find((it) => it.mask === "3333")!.account_id;
  const { liabilities } = (await plaid.liabilitiesGet({ access_token, options: { account_ids: [card] } })).data;
  expect(liabilities).toMatchObject({ credit: [{ account_id: card }], mortgage: null, student: null });
  const foreign = plaid.accountsGet({ access_token, options: { account_ids: [card, card.toLowerCase()] } });
  expect(await refusalOf(foreign)).toMatchObject({ code: "INVALID_ACCOUNT_ID" });
});

it("pages investment transactions newest first, with a stable total and nothing past the end", async () => {
  const access_token = await tokenOf("user_good");
  const read = (offset: number, count: number) =>
    plaid
      .investmentsTransactionsGet({
        access_token,
        start_date: "2024-12-01",
        end_date: "2026-11-21",
        options: { offset, count },
      })
      .then((it) => it.data);
  const { total_investment_transactions: total, ...whole } = await read(0, 500);
  expect(whole.investment_transactions).toHaveLength(total);
  const dates = whole.investment_transactions.map((it) => it.date);
  expect(dates).toEqual([...dates].sort().reverse());
  const paged: string[] = [];
  for (let offset = 0; offset < total; offset += 40) {
    const page = await read(offset, 40);
    expect(page.total_investment_transactions).toBe(total);
    paged.push(...page.investment_transactions.map((it) => it.investment_transaction_id));
  }
  expect(paged).toEqual(whole.investment_transactions.map((it) => it.investment_transaction_id));
  expect((await read(total, 40)).investment_transactions).toEqual([]);
});

it("is not ready with investment transactions when they were asked for later, and then is", async () => {
  const item = await linkItem(plaid, "user_investment_only", { products: ["investments"] });
  const request = { access_token: item.accessToken, start_date: "2026-01-01", end_date: "2026-11-21" };
  const later = { ...request, options: { async_update: true } };
  expect(await refusalOf(plaid.investmentsTransactionsGet(later))).toMatchObject({ code: "PRODUCT_NOT_READY" });
  await sim.control.clock({ advanceMs: 1_000 });
  const { data } = await plaid.investmentsTransactionsGet(later);
  expect(data.investment_transactions.length).toBeGreaterThan(0);
  const [first] = data.investment_transactions;
  sim.control.items.changeInvestmentTransactions(item.itemId, { remove: [first!.investment_transaction_id] });
  const after = await plaid.investmentsTransactionsGet(later);
  expect(after.data.total_investment_transactions).toBe(data.total_investment_transactions - 1);
});

it("user_deposit_only has neither liabilities nor investments", async () => {
  const access_token = await tokenOf("user_deposit_only");
  expect(await refusalOf(plaid.liabilitiesGet({ access_token }))).toMatchObject({ code: "NO_LIABILITY_ACCOUNTS" });
  expect(await refusalOf(plaid.investmentsHoldingsGet({ access_token }))).toMatchObject({
    code: "NO_INVESTMENT_ACCOUNTS",
  });
});

it("refuses a product that the login or the bank does not have", async () => {
  const access_token = await tokenOf("user_loans");
  expect(await refusalOf(plaid.investmentsHoldingsGet({ access_token }))).toMatchObject({
    code: "PRODUCTS_NOT_SUPPORTED",
  });
});

it("user_loans has a loan and a line of credit", async () => {
  const { liabilities } = (await plaid.liabilitiesGet({ access_token: await tokenOf("user_loans") })).data;
  expect(liabilities).toMatchObject({
    credit: null,
    loan: [{ interest_rate: { percentage: 6.49, type: "fixed" } }],
    line_of_credit: [{ credit_limit: 40000 }],
  });
});

it("user_hostile sends what nobody expects", async () => {
  const access_token = await tokenOf("user_hostile");
  const { data } = await plaid.accountsGet({ access_token });
  expect(data.accounts[0]!.balances).toMatchObject({ iso_currency_code: null, unofficial_currency_code: "BTC" });
  expect(data.accounts[1]!.name.length).toBeGreaterThan(50_000);
  const { liabilities } = (await plaid.liabilitiesGet({ access_token })).data;
  expect(liabilities.credit![0]).toMatchObject({ account_id: null, aprs: [], last_statement_balance: -12.34 });
  expect(liabilities.student![0]!.loan_status.type).toBeNull();
  const { holdings } = (await plaid.investmentsHoldingsGet({ access_token })).data;
  expect({ ...holdings[0] }).toEqual({ ...holdings[1] });
  await plaid.transactionsSync({ access_token });
  const sync = (await plaid.transactionsSync({ access_token })).data;
  expect(sync.added.map((it) => String(it.amount))).toContain("1e-7");
});

it("lets the bank's present balance be seen by a real-time call only, and by the cached one after it", async () => {
  const { accessToken: access_token, itemId } = await linkItem(plaid);
  const accountId = sim.control.items.get(itemId).accounts[0]!.base.account_id;
  sim.control.items.setBalances(itemId, { balances: [{ accountId, current: 77.7 }] });
  const cached = () => plaid.accountsGet({ access_token }).then((it) => it.data.accounts[0]!.balances.current);
  expect(await cached()).toBe(110);
  const { data } = await plaid.accountsBalanceGet({ access_token });
  expect(data.accounts[0]!.balances.current).toBe(77.7);
  expect(await cached()).toBe(77.7);
});
