/**
 * Every endpoint, with every seed user, through the unmodified client; every webhook; every error: each body held against plaid's own
 * types, members beyond them refused at every depth. What the hostile user breaks on purpose is listed, place by place.
 */
import axios from "axios";
// plaid's own declarations are CommonJS: to the compiler theirs is another axios than ours, though at run time both are one.
import type { AxiosInstance } from "axios" with { "resolution-mode": "require" };
import { Configuration, PlaidApi, type CountryCode, type Products } from "plaid";
import { startPlaidSimulator, type PlaidSimulator } from "../src/index.js";
import { knownError, PLAID_ERROR_CODES } from "../src/plaid-error.js";
import { listInstitutions } from "../src/institutions.js";
import { REQUEST_SHAPES } from "../src/request-shapes.js";
import { SEED_USERS } from "../src/seed-users/index.js";
import { ITEM_STATES } from "../src/world.js";
import { loadPlaidSchemas, type PlaidSchemas, type SchemaProblem } from "./plaid-schemas.js";
import { startWebhookReceiver, type WebhookReceiver } from "./webhook-receiver.js";

/** What each endpoint answers when it does not refuse. */
const RESPONSES: Record<keyof typeof REQUEST_SHAPES, string> = {
  "/link/token/create": "LinkTokenCreateResponse",
  "/link/token/get": "LinkTokenGetResponse",
  "/item/public_token/exchange": "ItemPublicTokenExchangeResponse",
  "/item/get": "ItemGetResponse",
  "/item/remove": "ItemRemoveResponse",
  "/item/webhook/update": "ItemWebhookUpdateResponse",
  "/item/access_token/invalidate": "ItemAccessTokenInvalidateResponse",
  "/accounts/get": "AccountsGetResponse",
  "/accounts/balance/get": "AccountsGetResponse",
  "/transactions/sync": "TransactionsSyncResponse",
  "/transactions/refresh": "TransactionsRefreshResponse",
  "/liabilities/get": "LiabilitiesGetResponse",
  "/investments/holdings/get": "InvestmentsHoldingsGetResponse",
  "/investments/transactions/get": "InvestmentsTransactionsGetResponse",
  "/institutions/get_by_id": "InstitutionsGetByIdResponse",
  "/webhook_verification_key/get": "WebhookVerificationKeyGetResponse",
  "/sandbox/public_token/create": "SandboxPublicTokenCreateResponse",
  "/sandbox/item/fire_webhook": "SandboxItemFireWebhookResponse",
  "/sandbox/item/reset_login": "SandboxItemResetLoginResponse",
  "/sandbox/transactions/create": "SandboxTransactionsCreateResponse",
};

const WEBHOOKS: Record<string, string> = {
  "TRANSACTIONS SYNC_UPDATES_AVAILABLE": "SyncUpdatesAvailableWebhook",
  "TRANSACTIONS INITIAL_UPDATE": "InitialUpdateWebhook",
  "TRANSACTIONS HISTORICAL_UPDATE": "HistoricalUpdateWebhook",
  "TRANSACTIONS DEFAULT_UPDATE": "DefaultUpdateWebhook",
  "TRANSACTIONS TRANSACTIONS_REMOVED": "TransactionsRemovedWebhook",
  "LIABILITIES DEFAULT_UPDATE": "LiabilitiesDefaultUpdateWebhook",
  "HOLDINGS DEFAULT_UPDATE": "HoldingsDefaultUpdateWebhook",
  "INVESTMENTS_TRANSACTIONS DEFAULT_UPDATE": "InvestmentsDefaultUpdateWebhook",
  "INVESTMENTS_TRANSACTIONS HISTORICAL_UPDATE": "InvestmentsHistoricalUpdateWebhook",
  "ITEM ERROR": "ItemErrorWebhook",
  "ITEM LOGIN_REPAIRED": "ItemLoginRepairedWebhook",
  "ITEM PENDING_EXPIRATION": "PendingExpirationWebhook",
  "ITEM PENDING_DISCONNECT": "PendingDisconnectWebhook",
  "ITEM NEW_ACCOUNTS_AVAILABLE": "NewAccountsAvailableWebhook",
  "ITEM USER_PERMISSION_REVOKED": "UserPermissionRevokedWebhook",
  "ITEM USER_ACCOUNT_REVOKED": "UserAccountRevokedWebhook",
  "ITEM WEBHOOK_UPDATE_ACKNOWLEDGED": "WebhookUpdateAcknowledgedWebhook",
  "LINK SESSION_FINISHED": "LinkSessionFinishedWebhook",
  "LINK ITEM_ADD_RESULT": "ItemAddResultWebhook",
};

let schemas: PlaidSchemas;
let simulator: PlaidSimulator;
let receiver: WebhookReceiver;

beforeAll(async () => {
  schemas = loadPlaidSchemas();
  receiver = await startWebhookReceiver();
  simulator = await startPlaidSimulator({
    clock: "virtual",
    startAt: "2026-03-01T12:00:00Z",
    seed: "conformance",
    limitsScale: Infinity,
    notReadyCalls: 1,
  });
});

afterAll(async () => {
  await simulator?.stop();
  await receiver?.stop();
});

interface Answered {
  readonly path: string;
  readonly status: number;
  readonly body: Record<string, unknown>;
}

const headers = { "PLAID-CLIENT-ID": "florin-demo", "PLAID-SECRET": "florin-demo" };

/** The unmodified client, and all that it was answered, refusals too: those it throws are kept here and not thrown. */
function newClient() {
  const answers: Answered[] = [];
  const http = axios.create({ proxy: false, maxRedirects: 0, timeout: 30_000, validateStatus: () => true });
  http.interceptors.response.use((answer) => {
    answers.push({ path: new URL(answer.config.url ?? "").pathname, status: answer.status, body: answer.data });
    return answer;
  });
  const configuration = new Configuration({ basePath: simulator.url, baseOptions: { headers } });
  return { answers, plaid: new PlaidApi(configuration, simulator.url, http as AxiosInstance) };
}

async function control(path: string, body: object): Promise<void> {
  const request = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(`${simulator.url}/_sim${path}`, request);
  if (!answer.ok) throw new Error(`/_sim${path} answered ${answer.status}: ${await answer.text()}`);
}

/** Where an answer differs from its type; a member that holds text for people is never the place. */
function problemsOf({ path, status, body }: Answered): (SchemaProblem & { readonly at: string })[] {
  const type = status === 200 ? RESPONSES[path as keyof typeof RESPONSES] : "PlaidError";
  return schemas.strictProblems(type, body).map((problem) => ({ at: path, ...problem }));
}

const INSTITUTION = "ins_109508";
const HOUR_MS = 3_600_000;
const US = ["US" as CountryCode];
const FIRED = [
  "DEFAULT_UPDATE",
  "NEW_ACCOUNTS_AVAILABLE",
  "LOGIN_REPAIRED",
  "PENDING_DISCONNECT",
  "SYNC_UPDATES_AVAILABLE",
];

/** Every endpoint that takes an Item, once at least, in an order in which most of them have something to say. */
async function driveEveryEndpoint(userName: string, products: readonly string[]) {
  const { answers, plaid } = newClient();
  const made = await plaid.sandboxPublicTokenCreate({
    institution_id: INSTITUTION,
    initial_products: [...products] as Products[],
    options: { webhook: receiver.url, override_username: userName, override_password: "pass_good" },
  });
  const { public_token } = made.data;
  const { access_token: first } = (await plaid.itemPublicTokenExchange({ public_token })).data;
  const { new_access_token: access_token } = (await plaid.itemAccessTokenInvalidate({ access_token: first })).data;
  const { key_id } = { key_id: simulatorKid() };
  await plaid.webhookVerificationKeyGet({ key_id });
  await plaid.institutionsGetById({ institution_id: INSTITUTION, country_codes: US });
  const cursor = await syncAll(plaid, access_token);
  await plaid.transactionsRefresh({ access_token });
  await plaid.sandboxTransactionsCreate({
    access_token,
    transactions: [{ date_transacted: "2026-03-01", date_posted: "2026-03-02", amount: 12.5, description: "Coffee" }],
  });
  await syncAll(plaid, access_token, cursor);
  await plaid.accountsGet({ access_token });
  await plaid.accountsBalanceGet({ access_token });
  await plaid.liabilitiesGet({ access_token });
  await plaid.investmentsHoldingsGet({ access_token });
  await readInvestments(plaid, access_token);
  await plaid.itemGet({ access_token });
  for (const webhook_code of FIRED)
    await plaid.sandboxItemFireWebhook({ access_token, webhook_code: webhook_code as never });
  const link = { client_name: "Conformance", language: "en", country_codes: US, user: { client_user_id: "c" } };
  const fresh = await plaid.linkTokenCreate({ ...link, products: [...products] as Products[], hosted_link: {} });
  await plaid.linkTokenGet({ link_token: fresh.data.link_token });
  await plaid.sandboxItemResetLogin({ access_token });
  await plaid.itemGet({ access_token });
  await plaid.accountsBalanceGet({ access_token });
  await plaid.linkTokenCreate({ ...link, access_token, update: { account_selection_enabled: true } });
  await plaid.itemWebhookUpdate({ access_token, webhook: receiver.url });
  await plaid.itemRemove({ access_token });
  await plaid.itemGet({ access_token });
  return answers;
}

/** Reads to the end of what there is, letting time pass until it is all there. @returns the last cursor */
async function syncAll(plaid: PlaidApi, access_token: string, from?: string): Promise<string | undefined> {
  let cursor = from;
  for (let page = 0; page < 60; page += 1) {
    const asked = { access_token, count: 500, ...(cursor === undefined ? {} : { cursor }) };
    const { data } = await plaid.transactionsSync(asked);
    if (data.next_cursor !== undefined && data.next_cursor !== "") cursor = data.next_cursor;
    if (data.transactions_update_status !== "HISTORICAL_UPDATE_COMPLETE")
      await control("/clock", { advanceMs: HOUR_MS });
    else if (!data.has_more) return cursor;
  }
  throw new Error("transactions were not complete after 60 pages");
}

async function readInvestments(plaid: PlaidApi, access_token: string): Promise<void> {
  const window = { access_token, start_date: "2024-06-01", end_date: "2026-12-31" };
  await plaid.investmentsTransactionsGet({ ...window, options: { async_update: true } });
  await control("/clock", { advanceMs: HOUR_MS });
  await plaid.investmentsTransactionsGet({ ...window, options: { count: 500, offset: 0 } });
}

/** The key that signs, as a receiver learns of it: from the header of a webhook. */
function simulatorKid(): string {
  const [header = ""] = (receiver.received.findLast(({ jwt }) => jwt !== undefined)?.jwt ?? "").split(".");
  if (header === "") return "00000000-0000-4000-8000-000000000000";
  const { kid } = JSON.parse(Buffer.from(header, "base64url").toString()) as { kid: string };
  return kid;
}

/** What the hostile user breaks on purpose: members of enums that appeared after the types were made. */
const HOSTILE = [
  ...[
    "/accounts/balance/get",
    "/accounts/get",
    "/investments/holdings/get",
    "/investments/transactions/get",
    "/liabilities/get",
  ].flatMap((endpoint) => [`${endpoint} /accounts/*/subtype enum`, `${endpoint} /accounts/*/type enum`]),
  "/investments/transactions/get /investment_transactions/*/subtype enum",
  "/investments/transactions/get /investment_transactions/*/type enum",
  "/liabilities/get /liabilities/credit/*/aprs/*/apr_type enum",
  "/transactions/sync /added/*/payment_channel enum",
  "/transactions/sync /added/*/transaction_code enum",
].sort();

describe("every endpoint with every seed user", () => {
  const answered = new Set<string>();

  test.each(SEED_USERS.map(({ userName, products }) => [userName, products] as const))(
    "%s",
    async (userName, products) => {
      const answers = await driveEveryEndpoint(userName, products);
      for (const { path, status } of answers) if (status === 200) answered.add(path);
      const problems = new Set(answers.flatMap(problemsOf).map(({ at, path, keyword }) => `${at} ${path} ${keyword}`));
      expect([...problems].sort()).toEqual(userName === "user_hostile" ? HOSTILE : []);
      for (const { path, status, body } of answers) {
        expect([path, typeof body["request_id"]]).toEqual([path, "string"]);
        if (status !== 200) expect([path, "status" in body]).toEqual([path, false]);
      }
    },
  );

  test("leaves no endpoint out", () => {
    expect([...answered].sort()).toEqual(Object.keys(REQUEST_SHAPES).sort());
  });
});

/** Nothing beyond the types in any of the answers. */
function expectConforming(answers: readonly Answered[]): void {
  expect(answers.flatMap(problemsOf)).toEqual([]);
}

async function newItem(plaid: PlaidApi, institution_id = INSTITUTION) {
  const made = await plaid.sandboxPublicTokenCreate({
    institution_id,
    initial_products: ["transactions"] as Products[],
    options: { webhook: receiver.url },
  });
  return (await plaid.itemPublicTokenExchange({ public_token: made.data.public_token })).data;
}

describe("every state of an Item", () => {
  test.each(ITEM_STATES)("%s", async (state) => {
    const { answers, plaid } = newClient();
    const { access_token, item_id } = await newItem(plaid);
    await control(`/items/${item_id}/state`, { state });
    await plaid.itemGet({ access_token });
    await plaid.accountsGet({ access_token });
    await plaid.accountsBalanceGet({ access_token });
    await plaid.transactionsSync({ access_token });
    expectConforming(answers);
  });

  test("with an account revoked, one renamed and one that is new", async () => {
    const { answers, plaid } = newClient();
    const { access_token, item_id } = await newItem(plaid);
    const [first, second] = (await plaid.accountsGet({ access_token })).data.accounts;
    await control(`/items/${item_id}/state`, { state: "ACCOUNT_REVOKED", accountId: first?.account_id });
    await control(`/items/${item_id}/accounts`, {
      add: [{ key: "new", name: "New", type: "depository", subtype: "savings", granted: true }],
      rename: [{ accountId: second?.account_id, name: "Renamed" }],
    });
    const { accounts } = (await plaid.accountsGet({ access_token })).data;
    expect(accounts.map(({ name }) => name)).toEqual(expect.arrayContaining(["New", "Renamed"]));
    expect(accounts.map(({ account_id }) => account_id)).not.toContain(first?.account_id);
    expectConforming(answers);
  });
});

describe("every institution", () => {
  test.each(listInstitutions(["US", "GB"]).map(({ institutionId }) => institutionId))("%s", async (institution_id) => {
    const { answers, plaid } = newClient();
    for (const isTold of [true, false]) {
      const options = { include_optional_metadata: isTold, include_status: isTold };
      await plaid.institutionsGetById({ institution_id, country_codes: ["US", "GB"] as CountryCode[], options });
    }
    const { access_token } = await newItem(plaid, institution_id);
    await plaid.itemGet({ access_token });
    await plaid.accountsGet({ access_token });
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expectConforming(answers);
  });
});

describe("the hosted page", () => {
  const products = ["transactions"] as Products[];
  const link = { client_name: "Conformance", language: "en", country_codes: US, hosted_link: {} };
  const pick = ["action=institution&institution_id=ins_109508"];
  const logIn = [...pick, "action=login&username=user_good&password=pass_good"];

  test.each([
    ["untouched", [], undefined],
    ["opened", [...pick], undefined],
    ["finished", [...logIn, "action=accounts&account=checking&account=savings"], { exit: undefined, accounts: 2 }],
    ["left", ["action=exit"], { exit: null, accounts: undefined }],
    [
      "left after a wrong password",
      [...pick, "action=login&username=user_good&password=no", "action=exit"],
      { exit: "INVALID_CREDENTIALS", accounts: undefined },
    ],
    [
      "left with an error",
      ["action=exit&error_code=INSTITUTION_DOWN"],
      { exit: "INSTITUTION_DOWN", accounts: undefined },
    ],
  ])("%s", async (_state, forms, told) => {
    const { answers, plaid } = newClient();
    const asked = { ...link, products, user: { client_user_id: "c" }, webhook: receiver.url };
    const { link_token, hosted_link_url = "" } = (await plaid.linkTokenCreate(asked)).data;
    await submitAll(hosted_link_url, forms);
    const session = (await plaid.linkTokenGet({ link_token })).data.link_sessions?.at(-1);
    expectConforming(answers);
    const exit =
      session?.exit === undefined || session.exit === null ? undefined : (session.exit.error?.error_code ?? null);
    const accounts = session?.results?.item_add_results[0]?.accounts.length;
    expect(session && { exit, accounts }).toEqual(told);
  });

  test("finished in update mode", async () => {
    const { answers, plaid } = newClient();
    const { access_token } = await newItem(plaid);
    await plaid.sandboxItemResetLogin({ access_token });
    const { link_token, hosted_link_url = "" } = (await plaid.linkTokenCreate({ ...link, access_token })).data;
    await submitAll(hosted_link_url, ["action=login&username=user_good&password=pass_good"]);
    await plaid.linkTokenGet({ link_token });
    expectConforming(answers);
    const { data } = await plaid.itemGet({ access_token });
    expect(data.item.error).toBeNull();
  });

  /** As a browser sends its forms. */
  async function submitAll(url: string, forms: readonly string[]): Promise<void> {
    for (const form of forms) {
      const type = { "content-type": "application/x-www-form-urlencoded", origin: new URL(url).origin };
      await fetch(url, { method: "POST", headers: type, body: form, redirect: "manual" });
    }
  }
});

describe("every error", () => {
  test.each(PLAID_ERROR_CODES)("%s", async (errorCode) => {
    await control("/faults", { match: { endpoint: "/item/get" }, action: { kind: "error", errorCode }, times: 1 });
    const { answers, plaid } = newClient();
    await plaid.itemGet({ access_token: "access-sandbox-00000000-0000-4000-8000-000000000000" });
    const [answer] = answers;
    expect(answer && problemsOf(answer)).toEqual([]);
    expect(answer).toMatchObject({
      status: knownError(errorCode).status,
      body: { error_code: errorCode, request_id: expect.stringMatching(/^[A-Za-z0-9]{15}$/) },
    });
    expect(answer?.body).not.toHaveProperty("status");
  });
});

describe("every webhook", () => {
  test("of an Item that the control plane can be told to send by its code", async () => {
    const { item_id } = await newItem(newClient().plaid);
    for (const name of Object.keys(WEBHOOKS).filter((it) => !it.startsWith("LINK "))) {
      const [webhook_type, webhook_code] = name.split(" ");
      await control(`/items/${item_id}/webhook`, { webhook_type, webhook_code });
    }
  });

  test("that came while these tests ran, those of the hosted page too, has the shape of its type, and none of the types is missing", async () => {
    await simulator.control.webhooksSettled();
    const seen = new Set<string>();
    for (const { body } of receiver.received) {
      const webhook = JSON.parse(body) as Record<string, unknown>;
      const name = `${String(webhook["webhook_type"])} ${String(webhook["webhook_code"])}`;
      const type = WEBHOOKS[name];
      expect([name, type]).toEqual([name, expect.any(String)]);
      expect([name, schemas.strictProblems(type ?? "", webhook)]).toEqual([name, []]);
      expect([name, body]).toEqual([name, JSON.stringify(webhook, null, 2)]);
      expect([name, webhook["account_id"] ?? "none", webhook["new_webhook_url"] ?? "none"]).not.toContain("");
      // A webhook's error has its HTTP status and no request id; an HTTP answer has them the other way round.
      if (typeof webhook["error"] === "object" && webhook["error"] !== null) {
        expect(webhook["error"]).toEqual(expect.objectContaining({ status: expect.any(Number) }));
        expect(webhook["error"]).not.toHaveProperty("request_id");
      }
      seen.add(name);
    }
    expect([...seen].sort()).toEqual(Object.keys(WEBHOOKS).sort());
  });
});
