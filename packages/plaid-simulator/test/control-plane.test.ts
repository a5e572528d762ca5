import type { PlaidApi } from "plaid";
import type { PlaidSimulator } from "../src/index.js";
import { linkItem, post, refusalOf, startForTest, type LinkedItem } from "./plaid-client.js";
import { startWebhookReceiver, type WebhookReceiver } from "./webhook-receiver.js";

let sim: PlaidSimulator;
let plaid: PlaidApi;
let receiver: WebhookReceiver;
let item: LinkedItem;

beforeAll(async () => {
  ({ sim, plaid } = await startForTest({ historicalPullMs: 0 }));
  receiver = await startWebhookReceiver();
  item = await linkItem(plaid, "user_good", { webhook: receiver.url });
});
afterAll(async () => {
  await sim.stop();
  await receiver.stop();
});

const command = (path: string, body: unknown = {}) => post(`${sim.url}/_sim/${path}`, body);
const onItem = (name: string, body: unknown = {}) => command(`items/${item.itemId}/${name}`, body);
const read = async (path: string, method = "GET") =>
  (await (await fetch(`${sim.url}/_sim/${path}`, { method })).json()) as Record<string, unknown>;

it("sets the clock, and never back", async () => {
  expect((await command("clock", { advanceMs: 60_000 })).body).toEqual({ now: "2026-11-21T12:01:00.000Z" });
  expect((await command("clock", { setTo: "2026-11-21T13:00:00Z" })).body).toEqual({ now: "2026-11-21T13:00:00.000Z" });
  expect(await command("clock", { setTo: "2026-11-21T12:00:00Z" })).toMatchObject({ status: 400 });
  expect(await command("clock", {})).toMatchObject({
    status: 400,
    body: { error: expect.stringContaining("setTo or") },
  });
});

it("shows Items with their truth and never with a token", async () => {
  await onItem("pull");
  const list = JSON.stringify(await read("items"));
  const one = await read(`items/${item.itemId}`);
  expect(one).toMatchObject({
    itemId: item.itemId,
    state: "HEALTHY",
    transactionsStatus: "HISTORICAL_UPDATE_COMPLETE",
  });
  expect((one["transactions"] as unknown[]).length).toBeGreaterThan(10);
  const calls = JSON.stringify(await read("calls"));
  for (const text of [list, JSON.stringify(one), calls, JSON.stringify(await read("state"))]) {
    expect(text).not.toMatch(/(access|public)-sandbox-/);
    expect(text).not.toContain("florin-demo");
  }
});

it("does to an Item what happens at a bank, and tells by webhook", async () => {
  receiver.received.length = 0;
  await onItem("transactions", { add: [{ amount: 4.5, name: "Tea", merchant: "Kettle" }] });
  const { body } = await onItem("accounts", {
    add: [{ key: "extra", name: "Extra", type: "depository", subtype: "savings", current: 5, granted: true }],
  });
  const accountId = (body["added"] as string[])[0]!;
  await onItem("balances", { balances: [{ accountId, current: 6.5 }], cached: true });
  await onItem("accounts", { rename: [{ accountId, name: "Renamed" }] });
  const { data } = await plaid.accountsGet({ access_token: item.accessToken });
  expect(data.accounts.at(-1)).toMatchObject({ name: "Renamed", balances: { current: 6.5 } });
  await onItem("holdings", { holdings: [] });
  await onItem("liabilities", { liabilities: { mortgage: null } });
  await onItem("state", { state: "LOGIN_REQUIRED" });
  await sim.control.webhooksSettled();
  const told = receiver.received.map((it) => (JSON.parse(it.body) as { webhook_code: string }).webhook_code);
  expect(told.sort()).toEqual([
    "DEFAULT_UPDATE",
    "DEFAULT_UPDATE",
    "DEFAULT_UPDATE",
    "ERROR",
    "NEW_ACCOUNTS_AVAILABLE",
  ]);
  await onItem("state", { state: "HEALTHY", announce: false });
  await onItem("accounts", { remove: [accountId] });
  const holdings = await plaid.investmentsHoldingsGet({ access_token: item.accessToken });
  expect(holdings.data.holdings).toEqual([]);
  expect(holdings.data.accounts).toHaveLength(12);
});

it("plans faults, counts them, and takes them away", async () => {
  const { body } = await command("faults", {
    match: { endpoint: "/item/get" },
    action: { kind: "error", errorCode: "PLANNED_MAINTENANCE" },
    times: 1,
  });
  expect(await refusalOf(plaid.itemGet({ access_token: item.accessToken }))).toMatchObject({
    status: 503,
    code: "PLANNED_MAINTENANCE",
  });
  await plaid.itemGet({ access_token: item.accessToken });
  expect(await read("faults")).toMatchObject({ faults: [{ id: body["id"], seen: 2, struck: 1, left: 0 }] });
  await read("faults", "DELETE");
  expect(await read("faults")).toEqual({ faults: [] });
  expect(await command("faults", { action: { kind: "explode" } })).toMatchObject({ status: 400 });
});

it("keeps a ledger of calls that can be asked and cleared", async () => {
  await read("calls", "DELETE");
  await plaid.accountsGet({ access_token: item.accessToken });
  await refusalOf(plaid.accountsGet({ access_token: "access-sandbox-none" }));
  const { calls } = (await read("calls?endpoint=/accounts/get")) as { calls: unknown[] };
  expect(calls).toMatchObject([
    { itemId: item.itemId, status: 200, credentialsOk: true, tokenInUrl: false },
    { itemId: null, status: 400, errorCode: "INVALID_ACCESS_TOKEN" },
  ]);
});

it("sends any webhook whatever, forged if wanted, and records what came of it", async () => {
  await read("webhooks", "DELETE");
  const fields = { webhook_type: "ITEM", webhook_code: "SOMETHING_NEW", fields: { extra: 1 }, attack: "stale-iat" };
  const { status, body } = await onItem("webhook", { ...fields, attack: undefined });
  expect({ status, body }).toEqual({ status: 200, body: { ok: true } });
  await sim.control.webhooksSettled();
  expect(await read("webhooks")).toMatchObject({
    webhooks: [{ webhookCode: "SOMETHING_NEW", outcome: "accepted", itemId: item.itemId }],
  });
  expect(await onItem("webhook", { ...fields, attack: "no-such-attack" })).toMatchObject({ status: 400 });
});

it("rotates signing keys and sets how deliveries misbehave", async () => {
  const { body } = await command("keys/rotate");
  expect(body["newKid"]).not.toBe(body["oldKid"]);
  const mode = { mode: { kind: "drop" }, times: 1 };
  expect((await command("delivery", mode)).body).toMatchObject(mode);
  await command("delivery", { mode: { kind: "normal" } });
});

it("says what it does not have", async () => {
  expect(await command("nothing")).toMatchObject({ status: 404 });
  expect(await onItem("nothing")).toMatchObject({ status: 404 });
  expect(await command("items/unknown/state", { state: "HEALTHY" })).toMatchObject({
    status: 400,
    body: { error: "there is no Item unknown" },
  });
});
