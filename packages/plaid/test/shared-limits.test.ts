import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { startPlaidSimulator, type PlaidSimulator } from "@florin/plaid-simulator";
import { systemClock } from "@florin/resilience";
import { startTestRedis, whereRedisIs, type TestRedis } from "@florin/testkit";
import { Redis } from "ioredis";
import {
  PlaidCallError,
  createMemoryRateLimiter,
  createPlaidPort,
  createRedisRateLimiter,
  type ItemCall,
  type PlaidPort,
  type RateLimiter,
} from "../src/index.js";

const describeWithRedis = whereRedisIs(describe, describe.skip);

/** A simulator that keeps the limits of the sandbox, with a clock that stands still: what is used up stays used up. */
async function startLimited(): Promise<PlaidSimulator> {
  return startPlaidSimulator({ seed: "limits", clock: "virtual", startAt: "2026-11-21T12:00:00Z", limitsScale: 1 });
}

function openPort(sim: PlaidSimulator, limiter: RateLimiter): PlaidPort {
  return createPlaidPort({
    environment: "simulator",
    simulatorUrl: sim.url,
    clientId: "florin-demo",
    secret: "florin-demo",
    link: {
      clientName: "Florin",
      language: "en",
      countryCodes: ["US"],
      products: { required: ["transactions"], requiredIfSupported: [], optional: ["liabilities"] },
      daysRequested: 90,
    },
    limiter,
    clock: systemClock,
    random: () => 0,
  });
}

async function link(sim: PlaidSimulator, port: PlaidPort): Promise<ItemCall> {
  const response = await fetch(`${sim.url}/sandbox/public_token/create`, {
    method: "POST",
    headers: { "content-type": "application/json", "plaid-client-id": "florin-demo", "plaid-secret": "florin-demo" },
    body: JSON.stringify({
      institution_id: "ins_109508",
      initial_products: ["transactions"],
      options: { override_username: "user_good", override_password: "pass_good" },
    }),
  });
  const { public_token } = (await response.json()) as { public_token: string };
  const { accessToken, plaidItemId } = await port.exchangePublicToken(public_token);
  return { accessToken, itemKey: plaidItemId };
}

/** `ok`, or the code of the failure, of each. */
async function codesOf(calls: readonly Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((one) => {
    if (one.status === "fulfilled") return "ok";
    const reason: unknown = one.reason;
    return reason instanceof PlaidCallError ? reason.errorCode : String(reason);
  });
}

describeWithRedis("five replicas", () => {
  let redis: TestRedis;
  let sim: PlaidSimulator;
  let ports: PlaidPort[];
  beforeAll(async () => {
    [redis, sim] = await Promise.all([startTestRedis(), startLimited()]);
    ports = Array.from({ length: 5 }, () =>
      openPort(
        sim,
        createRedisRateLimiter({
          connect: (options) => new Redis(redis.url, options),
          prefix: "plaid:simulator",
          replicas: 5,
          nowMs: () => Date.now(),
          timeoutMs: 10_000,
        }),
      ),
    );
  });
  afterAll(async () => {
    await Promise.all(ports.map((port) => port.close()));
    await sim.stop();
    await redis.stop();
  });

  it("stay together inside the limit of one item: Plaid never has to say so", async () => {
    const [first] = ports;
    if (first === undefined) throw new Error("no port");
    const item = await link(sim, first);
    const codes = await codesOf(ports.flatMap((port) => Array.from({ length: 6 }, () => port.getLiabilities(item))));
    // Ten a minute in the sandbox, of which we use nine.
    expect(codes.filter((code) => code === "ok")).toHaveLength(9);
    expect(codes.filter((code) => code === "LOCAL_RATE_LIMIT")).toHaveLength(21);
    expect(sim.control.calls({ endpoint: "/liabilities/get" })).toHaveLength(9);
    expect(sim.control.calls({ status: 429 })).toEqual([]);
  });
});

describe("one process", () => {
  let sim: PlaidSimulator;
  beforeAll(async () => {
    sim = await startLimited();
  });
  afterAll(() => sim.stop());

  it("holds a call back that would be one too many, and says how long", async () => {
    const port = openPort(sim, createMemoryRateLimiter({ nowMs: () => Date.now() }));
    const item = await link(sim, port);
    expect(await codesOf([port.refreshTransactions(item), port.refreshTransactions(item)])).toEqual([
      "ok",
      "LOCAL_RATE_LIMIT",
    ]);
    const error: unknown = await port.refreshTransactions(item).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ class: "BACKOFF", errorCode: "LOCAL_RATE_LIMIT", isOutcomeUnknown: false });
    const { retryAfterMs = 0 } = error as PlaidCallError;
    expect(retryAfterMs).toBeGreaterThan(30_000);
    expect(retryAfterMs).toBeLessThanOrEqual(61_000);
    await port.close();
  });

  it("waits for its turn where that comes soon, within the call's deadline", async () => {
    const waits = [60, 40, 0];
    const port = openPort(sim, { take: () => Promise.resolve(waits.shift() ?? 0), close: () => undefined });
    const item = await link(sim, port);
    waits.splice(0, Infinity, 20, 10, 0);
    await expect(port.getAccounts(item)).resolves.toMatchObject({ plaidItemId: item.itemKey });
    expect(waits).toEqual([]);
    waits.splice(0, Infinity, 400);
    const error: unknown = await port.getAccounts({ ...item, deadlineMs: 200 }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ errorCode: "LOCAL_RATE_LIMIT", retryAfterMs: 400 });
    await port.close();
  });
});
