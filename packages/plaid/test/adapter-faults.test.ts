import { inspect } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { AccessToken, createPlaidPort, PlaidCallError, type PlaidPort, type ProviderCall } from "../src/index.js";
import { systemClock } from "@florin/resilience";
import { createLogger } from "@florin/telemetry";
import { eventually } from "@florin/testkit";
import {
  answer,
  cutJson,
  drip,
  hang,
  html,
  oversize,
  plaidError,
  receipt,
  redirectTo,
  reset,
  startFakePlaid,
  truncated,
  type Behaviour,
  type FakePlaid,
} from "./fake-plaid.js";

const TOKEN = "access-sandbox-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const SECRET = "canary-secret-5e1f9a";
const CLIENT_ID = "canary-client-77";
const canaries = [TOKEN, SECRET, CLIENT_ID, "0f1e2d3c"];

let plaid: FakePlaid;
let elsewhere: FakePlaid;
let port: PlaidPort;
let calls: ProviderCall[];
let logged: string[];
const item = { accessToken: new AccessToken(TOKEN), itemKey: "lit_1" };

beforeAll(async () => {
  [plaid, elsewhere] = await Promise.all([startFakePlaid(), startFakePlaid()]);
});
afterAll(() => Promise.all([plaid.stop(), elsewhere.stop()]));
beforeEach(() => {
  calls = [];
  logged = [];
  port = openPort();
});
afterEach(() => port.close());

function openPort(more: Partial<Parameters<typeof createPlaidPort>[0]> = {}): PlaidPort {
  return createPlaidPort({
    environment: "simulator",
    simulatorUrl: plaid.url,
    clientId: CLIENT_ID,
    secret: SECRET,
    link: {
      clientName: "Florin",
      language: "en",
      countryCodes: ["US"],
      products: { required: ["transactions"], requiredIfSupported: [], optional: ["liabilities", "investments"] },
      daysRequested: 730,
    },
    limiter: undefined,
    clock: systemClock,
    random: () => 0,
    logger: createLogger({ level: "debug", name: "test", destination: { write: (line) => void logged.push(line) } }),
    onCall: (call) => calls.push(call),
    ...more,
  });
}

async function failureOf(work: Promise<unknown>): Promise<PlaidCallError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PlaidCallError)) throw new Error(`no PlaidCallError but ${inspect(error)}`);
  return error;
}

describe("a call that fails", () => {
  const faults: readonly (readonly [string, Behaviour, Partial<PlaidCallError>])[] = [
    ["HTML with 200", html, { errorCode: "UNREADABLE_ANSWER", httpStatus: 200, isOutcomeUnknown: true }],
    ["JSON that stops", cutJson, { errorCode: "UNREADABLE_ANSWER", httpStatus: 200, isOutcomeUnknown: true }],
    ["JSON of another shape", answer({ request_id: 7 }), { errorCode: "UNREADABLE_ANSWER", isOutcomeUnknown: true }],
    ["a body that breaks off", truncated, { errorCode: "CONNECTION_LOST", isOutcomeUnknown: true }],
    ["a reset after the request", reset, { errorCode: "CONNECTION_LOST", isOutcomeUnknown: true }],
    ["no answer", hang, { errorCode: "TIMEOUT", isOutcomeUnknown: true }],
    ["an answer that drips", drip, { errorCode: "TIMEOUT", isOutcomeUnknown: true }],
    ["an answer without end", oversize, { errorCode: "UNREADABLE_ANSWER", isOutcomeUnknown: true }],
    [
      "502 with HTML",
      answer("<html/>", 502),
      { errorCode: "UNREADABLE_ANSWER", httpStatus: 502, isOutcomeUnknown: true },
    ],
    ["500", plaidError("API_ERROR", "INTERNAL_SERVER_ERROR", 500), { httpStatus: 500, isOutcomeUnknown: true }],
    ["maintenance", plaidError("API_ERROR", "PLANNED_MAINTENANCE", 503), { errorCode: "PLANNED_MAINTENANCE" }],
  ];

  it.each(faults)("is TRANSIENT and holds nothing of the request: %s", async (_name, behaviour, expected) => {
    port = openPort({ maxAnswerBytes: 200_000 });
    plaid.behave(behaviour);
    const limits = expected.errorCode === "TIMEOUT" ? { deadlineMs: 400 } : {};
    const error = await failureOf(port.exchangePublicToken("public-sandbox-canary", limits));
    expect(error).toMatchObject({ class: "TRANSIENT", endpoint: "/item/public_token/exchange", ...expected });
    expect(plaid.requests).toHaveLength(1);
    const shown = [inspect(error, { depth: 9, showHidden: true }), JSON.stringify(error), String(error), error.stack];
    const everywhere = [...shown, JSON.stringify(calls), ...logged].join("\n");
    for (const canary of [...canaries, "public-sandbox"]) expect(everywhere).not.toContain(canary);
    expect(calls).toMatchObject([{ endpoint: "/item/public_token/exchange", outcome: "unknown" }]);
  });

  it("says that nothing was sent where nobody listens", async () => {
    const gone = await startFakePlaid();
    await gone.stop();
    port = openPort({ simulatorUrl: gone.url });
    const error = await failureOf(port.removeItem(item));
    expect(error).toMatchObject({ errorCode: "NOT_CONNECTED", class: "TRANSIENT", isOutcomeUnknown: false });
    expect(calls).toMatchObject([{ outcome: "failed", itemKey: "lit_1" }]);
  });

  it.each([301, 302, 303, 307, 308])("never follows a redirect with the secret in hand: %d", async (status) => {
    elsewhere.behave(receipt);
    plaid.behave(redirectTo(`${elsewhere.url}/steal`, status));
    const error = await failureOf(port.removeItem(item));
    expect(error).toMatchObject({ errorCode: "REDIRECT_REFUSED", class: "TRANSIENT", httpStatus: status });
    expect(elsewhere.requests).toEqual([]);
  });

  it("goes past a proxy that the environment names", async () => {
    elsewhere.behave(receipt);
    plaid.behave(receipt);
    const before = process.env["http_proxy"];
    process.env["http_proxy"] = elsewhere.url;
    try {
      await port.removeItem(item);
    } finally {
      if (before === undefined) delete process.env["http_proxy"];
      else process.env["http_proxy"] = before;
    }
    expect([plaid.requests.length, elsewhere.requests.length]).toEqual([1, 0]);
  });

  it("says how long to wait where Plaid says it", async () => {
    plaid.behave(plaidError("RATE_LIMIT_EXCEEDED", "BALANCE_LIMIT", 429, { "retry-after": "7" }));
    expect(await failureOf(port.getBalances(item))).toMatchObject({
      class: "BACKOFF",
      errorCode: "BALANCE_LIMIT",
      retryAfterMs: 7_000,
      isOutcomeUnknown: false,
    });
    plaid.behave(answer("<html>slow down</html>", 429));
    expect(await failureOf(port.getBalances(item))).toMatchObject({ class: "BACKOFF", isOutcomeUnknown: false });
    expect(calls.map((call) => call.outcome)).toEqual(["refused", "refused"]);
  });

  it("takes no text from Plaid's body that could be anything else than a code", async () => {
    plaid.behave(
      answer({ error_type: "ITEM_ERROR", error_code: TOKEN, error_message: TOKEN, display_message: null }, 400),
    );
    const error = await failureOf(port.getItem(item));
    expect(error.errorCode).toBe("UNREADABLE_ANSWER");
    expect(inspect(error)).not.toContain(TOKEN);
  });
});

describe("trying again", () => {
  it("reads are tried three times in all, within their deadline", async () => {
    plaid.behave(reset, html, answer({ request_id: "r1", accounts: [], item: { item_id: "it" } }));
    await expect(port.getAccounts(item)).resolves.toEqual({ plaidItemId: "it", accounts: [], requestId: "r1" });
    expect(calls.map((call) => call.outcome)).toEqual(["unknown", "unknown", "ok"]);
    expect(calls.at(-1)).toMatchObject({ requestId: "r1", httpStatus: 200, errorCode: undefined });
  });

  const once: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["exchange", () => port.exchangePublicToken("public-sandbox-x")],
    ["removal", () => port.removeItem(item)],
    ["rotation", () => port.invalidateAccessToken(item)],
    ["a paid balance", () => port.getBalances(item)],
    ["a paid refresh", () => port.refreshTransactions(item)],
    ["a link token", () => port.createLinkToken({ clientUserId: "u" })],
  ];
  it.each(once)("%s is sent once, whatever happens", async (_name, work) => {
    plaid.behave(plaidError("API_ERROR", "INTERNAL_SERVER_ERROR", 500));
    await failureOf(work());
    expect(plaid.requests).toHaveLength(1);
  });

  it("an answer about the item itself is never tried again", async () => {
    plaid.behave(plaidError("ITEM_ERROR", "ITEM_LOGIN_REQUIRED"));
    expect(await failureOf(port.getAccounts(item))).toMatchObject({ class: "RELINK", isOutcomeUnknown: false });
    expect(plaid.requests).toHaveLength(1);
  });
});

describe("the breaker", () => {
  const down = plaidError("API_ERROR", "INTERNAL_SERVER_ERROR", 500);
  const login = plaidError("ITEM_ERROR", "ITEM_LOGIN_REQUIRED");

  /** What the breaker takes for the time. */
  let laterMs = 0;
  let clock: jest.SpiedFunction<typeof Date.now>;
  beforeEach(() => {
    laterMs = 0;
    clock = jest.spyOn(Date, "now").mockImplementation(() => 1_800_000_000_000 + laterMs);
  });
  afterEach(() => clock.mockRestore());

  async function fail(times: number, work: () => Promise<unknown> = () => port.removeItem(item)): Promise<void> {
    for (let failure = 1; failure <= times; failure++) await failureOf(work());
  }

  it("opens after five failures in a row, and refuses in less than 50 ms without a request", async () => {
    plaid.behave(down);
    await fail(5);
    const decidedInMs: number[] = [];
    for (let refusal = 1; refusal <= 5; refusal++) {
      const startedAt = performance.now();
      expect(await failureOf(port.removeItem(item))).toMatchObject({
        class: "TRANSIENT",
        errorCode: "BREAKER_OPEN",
        isOutcomeUnknown: false,
      });
      decidedInMs.push(performance.now() - startedAt);
    }
    expect(Math.min(...decidedInMs)).toBeLessThan(50);
    expect(plaid.requests).toHaveLength(5);
    expect(calls.at(-1)?.outcome).toBe("not_sent");
  });

  it("lets one call probe when its pause is over, refuses the others meanwhile, and closes where that went well", async () => {
    plaid.behave(down);
    await fail(5);
    laterMs += 15_000;
    let release = (): void => undefined;
    plaid.behave((response, request) => {
      release = () => receipt(response, request);
    });
    const probe = port.removeItem(item);
    await eventually(() => plaid.requests.length === 1);
    expect(await failureOf(port.removeItem(item))).toMatchObject({ errorCode: "BREAKER_OPEN" });
    release();
    await expect(probe).resolves.toEqual({ requestId: "req123" });
    plaid.behave(receipt);
    await expect(port.removeItem(item)).resolves.toEqual({ requestId: "req123" });
  });

  it("pauses for longer after a probe that failed", async () => {
    plaid.behave(down);
    await fail(5);
    laterMs += 15_000;
    await fail(1);
    laterMs += 15_000;
    expect(await failureOf(port.removeItem(item))).toMatchObject({ errorCode: "BREAKER_OPEN" });
    expect(plaid.requests).toHaveLength(6);
    laterMs += 15_000;
    plaid.behave(receipt);
    await expect(port.removeItem(item)).resolves.toEqual({ requestId: "req123" });
  });

  it("stays open where its probe was held back by the limiter: that has shown nothing", async () => {
    let waitMs = 0;
    port = openPort({ limiter: { take: () => Promise.resolve(waitMs), close: () => undefined } });
    plaid.behave(down);
    await fail(5);
    laterMs += 15_000;
    waitMs = 60_000;
    expect(await failureOf(port.removeItem(item))).toMatchObject({
      errorCode: "LOCAL_RATE_LIMIT",
      retryAfterMs: 60_000,
    });
    waitMs = 0;
    expect(await failureOf(port.removeItem(item))).toMatchObject({ errorCode: "BREAKER_OPEN" });
    expect(plaid.requests).toHaveLength(5);
  });

  it("is not moved by what is the item's own, which ends the row instead", async () => {
    for (const behaviour of [down, down, down, down, login, down, down, down, down]) {
      plaid.behave(behaviour);
      await failureOf(port.removeItem(item));
    }
    plaid.behave(receipt);
    await expect(port.removeItem(item)).resolves.toEqual({ requestId: "req123" });
  });

  it("of an institution stops that institution alone, and of one endpoint group that group alone", async () => {
    const atBank = { ...item, institutionId: "ins_down" };
    plaid.behave(plaidError("INSTITUTION_ERROR", "INSTITUTION_DOWN"));
    await fail(5, () => port.getBalances(atBank));
    expect(await failureOf(port.getBalances(atBank))).toMatchObject({ errorCode: "BREAKER_OPEN" });
    plaid.behave(down);
    await fail(5, () => port.getBalances(item));
    expect(await failureOf(port.getBalances(item))).toMatchObject({ errorCode: "BREAKER_OPEN" });
    plaid.behave(receipt);
    await expect(port.removeItem(item)).resolves.toEqual({ requestId: "req123" });
    await expect(port.removeItem({ ...item, institutionId: "ins_up" })).resolves.toEqual({ requestId: "req123" });
  });
});

describe("where calls may go", () => {
  const wrong: readonly (readonly [string, Parameters<typeof openPort>[0]])[] = [
    ["an environment that is none", { environment: "development" as never }],
    ["no simulator's URL", { simulatorUrl: undefined }],
    ["a simulator elsewhere", { simulatorUrl: "http://plaid.example.com" }],
    ["a simulator that only looks local", { simulatorUrl: "http://127.0.0.1.example.com:80" }],
    ["a simulator with a path", { simulatorUrl: "http://127.0.0.1:1/x" }],
    ["a simulator with credentials", { simulatorUrl: "http://a:b@127.0.0.1:1" }],
    ["production with a simulator's URL", { environment: "production" }],
    ["sandbox without a limiter", { environment: "sandbox", simulatorUrl: undefined }],
    ["a product that is none", { link: { ...linkWith(["transactionz"]) } }],
    ["a product in two lists", { link: { ...linkWith(["liabilities"]) } }],
  ];
  it.each(wrong)("refuses to start with %s", (_name, more) => {
    expect(() => openPort(more)).toThrow();
  });

  function linkWith(required: readonly string[]) {
    return {
      clientName: "Florin",
      language: "en",
      countryCodes: ["US"],
      products: { required, requiredIfSupported: [], optional: ["liabilities"] },
      daysRequested: 30,
    };
  }
});

describe("what is sent", () => {
  it("names no product and no webhook where an item is repaired", async () => {
    const linked = { request_id: "r", link_token: "link-sandbox-1", expiration: "2026-01-01T00:00:00Z" };
    plaid.behave(answer(linked));
    await port.createLinkToken({
      clientUserId: "u1",
      webhookUrl: "https://florin.example/hook",
      update: { accessToken: item.accessToken, itemKey: "lit_1", accountSelection: true },
    });
    await port.createLinkToken({ clientUserId: "u1", webhookUrl: "https://florin.example/hook" });
    const [repair, fresh] = plaid.requests.map((request) => JSON.parse(request.body) as Record<string, unknown>);
    expect(Object.keys(repair ?? {}).sort()).toEqual(
      ["access_token", "client_name", "country_codes", "hosted_link", "language", "update", "user"].sort(),
    );
    expect(fresh).toMatchObject({
      products: ["transactions"],
      optional_products: ["liabilities", "investments"],
      transactions: { days_requested: 730 },
      webhook: "https://florin.example/hook",
    });
    expect(plaid.requests[0]?.path).toBe("/link/token/create");
    expect(plaid.requests[0]?.headers["plaid-secret"]).toBe(SECRET);
  });

  it("what must not be repeated goes over a connection of its own; reads share one", async () => {
    const read = answer({ request_id: "r1", accounts: [], item: { item_id: "it" } });
    plaid.behave(read);
    for (let time = 1; time <= 3; time++) await port.getAccounts(item);
    expect(new Set(plaid.requests.map((request) => request.fromPort)).size).toBe(1);
    plaid.behave(receipt);
    for (let time = 1; time <= 3; time++) await port.removeItem(item);
    expect(new Set(plaid.requests.map((request) => request.fromPort)).size).toBe(3);
  });

  it("a ledger that fails takes nothing away from a call", async () => {
    port = openPort({
      onCall: () => {
        throw new Error("disk full");
      },
    });
    plaid.behave(receipt);
    await expect(port.removeItem(item)).resolves.toEqual({ requestId: "req123" });
  });

  it("closing lets a call end, and begins no other", async () => {
    let release = (): void => undefined;
    plaid.behave((response, request) => {
      release = () => receipt(response, request);
    });
    const running = port.removeItem(item);
    await eventually(() => plaid.requests.length === 1);
    const closed = port.close();
    expect(await failureOf(port.removeItem(item))).toMatchObject({ isOutcomeUnknown: false });
    release();
    await expect(running).resolves.toEqual({ requestId: "req123" });
    await closed;
    expect(plaid.requests).toHaveLength(1);
  });

  it("a token shows itself to nobody", () => {
    const holder = { nested: [{ token: item.accessToken }], map: new Map([["t", item.accessToken]]) };
    const shown = [
      inspect(holder, { depth: 9, showHidden: true }),
      JSON.stringify(holder),
      `${item.accessToken}`,
      inspect(port, { depth: 9, showHidden: true }),
      JSON.stringify(port),
      JSON.stringify({ ...item.accessToken }),
    ].join("\n");
    for (const canary of canaries) expect(shown).not.toContain(canary);
    expect(shown).toContain("[access token]");
  });
});
