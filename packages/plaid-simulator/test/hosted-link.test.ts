import { CountryCode, Products, type LinkTokenCreateRequest, type PlaidApi } from "plaid";
import type { PlaidSimulator } from "../src/index.js";
import { linkItem, refusalOf, startForTest } from "./plaid-client.js";
import { startWebhookReceiver, type WebhookReceiver } from "./webhook-receiver.js";

let sim: PlaidSimulator;
let plaid: PlaidApi;
let receiver: WebhookReceiver;

beforeAll(async () => {
  ({ sim, plaid } = await startForTest());
  receiver = await startWebhookReceiver();
});
afterAll(async () => {
  await sim.stop();
  await receiver.stop();
});

async function createLink(more: Partial<LinkTokenCreateRequest> = {}) {
  const { data } = await plaid.linkTokenCreate({
    client_name: "Florin",
    language: "en",
    country_codes: [CountryCode.Us],
    user: { client_user_id: "0b1c" },
    products: [Products.Transactions],
    hosted_link: {},
    webhook: receiver.url,
    ...more,
  });
  return { token: data.link_token, url: data.hosted_link_url!, expiration: data.expiration };
}

/** Sends a form as a browser does and follows to the page after it, unless it leads away. */
async function submit(
  url: string,
  fields: [string, string][],
): Promise<{ status: number; html: string; to: string | null }> {
  const response = await fetch(url, {
    method: "POST",
    body: new URLSearchParams(fields),
    headers: { origin: new URL(url).origin },
    redirect: "manual",
  });
  const to = response.headers.get("location");
  if (to === null || !to.startsWith("/")) return { status: response.status, html: await response.text(), to };
  const next = await fetch(new URL(to, url));
  return { status: response.status, html: await next.text(), to };
}

async function logIn(url: string, userName = "user_good", institution = "ins_109508") {
  await submit(url, [["action", "institution"], ["institution_id", institution]]); // prettier-ignore
  return submit(url, [["action", "login"], ["username", userName], ["password", "pass_good"]]); // prettier-ignore
}

const pick = (...keys: string[]): [string, string][] => [
  ["action", "accounts"],
  ...keys.map((it): [string, string] => ["account", it]),
];

async function resultOf(token: string) {
  const { data } = await plaid.linkTokenGet({ link_token: token });
  return data.link_sessions?.at(-1);
}

/** Delivery is unordered: sorted by code. */
function webhooksOf(token: string): Record<string, unknown>[] {
  return receiver.received
    .map((it) => JSON.parse(it.body) as Record<string, unknown>)
    .filter((it) => it["link_token"] === token)
    .sort((a, b) => String(a["webhook_code"]).localeCompare(String(b["webhook_code"])));
}

async function link(url: string, ...keys: string[]) {
  await logIn(url);
  return submit(url, pick(...keys));
}

it("links the accounts that were picked, and says so to the webhook and to /link/token/get", async () => {
  const { token, url } = await createLink();
  expect(url).not.toContain(token);
  expect(await resultOf(token)).toBeUndefined();
  const first = await fetch(url);
  expect(first.headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(await first.text()).toContain("First Platypus Bank");
  expect((await logIn(url)).html).toContain('data-testid="account-mortgage"');
  const done = await submit(url, pick("checking", "credit-card"));
  expect(done.html).toContain("You can close this window");

  const session = await resultOf(token);
  const added = session!.results!.item_add_results[0]!;
  expect(added.accounts.map((it) => it.mask)).toEqual(["0000", "3333"]);
  expect(added.institution).toEqual({ institution_id: "ins_109508", name: "First Platypus Bank" });
  await sim.control.webhooksSettled();
  expect(webhooksOf(token)).toMatchObject([
    { webhook_type: "LINK", webhook_code: "ITEM_ADD_RESULT", public_token: added.public_token },
    { webhook_type: "LINK", webhook_code: "SESSION_FINISHED", status: "SUCCESS", public_tokens: [added.public_token] },
  ]);
  const { data } = await plaid.itemPublicTokenExchange({ public_token: added.public_token });
  const { data: shared } = await plaid.accountsGet({ access_token: data.access_token });
  expect(shared.accounts.map((it) => it.account_id)).toEqual(added.accounts.map((it) => it.id));
});

it("gives one success to a link token", async () => {
  const { token, url } = await createLink();
  await link(url, "checking");
  const before = sim.control.items.list().length;
  expect((await submit(url, pick("savings"))).html).toContain('data-testid="link-done"');
  expect(sim.control.items.list()).toHaveLength(before);
  expect((await plaid.linkTokenGet({ link_token: token })).data.link_sessions).toHaveLength(1);
});

it("shows a wrong password on the page, and reports it when the person leaves", async () => {
  const { token, url } = await createLink();
  await submit(url, [["action", "institution"], ["institution_id", "ins_109508"]]); // prettier-ignore
  const wrong = await submit(url, [["action", "login"], ["username", "user_good"], ["password", "no"]]); // prettier-ignore
  expect(wrong).toMatchObject({ status: 422, html: expect.stringContaining('role="alert"') });
  expect((await submit(url, [["action", "exit"]])).html).toContain('data-testid="link-left"');
  expect(await resultOf(token)).toMatchObject({
    results: null,
    exit: { error: { error_code: "INVALID_CREDENTIALS" }, metadata: { status: "requires_credentials" } },
  });
  await submit(url, [["action", "restart"]]);
  await link(url, "checking");
  expect((await plaid.linkTokenGet({ link_token: token })).data.link_sessions).toHaveLength(2);
});

it("leaves with the error a tester chooses", async () => {
  const { token, url } = await createLink();
  await fetch(url);
  await submit(url, [["action", "exit"], ["error_code", "INSTITUTION_DOWN"]]); // prettier-ignore
  expect((await resultOf(token))!.exit!.error).toMatchObject({ error_code: "INSTITUTION_DOWN" });
});

it("ends after four hours, update mode after half an hour; a public token after thirty minutes and one exchange", async () => {
  const own = await startForTest();
  const request = { client_name: "F", language: "en", country_codes: [CountryCode.Us], hosted_link: {} };
  const { data: fresh } = await own.plaid.linkTokenCreate({
    ...request,
    user: { client_user_id: "1" },
    products: [Products.Transactions],
  });
  expect(fresh.expiration).toBe("2026-11-21T16:00:00.000Z");
  const item = await linkItem(own.plaid);
  const { data: update } = await own.plaid.linkTokenCreate({ ...request, access_token: item.accessToken });
  expect(update.expiration).toBe("2026-11-21T12:30:00.000Z");
  await link(fresh.hosted_link_url!, "checking");
  const { data } = await own.plaid.linkTokenGet({ link_token: fresh.link_token });
  const publicToken = data.link_sessions![0]!.results!.item_add_results[0]!.public_token;
  await own.sim.control.clock({ advanceMs: 30 * 60_000 });
  expect((await fetch(update.hosted_link_url!).then((it) => it.text())).includes("expired")).toBe(true);
  const late = own.plaid.itemPublicTokenExchange({ public_token: publicToken });
  expect(await refusalOf(late)).toMatchObject({ code: "INVALID_PUBLIC_TOKEN" });
  await own.sim.control.clock({ advanceMs: 86_400_000 * 2 });
  await own.plaid.linkTokenCreate({ ...request, user: { client_user_id: "1" }, products: [Products.Transactions] });
  expect(own.sim.control.state().linkTokens).toBe(1);
  await own.sim.stop();
});

it("exchanges a public token once", async () => {
  const { data } = await plaid.sandboxPublicTokenCreate({
    institution_id: "ins_109508",
    initial_products: [Products.Transactions],
  });
  await plaid.itemPublicTokenExchange({ public_token: data.public_token });
  const again = plaid.itemPublicTokenExchange({ public_token: data.public_token });
  expect(await refusalOf(again)).toMatchObject({ code: "INVALID_PUBLIC_TOKEN" });
});

it("repairs an Item in update mode without changing its tokens, and its public token is not to be exchanged", async () => {
  const item = await linkItem(plaid, "user_good", { webhook: receiver.url });
  await plaid.sandboxItemResetLogin({ access_token: item.accessToken });
  const { token, url } = await createLink({ products: null, access_token: item.accessToken });
  expect(await fetch(url).then((it) => it.text())).toContain('data-testid="link-login"');
  const other = await submit(url, [["action", "login"], ["username", "user_loans"], ["password", "pass_good"]]); // prettier-ignore
  expect(other.html).toContain("not the login that was linked");
  const done = await submit(url, [["action", "login"], ["username", "user_good"], ["password", "pass_good"]]); // prettier-ignore
  expect(done.html).toContain("up to date");
  expect((await plaid.itemGet({ access_token: item.accessToken })).data.item).toMatchObject({
    item_id: item.itemId,
    error: null,
  });
  const publicToken = (await resultOf(token))!.results!.item_add_results[0]!.public_token;
  expect(await refusalOf(plaid.itemPublicTokenExchange({ public_token: publicToken }))).toMatchObject({
    code: "INVALID_PUBLIC_TOKEN",
  });
});

it("adds and removes accounts in update mode when that was asked for", async () => {
  const { url, token } = await createLink();
  await link(url, "checking", "savings");
  const publicToken = (await resultOf(token))!.results!.item_add_results[0]!.public_token;
  const { data } = await plaid.itemPublicTokenExchange({ public_token: publicToken });
  sim.control.items.changeAccounts(data.item_id, {
    add: [{ key: "new", name: "New account", type: "depository", subtype: "checking" }],
  });
  const update = await createLink({
    products: null,
    access_token: data.access_token,
    update: { account_selection_enabled: true },
  });
  const choice = await submit(update.url, [["action", "login"], ["username", "user_good"], ["password", "pass_good"]]); // prettier-ignore
  expect(choice.html).toMatch(/data-testid="account-checking" checked/);
  expect(choice.html).toMatch(/data-testid="account-new">/);
  await submit(update.url, pick("checking", "new"));
  const { data: shared } = await plaid.accountsGet({ access_token: data.access_token });
  expect(shared.accounts.map((it) => it.name)).toEqual(["Plaid Checking", "New account"]);
});

it("sends the browser back where the application asked, without any token", async () => {
  const { url } = await createLink({ hosted_link: { completion_redirect_uri: "http://127.0.0.1:9/linked" } });
  const done = await link(url, "checking");
  expect(done).toMatchObject({ status: 303, to: "http://127.0.0.1:9/linked" });
  expect(
    await refusalOf(createLink({ hosted_link: { completion_redirect_uri: "javascript:alert(1)" } })),
  ).toMatchObject({
    code: "INVALID_FIELD",
  });
});

it("offers the institutions of the country that have the products, and the accounts that pass the filter", async () => {
  const uk = await createLink({ country_codes: [CountryCode.Gb] });
  const page = await fetch(uk.url).then((it) => it.text());
  expect(page).toContain("Brightwater");
  expect(page).not.toContain("Platypus");
  const filtered = await createLink({ account_filters: { depository: { account_subtypes: ["savings" as never] } } });
  const { html } = await logIn(filtered.url);
  expect([...html.matchAll(/data-testid="account-([a-z0-9-]+)"/g)].map((it) => it[1])).toEqual(["savings"]);
});

it.each([
  ["products in update mode", { access_token: "item" }, "INVALID_FIELD"],
  ["no products for a new Item", { products: [] }, "MISSING_FIELDS"],
  ["a product in two lists", { optional_products: [Products.Transactions] }, "INVALID_FIELD"],
  ["more than 730 days", { transactions: { days_requested: 731 } }, "INVALID_FIELD"],
])("refuses a link token with %s", async (_name, more, code) => {
  const { accessToken } = await linkItem(plaid);
  const request = "access_token" in more ? { access_token: accessToken } : more;
  expect(await refusalOf(createLink(request))).toMatchObject({ code });
});

it("has no update mode for a revoked Item, nor for one that is gone", async () => {
  const item = await linkItem(plaid);
  const again = () => refusalOf(createLink({ products: null, access_token: item.accessToken }));
  sim.control.items.setState(item.itemId, { state: "REVOKED" });
  expect(await again()).toMatchObject({ code: "USER_PERMISSION_REVOKED" });
  await plaid.itemRemove({ access_token: item.accessToken });
  expect(await again()).toMatchObject({ code: "ITEM_NOT_FOUND" });
});

it("writes hostile names so that they stay text", async () => {
  const { url } = await createLink();
  const { html } = await logIn(url, "user_hostile");
  expect(html).not.toContain("<b>");
  expect(html).toContain("&#60;b&#62;");
});
