import { CountryCode, SandboxItemFireWebhookRequestWebhookCodeEnum as Code, WebhookType, type PlaidApi } from "plaid";
import type { PlaidSimulator } from "../src/index.js";
import { linkItem, refusalOf, startForTest, type LinkedItem } from "./plaid-client.js";
import { startWebhookReceiver, type WebhookReceiver } from "./webhook-receiver.js";

const DAY_MS = 86_400_000;
let sim: PlaidSimulator;
let plaid: PlaidApi;
let receiver: WebhookReceiver;

beforeEach(async () => {
  ({ sim, plaid } = await startForTest({ historicalPullMs: 0 }));
  receiver = await startWebhookReceiver();
});
afterEach(async () => {
  await sim.stop();
  await receiver.stop();
});

async function webhooks(): Promise<Record<string, unknown>[]> {
  await sim.control.webhooksSettled();
  return receiver.received.map((it) => JSON.parse(it.body) as Record<string, unknown>);
}

async function codes(): Promise<string[]> {
  return (await webhooks()).map((it) => `${String(it["webhook_type"])}/${String(it["webhook_code"])}`).sort();
}

const accountsOf = ({ accessToken }: LinkedItem) => plaid.accountsGet({ access_token: accessToken });
const itemOf = async ({ accessToken }: LinkedItem) => (await plaid.itemGet({ access_token: accessToken })).data;

it.each([
  ["LOGIN_REQUIRED", "ITEM_LOGIN_REQUIRED", "ITEM/ERROR"],
  ["LOCKED", "ITEM_LOCKED", "ITEM/ERROR"],
  ["INSTITUTION_DOWN", "INSTITUTION_DOWN", "ITEM/ERROR"],
  ["REVOKED", "USER_PERMISSION_REVOKED", "ITEM/USER_PERMISSION_REVOKED"],
] as const)("in %s refuses data with %s and still shows the Item", async (state, code, webhook) => {
  const item = await linkItem(plaid, "user_good", { webhook: receiver.url });
  sim.control.items.setState(item.itemId, { state });
  for (const call of [
    plaid.accountsGet({ access_token: item.accessToken }),
    plaid.accountsBalanceGet({ access_token: item.accessToken }),
    plaid.transactionsSync({ access_token: item.accessToken }),
    plaid.liabilitiesGet({ access_token: item.accessToken }),
    plaid.investmentsHoldingsGet({ access_token: item.accessToken }),
  ]) {
    expect(await refusalOf(call)).toMatchObject({ status: 400, code });
  }
  const { error } = (await itemOf(item)).item;
  expect(error).toMatchObject({ error_code: code });
  expect(error).not.toHaveProperty("status");
  expect(await codes()).toEqual([webhook]);
  const [told] = await webhooks();
  expect(told!["error"]).toMatchObject({ error_code: code, status: 400 });
  expect(told!["error"]).not.toHaveProperty("request_id");
  sim.control.items.setState(item.itemId, { state: "HEALTHY" });
  expect((await itemOf(item)).item.error).toBeNull();
  expect(await codes()).toContain("ITEM/LOGIN_REPAIRED");
});

it("serves data while a disconnection is pending, and asks for a login when its time has come", async () => {
  const item = await linkItem(plaid, "user_good", { webhook: receiver.url });
  sim.control.items.setState(item.itemId, { state: "PENDING_DISCONNECT", at: "2026-11-28T12:00:00Z" });
  expect((await accountsOf(item)).data.accounts).toHaveLength(12);
  expect(await webhooks()).toMatchObject([
    { webhook_code: "PENDING_DISCONNECT", reason: "INSTITUTION_MIGRATION", disconnect_time: "2026-11-28T12:00:00Z" },
  ]);
  await sim.control.clock({ advanceMs: 7 * DAY_MS });
  expect(await refusalOf(accountsOf(item))).toMatchObject({ code: "ITEM_LOGIN_REQUIRED" });
});

it("announces the end of a UK consent a week before, and ends it", async () => {
  const item = await linkItem(plaid, "user_good", { webhook: receiver.url, institution: "ins_118274" });
  const end = (await itemOf(item)).item.consent_expiration_time;
  expect(end).toBe("2027-02-19T12:00:00Z");
  await sim.control.clock({ advanceMs: 83 * DAY_MS });
  expect(await webhooks()).toMatchObject([{ webhook_code: "PENDING_EXPIRATION", consent_expiration_time: end }]);
  await accountsOf(item);
  await sim.control.clock({ advanceMs: 7 * DAY_MS });
  expect(await refusalOf(accountsOf(item))).toMatchObject({ code: "ITEM_LOGIN_REQUIRED" });
});

it("asks for a new login thirty days after the last one", async () => {
  const item = await linkItem(plaid);
  await sim.control.clock({ advanceMs: 29 * DAY_MS });
  sim.control.items.setState(item.itemId, { state: "LOGIN_REQUIRED" });
  sim.control.items.setState(item.itemId, { state: "HEALTHY" });
  await sim.control.clock({ advanceMs: 2 * DAY_MS });
  await accountsOf(item);
  await sim.control.clock({ advanceMs: 28 * DAY_MS });
  expect(await refusalOf(accountsOf(item))).toMatchObject({ code: "ITEM_LOGIN_REQUIRED" });
});

it("ends the first Item when the same person makes a second one at a bank that keeps one, after the exchange only", async () => {
  const first = await linkItem(plaid, "user_good", { institution: "ins_56" });
  const known = (await accountsOf(first)).data.accounts[0]!;
  const second = await linkItem(plaid, "user_good", { institution: "ins_56" });
  expect(await refusalOf(accountsOf(first))).toMatchObject({ code: "ITEM_LOGIN_REQUIRED" });
  const same = (await accountsOf(second)).data.accounts[0]!;
  expect(same.persistent_account_id).toBe(known.persistent_account_id);
  expect(same.account_id).not.toBe(known.account_id);
  const other = await linkItem(plaid, "user_loans", { institution: "ins_56" });
  await accountsOf(second);
  await accountsOf(other);
});

it("forgets a removed Item: its token is gone, a second removal too", async () => {
  const item = await linkItem(plaid);
  const { data } = await plaid.itemRemove({ access_token: item.accessToken });
  expect(Object.keys(data)).toEqual(["request_id"]);
  for (const call of [itemOf(item), accountsOf(item), plaid.itemRemove({ access_token: item.accessToken })]) {
    expect(await refusalOf(call)).toMatchObject({ code: "ITEM_NOT_FOUND" });
  }
});

it("rotates the access token: the old one is dead at once", async () => {
  const item = await linkItem(plaid);
  const { data } = await plaid.itemAccessTokenInvalidate({ access_token: item.accessToken });
  expect(await refusalOf(itemOf(item))).toMatchObject({ code: "INVALID_ACCESS_TOKEN" });
  const moved = { ...item, accessToken: data.new_access_token };
  expect((await itemOf(moved)).item.item_id).toBe(item.itemId);
});

it("acknowledges a new webhook at the new address", async () => {
  const item = await linkItem(plaid);
  await plaid.itemWebhookUpdate({ access_token: item.accessToken, webhook: receiver.url });
  expect(await webhooks()).toMatchObject([
    { webhook_code: "WEBHOOK_UPDATE_ACKNOWLEDGED", new_webhook_url: receiver.url, item_id: item.itemId },
  ]);
  expect((await itemOf(item)).status!.last_webhook!.code_sent).toBe("WEBHOOK_UPDATE_ACKNOWLEDGED");
});

it("tells of updates to the stream only after the first sync call, and sends the old codes too", async () => {
  const item = await linkItem(plaid, "user_transactions_dynamic", { webhook: receiver.url });
  sim.control.items.pull(item.itemId);
  sim.control.items.changeTransactions(item.itemId, { add: [{ amount: 1, name: "x" }] });
  expect(await codes()).toEqual(["TRANSACTIONS/DEFAULT_UPDATE", "TRANSACTIONS/HISTORICAL_UPDATE"]);
  await plaid.transactionsSync({ access_token: item.accessToken });
  sim.control.items.changeTransactions(item.itemId, { add: [{ amount: 1, name: "y" }] });
  const last = (await webhooks()).find((it) => it["webhook_code"] === "SYNC_UPDATES_AVAILABLE");
  expect(last).toMatchObject({ initial_update_complete: true, historical_update_complete: true });
});

it("fires only the documented webhooks, for products that the Item has", async () => {
  const silent = await linkItem(plaid);
  const fire = (item: LinkedItem, webhook_code: Code, webhook_type?: WebhookType) =>
    plaid.sandboxItemFireWebhook({
      access_token: item.accessToken,
      webhook_code,
      ...(webhook_type ? { webhook_type } : {}),
    });
  expect(await refusalOf(fire(silent, Code.LoginRepaired))).toMatchObject({ code: "SANDBOX_WEBHOOK_INVALID" });
  const item = await linkItem(plaid, "user_good", { webhook: receiver.url });
  const liabilities = fire(item, Code.DefaultUpdate, WebhookType.Liabilities);
  expect(await refusalOf(liabilities)).toMatchObject({ code: "SANDBOX_PRODUCT_NOT_ENABLED" });
  expect(await refusalOf(fire(item, Code.DefaultUpdate, WebhookType.Item))).toMatchObject({
    code: "SANDBOX_WEBHOOK_INVALID",
  });
  await plaid.liabilitiesGet({ access_token: item.accessToken });
  expect((await fire(item, Code.DefaultUpdate, WebhookType.Liabilities)).data.webhook_fired).toBe(true);
  expect((await fire(item, Code.NewAccountsAvailable)).data.webhook_fired).toBe(true);
  expect(await codes()).toEqual(["ITEM/NEW_ACCOUNTS_AVAILABLE", "LIABILITIES/DEFAULT_UPDATE"]);
});

it("takes one account out of the share, and says which", async () => {
  const item = await linkItem(plaid, "user_good", { webhook: receiver.url });
  const [account] = (await accountsOf(item)).data.accounts;
  sim.control.items.setState(item.itemId, { state: "ACCOUNT_REVOKED", accountId: account!.account_id });
  const [told] = await webhooks();
  expect(told).toMatchObject({ webhook_code: "USER_ACCOUNT_REVOKED", account_id: account!.account_id });
  expect(told).not.toHaveProperty("error");
  expect((await accountsOf(item)).data.accounts).toHaveLength(11);
});

it("gives names of institutions by country", async () => {
  const ask = (country: CountryCode) =>
    plaid.institutionsGetById({ institution_id: "ins_109508", country_codes: [country] });
  expect((await ask(CountryCode.Us)).data.institution.name).toBe("First Platypus Bank");
  expect(await refusalOf(ask(CountryCode.Gb))).toMatchObject({ code: "INVALID_INSTITUTION" });
});
