/**
 * Faults, limits, keys and deliveries as a test in another process asks for them: over the control plane, against the unmodified client.
 * What each of them does by itself is in faults.test.ts, rate-limits.test.ts and webhook-delivery.test.ts.
 */
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { isAxiosError } from "axios";
import type { PlaidApi } from "plaid";
import type { PlaidSimulator } from "../src/index.js";
import { ATTACK_NAMES } from "../src/webhook-attacks.js";
import { clientOf, linkItem, post, refusalOf, startForTest } from "./plaid-client.js";
import { startWebhookReceiver, type WebhookReceiver } from "./webhook-receiver.js";

let sim: PlaidSimulator;
let plaid: PlaidApi;
let receiver: WebhookReceiver;

beforeAll(async () => {
  ({ sim, plaid } = await startForTest({ limitsScale: 1 }));
  receiver = await startWebhookReceiver();
});
afterAll(async () => {
  await sim.stop();
  await receiver.stop();
});
afterEach(async () => {
  await fetch(`${sim.url}/_sim/faults`, { method: "DELETE" });
});

async function control(path: string, body: unknown) {
  return post(`${sim.url}/_sim${path}`, body);
}

async function told(path: string): Promise<Record<string, Record<string, unknown>[]>> {
  return (await (await fetch(`${sim.url}/_sim${path}`)).json()) as Record<string, Record<string, unknown>[]>;
}

/** What a caller sees when nothing answers. */
async function networkErrorOf(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
  } catch (error) {
    if (isAxiosError(error) && error.response === undefined) return error.code;
  }
  throw new Error("the call was answered");
}

async function newPublicToken(): Promise<string> {
  const made = await plaid.sandboxPublicTokenCreate({
    institution_id: "ins_109508",
    initial_products: ["transactions" as never],
  });
  return made.data.public_token;
}

describe("faults", () => {
  const EXCHANGE = "/item/public_token/exchange";

  it("loses the answer to an exchange that happened, so that a second one is too late", async () => {
    await control("/faults", { match: { endpoint: EXCHANGE }, action: { kind: "reset", when: "after" }, times: 1 });
    const public_token = await newPublicToken();
    expect(await networkErrorOf(plaid.itemPublicTokenExchange({ public_token }))).toBe("ECONNRESET");
    expect((await told("/items"))["items"]?.at(-1)).toMatchObject({ isExchanged: true });
    const again = await refusalOf(plaid.itemPublicTokenExchange({ public_token }));
    expect(again.code).toBe("INVALID_PUBLIC_TOKEN");
  });

  it("loses an exchange before it happened, so that a second one succeeds", async () => {
    await control("/faults", { match: { endpoint: EXCHANGE }, action: { kind: "reset" }, times: 1 });
    const public_token = await newPublicToken();
    expect(await networkErrorOf(plaid.itemPublicTokenExchange({ public_token }))).toBe("ECONNRESET");
    expect((await plaid.itemPublicTokenExchange({ public_token })).status).toBe(200);
  });

  it("strikes one Item and leaves its neighbour alone, and says how often", async () => {
    const [struck, spared] = [await linkItem(plaid), await linkItem(plaid)];
    const match = { endpoint: "/accounts/get", itemId: struck.itemId };
    const { body } = await control("/faults", { match, action: { kind: "error", errorCode: "INSTITUTION_DOWN" } });
    const refused = await refusalOf(plaid.accountsGet({ access_token: struck.accessToken }));
    expect([refused.status, refused.code]).toEqual([400, "INSTITUTION_DOWN"]);
    expect((await plaid.accountsGet({ access_token: spared.accessToken })).status).toBe(200);
    expect((await told("/faults"))["faults"]).toMatchObject([{ id: body["id"], seen: 1, struck: 1, left: null }]);
  });

  it("gives the whole answer of a drip, and HTML under 200, to a client that notices neither", async () => {
    const { accessToken: access_token } = await linkItem(plaid);
    await control("/faults", { action: { kind: "drip", bytes: 200, everyMs: 1 }, times: 1 });
    expect((await plaid.itemGet({ access_token })).data.item.institution_id).toBe("ins_109508");
    await control("/faults", { action: { kind: "html" }, times: 1 });
    expect((await plaid.itemGet({ access_token })).data).toEqual(expect.stringContaining("<html>"));
  });

  it("redirects elsewhere, where a client that follows brings its secret", async () => {
    const seen: unknown[] = [];
    const thief = createServer((request, response) => {
      seen.push(request.headers["plaid-secret"]);
      response.end("{}");
    });
    thief.listen(0, "127.0.0.1");
    await once(thief, "listening");
    const location = `http://127.0.0.1:${(thief.address() as AddressInfo).port}/`;
    await control("/faults", { action: { kind: "redirect", location }, times: 1 });
    await plaid.itemGet({ access_token: "access-sandbox-0" });
    thief.closeAllConnections();
    thief.close();
    expect(seen).toEqual(["florin-demo"]);
  });

  it("refuses what it does not understand", async () => {
    expect(await control("/faults", { action: { kind: "explode" } })).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining("action.kind") },
    });
    expect(await control("/delivery", { mode: { kind: "sideways" } })).toMatchObject({ status: 400 });
  });
});

describe("limits", () => {
  it("refuses the 26th balance of a minute, and answers again when the minute is over", async () => {
    const { accessToken: access_token } = await linkItem(plaid);
    for (let call = 0; call < 25; call += 1) await plaid.accountsBalanceGet({ access_token });
    const refused = await refusalOf(plaid.accountsBalanceGet({ access_token }));
    expect([refused.status, refused.code]).toEqual([429, "BALANCE_LIMIT"]);
    expect(refused.body).toMatchObject({ error_type: "RATE_LIMIT_EXCEEDED" });
    await control("/clock", { advanceMs: 60_000 });
    expect((await plaid.accountsBalanceGet({ access_token })).status).toBe(200);
  });
});

describe("the ledger of calls", () => {
  it("has every call with what came of it, and no secret", async () => {
    await fetch(`${sim.url}/_sim/calls`, { method: "DELETE" });
    const { accessToken: access_token, itemId } = await linkItem(plaid);
    await control("/faults", { match: { endpoint: "/item/get" }, action: { kind: "reset" }, times: 1 });
    await networkErrorOf(plaid.itemGet({ access_token }));
    await refusalOf(clientOf(sim, "wrong").itemGet({ access_token }));
    await post(`${sim.url}/item/get?secret=florin-demo`, { access_token });
    await plaid.itemRemove({ access_token });
    const { calls = [] } = await told("/calls");
    const short = calls.map(({ endpoint, itemId: id, status, errorCode, credentialsOk, fault, tokenInUrl }) => [
      endpoint,
      id === itemId,
      status,
      errorCode,
      credentialsOk,
      fault,
      tokenInUrl,
    ]);
    expect(short).toEqual([
      ["/sandbox/public_token/create", false, 200, null, true, null, false],
      ["/item/public_token/exchange", false, 200, null, true, null, false],
      ["/item/get", true, null, null, true, "reset", false],
      ["/item/get", true, 400, "INVALID_API_KEYS", false, null, false],
      ["/item/get", true, 400, "MISSING_FIELDS", false, null, true],
      ["/item/remove", true, 200, null, true, null, false],
    ]);
    expect((await told(`/calls?endpoint=/item/remove&itemId=${itemId}`))["calls"]).toHaveLength(1);
    expect(JSON.stringify(calls)).not.toMatch(/florin-demo|(access|public)-sandbox-/);
  });
});

describe("webhooks", () => {
  const kidOf = (jwt = ""): string =>
    (JSON.parse(Buffer.from(jwt.split(".")[0] ?? "", "base64url").toString()) as { kid: string }).kid;

  async function itemWithWebhook() {
    const item = await linkItem(plaid, "user_good", { webhook: receiver.url });
    receiver.received.length = 0;
    return item;
  }

  it("publishes the key of each webhook, and when a replaced one expired", async () => {
    const { itemId } = await itemWithWebhook();
    const send = async () => {
      await control(`/items/${itemId}/webhook`, { webhook_type: "ITEM", webhook_code: "LOGIN_REPAIRED" });
      await sim.control.webhooksSettled();
      return kidOf(receiver.received.at(-1)?.jwt);
    };
    const before = await send();
    const { body } = await control("/keys/rotate", {});
    const after = await send();
    expect(body).toEqual({ oldKid: before, newKid: after });
    const keyOf = async (key_id: string) => (await plaid.webhookVerificationKeyGet({ key_id })).data.key;
    expect(await keyOf(before)).toMatchObject({ kid: before, expired_at: expect.any(Number) });
    expect(await keyOf(after)).toMatchObject({ kid: after, kty: "EC", crv: "P-256", expired_at: null });
    const unknown = refusalOf(plaid.webhookVerificationKeyGet({ key_id: "nobody" }));
    expect((await unknown).code).toBe("INVALID_WEBHOOK_VERIFICATION_KEY_ID");
  });

  it("sends every attack once and records it", async () => {
    const { itemId } = await itemWithWebhook();
    await fetch(`${sim.url}/_sim/webhooks`, { method: "DELETE" });
    for (const attack of ATTACK_NAMES) {
      await control(`/items/${itemId}/webhook`, { webhook_type: "ITEM", webhook_code: "LOGIN_REPAIRED", attack });
    }
    await sim.control.webhooksSettled();
    expect(receiver.received).toHaveLength(ATTACK_NAMES.length);
    const { webhooks = [] } = await told("/webhooks");
    expect(webhooks.map(({ attack }) => attack).sort()).toEqual([...ATTACK_NAMES].sort());
  });

  it("loses what it is told to lose, and repeats what it is told to repeat", async () => {
    const { itemId } = await itemWithWebhook();
    const send = async (more: object = {}) =>
      control(`/items/${itemId}/webhook`, { webhook_type: "ITEM", webhook_code: "LOGIN_REPAIRED", ...more });
    await control("/delivery", { mode: { kind: "drop" }, times: 1 });
    await send();
    await sim.control.webhooksSettled();
    expect(receiver.received).toHaveLength(0);
    await send({ mode: { kind: "duplicate", copies: 2, resign: false } });
    await sim.control.webhooksSettled();
    expect(new Set(receiver.received.map(({ jwt }) => jwt)).size).toBe(1);
    expect(receiver.received).toHaveLength(3);
  });

  it("goes nowhere but to this machine", async () => {
    const { itemId } = await itemWithWebhook();
    const target = "http://192.0.2.1/hook";
    await control(`/items/${itemId}/webhook`, { webhook_type: "ITEM", webhook_code: "LOGIN_REPAIRED", target });
    await sim.control.webhooksSettled();
    expect((await told("/webhooks"))["webhooks"]?.at(-1)).toMatchObject({ target, outcome: "refused-target" });
  });
});
