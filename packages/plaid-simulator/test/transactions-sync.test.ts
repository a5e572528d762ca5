import type { PlaidApi, Transaction, TransactionsSyncResponse } from "plaid";
import type { PlaidSimulator } from "../src/index.js";
import { linkItem, refusalOf, startForTest } from "./plaid-client.js";

let sim: PlaidSimulator;
let plaid: PlaidApi;

beforeAll(async () => {
  ({ sim, plaid } = await startForTest());
});
afterAll(() => sim.stop());

async function page(accessToken: string, cursor?: string, count = 100): Promise<TransactionsSyncResponse> {
  const { data } = await plaid.transactionsSync({ access_token: accessToken, count, ...(cursor ? { cursor } : {}) });
  return data;
}

/** Reads to the end as a correct client does and returns what it would hold. */
async function run(accessToken: string, held = new Map<string, Transaction>(), cursor = "", count = 100) {
  for (let more = true; more;) {
    const data = await page(accessToken, cursor, count);
    for (const it of [...data.added, ...data.modified]) held.set(it.transaction_id, it);
    for (const it of data.removed) held.delete(it.transaction_id);
    cursor = data.next_cursor;
    more = data.has_more;
  }
  return { held, cursor };
}

function truth(itemId: string): string[] {
  return sim.control.items
    .get(itemId)
    .transactions.map((it) => it.transaction_id)
    .sort();
}

it("is not ready at first, with an empty cursor and no error, then gives 30 days, then all days", async () => {
  const { accessToken } = await linkItem(plaid, "user_good", { days: 200 });
  expect(await page(accessToken)).toMatchObject({
    transactions_update_status: "NOT_READY",
    added: [],
    accounts: [],
    has_more: false,
    next_cursor: "",
  });
  const first = await page(accessToken, undefined, 500);
  expect(first.transactions_update_status).toBe("INITIAL_UPDATE_COMPLETE");
  expect(first.added.every((it) => it.date >= "2026-10-22")).toBe(true);
  await sim.control.clock({ advanceMs: 2_000 });
  const second = await page(accessToken, first.next_cursor, 500);
  expect(second.transactions_update_status).toBe("HISTORICAL_UPDATE_COMPLETE");
  expect(second.added.map((it) => it.date).sort()[0]! < "2026-05-15").toBe(true);
});

it("lists only accounts that have transactions, and the original description only when asked", async () => {
  const { accessToken, itemId } = await linkItem(plaid);
  sim.control.items.pull(itemId);
  await page(accessToken);
  const { accounts, added } = await page(accessToken);
  expect(accounts.map((it) => it.mask).sort()).toEqual(["0000", "1111", "3333", "9999"]);
  expect(added.every((it) => it.original_description === null)).toBe(true);
  const { data } = await plaid.transactionsSync({
    access_token: accessToken,
    options: { include_original_description: true },
  });
  expect(data.added.every((it) => it.original_description === it.name.toUpperCase())).toBe(true);
});

it("gives the same page for the same cursor, whatever the size of the pages, and ends in the truth", async () => {
  const { accessToken, itemId } = await linkItem(plaid);
  await page(accessToken);
  sim.control.items.pull(itemId);
  const once = await page(accessToken, undefined, 7);
  const again = await page(accessToken, once.next_cursor, 7);
  expect({ ...(await page(accessToken, once.next_cursor, 7)), request_id: "" }).toEqual({ ...again, request_id: "" });
  for (const count of [1, 7, 500]) {
    const { held } = await run(accessToken, undefined, "", count);
    expect([...held.keys()].sort()).toEqual(truth(itemId));
  }
});

it("refuses every cursor between pages once the log has grown, and takes the one the run began with", async () => {
  const { accessToken, itemId } = await linkItem(plaid);
  await page(accessToken);
  sim.control.items.pull(itemId);
  const start = (await run(accessToken)).cursor;
  sim.control.items.changeTransactions(itemId, {
    add: Array.from({ length: 5 }, (_, index) => ({ amount: index + 0.5, name: `News ${index}` })),
  });
  const middles: string[] = [];
  for (let cursor = start, more = true; more;) {
    const data = await page(accessToken, cursor, 1);
    ({ next_cursor: cursor, has_more: more } = data);
    if (more) middles.push(cursor);
  }
  expect(middles).toHaveLength(4);
  sim.control.items.changeTransactions(itemId, { add: [{ amount: 9, name: "Late news" }] });
  for (const cursor of middles) {
    expect(await refusalOf(page(accessToken, cursor, 1))).toMatchObject({
      status: 400,
      code: "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION",
    });
  }
  const restarted = await run(accessToken, new Map(), start, 1);
  expect(restarted.held.size).toBe(6);
});

it("does not show within one run what came and went, and shows once what came and changed", async () => {
  const { accessToken, itemId } = await linkItem(plaid);
  await page(accessToken);
  sim.control.items.pull(itemId);
  const start = (await run(accessToken)).cursor;
  const { added } = sim.control.items.changeTransactions(itemId, {
    add: [
      { amount: 1, name: "goes" },
      { amount: 2, name: "changes" },
    ],
  });
  sim.control.items.changeTransactions(itemId, {
    remove: [added[0]!],
    modify: [{ transaction_id: added[1]!, amount: 2.5 }],
  });
  const data = await page(accessToken, start);
  expect(data).toMatchObject({ modified: [], removed: [], added: [{ transaction_id: added[1], amount: 2.5 }] });
});

it("binds a cursor to its Item and to its stream", async () => {
  const one = await linkItem(plaid);
  const two = await linkItem(plaid);
  for (const item of [one, two]) await page(item.accessToken);
  const { cursor } = await run(one.accessToken);
  expect(cursor.length).toBeLessThanOrEqual(256);
  const foreign = await refusalOf(page(two.accessToken, cursor));
  expect(foreign).toMatchObject({
    code: "INVALID_FIELD",
    body: { error_message: "cursor not associated with access_token" },
  });
  expect(await refusalOf(page(one.accessToken, "bm9uc2Vuc2U="))).toMatchObject({ code: "INVALID_FIELD" });
  const account = sim.control.items.get(one.itemId).accounts[0]!.base.account_id;
  const call = plaid.transactionsSync({ access_token: one.accessToken, cursor, options: { account_id: account } });
  expect(await refusalOf(call)).toMatchObject({ code: "INVALID_FIELD" });
  const { data } = await plaid.transactionsSync({ access_token: one.accessToken, options: { account_id: account } });
  expect(new Set(data.added.map((it) => it.account_id))).toEqual(new Set([account]));
});

it("posts pending transactions under new ids when the dynamic login is refreshed", async () => {
  const { accessToken, itemId } = await linkItem(plaid, "user_transactions_dynamic");
  await page(accessToken);
  sim.control.items.pull(itemId);
  const { held, cursor } = await run(accessToken);
  const pending = [...held.values()].filter((it) => it.pending);
  expect(pending).toHaveLength(1);
  await plaid.transactionsRefresh({ access_token: accessToken });
  const news = await page(accessToken, cursor);
  expect(news.removed.map((it) => it.transaction_id)).toEqual([pending[0]!.transaction_id]);
  expect(news.added.filter((it) => !it.pending)).toMatchObject([
    { pending_transaction_id: pending[0]!.transaction_id },
  ]);
  expect(news.added.filter((it) => it.pending)).toHaveLength(1);
  expect(news.modified).toHaveLength(1);
  const before = held.get(news.modified[0]!.transaction_id)!.amount;
  expect(news.modified[0]!.amount).toBeCloseTo(before + 1, 10);
});

it("takes made-up transactions for the dynamic login only", async () => {
  const made = [{ amount: 12.5, date_posted: "2026-11-20", date_transacted: "2026-11-19", description: "Made up" }];
  const dynamic = await linkItem(plaid, "user_transactions_dynamic");
  const { cursor } = await run(dynamic.accessToken).then(() => run(dynamic.accessToken));
  await plaid.sandboxTransactionsCreate({ access_token: dynamic.accessToken, transactions: made });
  expect((await page(dynamic.accessToken, cursor)).added).toMatchObject([{ amount: 12.5, name: "Made up" }]);
  const good = await linkItem(plaid);
  const refused = plaid.sandboxTransactionsCreate({ access_token: good.accessToken, transactions: made });
  expect(await refusalOf(refused)).toMatchObject({ code: "SANDBOX_PRODUCT_NOT_ENABLED" });
});

it("gives an investment-only login an empty cursor for ever", async () => {
  const { accessToken } = await linkItem(plaid, "user_investment_only");
  for (let call = 0; call < 3; call += 1) {
    expect(await page(accessToken)).toMatchObject({
      transactions_update_status: "HISTORICAL_UPDATE_COMPLETE",
      next_cursor: "",
      added: [],
      has_more: false,
    });
  }
});

it("serves twenty thousand transactions of forty accounts without loss", async () => {
  const { accessToken, itemId } = await linkItem(plaid, "user_big");
  await page(accessToken);
  sim.control.items.pull(itemId);
  const { held } = await run(accessToken, new Map(), "", 500);
  expect(held.size).toBe(20_000);
  expect(new Set([...held.values()].map((it) => it.account_id)).size).toBe(40);
});
