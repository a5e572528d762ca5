import { createServer } from "node:http";
import { request as httpRequest } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { applyFault, type FaultOutcome } from "../src/apply-fault.js";
import { FaultNotUnderstood, FaultPlan, parseFault, type FaultInput } from "../src/faults.js";

const always = () => 0;

describe("which call a fault strikes", () => {
  const strikes = (plan: FaultPlan, endpoint: string, itemId?: string) => plan.decide({ endpoint, itemId })?.kind;

  test("that of its endpoint and item, as often as it says", () => {
    const plan = new FaultPlan(always);
    plan.add({ match: { endpoint: "/item/get", itemId: "a" }, action: { kind: "hang" }, times: 2 });
    expect(strikes(plan, "/item/remove", "a")).toBeUndefined();
    expect(strikes(plan, "/item/get", "b")).toBeUndefined();
    expect(strikes(plan, "/item/get")).toBeUndefined();
    expect([1, 2, 3].map(() => strikes(plan, "/item/get", "a"))).toEqual(["hang", "hang", undefined]);
    expect(plan.list()).toMatchObject([{ id: "fault-1", seen: 3, struck: 2, left: 0, times: 2 }]);
  });

  test("the nth call, counted from when it was added", () => {
    const plan = new FaultPlan(always);
    strikes(plan, "/item/get");
    plan.add({ match: { endpoint: "/item/get", nthCall: 3 }, action: { kind: "reset", when: "after" }, times: 1 });
    expect([1, 2, 3, 4].map(() => strikes(plan, "/item/get"))).toEqual([undefined, undefined, "reset", undefined]);
  });

  test("one in so many, the same ones from the same draws", () => {
    const struck = () => {
      let state = 7;
      const plan = new FaultPlan(() => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647);
      plan.add({ match: { probability: 0.3 }, action: { kind: "hang" } });
      return Array.from({ length: 200 }, () => strikes(plan, "/item/get") === "hang");
    };
    const first = struck();
    expect(first).toEqual(struck());
    const share = first.filter(Boolean).length / first.length;
    expect(share).toBeGreaterThan(0.15);
    expect(share).toBeLessThan(0.45);
  });

  test("the first of several that strikes; a spent one stands aside and stays listed", () => {
    const plan = new FaultPlan(always);
    plan.add({ action: { kind: "hang" }, times: 1 });
    const second = plan.add({ action: { kind: "html" } });
    expect([1, 2].map(() => strikes(plan, "/item/get"))).toEqual(["hang", "html"]);
    expect(plan.list().map(({ left }) => left)).toEqual([0, null]);
    expect([plan.remove(second), plan.remove(second)]).toEqual([true, false]);
    expect(strikes(plan, "/item/get")).toBeUndefined();
    plan.clear();
    expect(plan.list()).toEqual([]);
  });

  test.each([
    [{ action: { kind: "explode" } }, /action\.kind/],
    [{ action: { kind: "hang" }, tmes: 1 }, /tmes/],
    [{ action: { kind: "latency" } }, /ms or percentiles/],
    [{ action: { kind: "truncate", when: "before" } }, /action\.when/],
    [{ action: { kind: "redirect", location: "https://plaid.com/" } }, /loopback/],
    [{ action: { kind: "redirect", location: "http://127.0.0.1.evil.org/" } }, /loopback/],
    [{ action: { kind: "hang" }, match: { probability: 2 } }, /match\.probability/],
    [undefined, /body/],
  ])("what is written wrongly is refused: %j", (body, why) => {
    expect(() => parseFault(body)).toThrow(FaultNotUnderstood);
    expect(() => parseFault(body)).toThrow(why);
  });

  test("a thousand may stand", () => {
    const plan = new FaultPlan(always);
    for (let made = 0; made < 1_000; made += 1) plan.add({ action: { kind: "hang" } });
    expect(() => plan.add({ action: { kind: "hang" } })).toThrow(/DELETE \/_sim\/faults/);
  });
});

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const WORK = JSON.stringify({ item: "x".repeat(200), request_id: "request-1" });

/** One fault in front of work that always answers WORK: what the caller sees, what the simulator says happened. */
async function faulty(fault: FaultInput["action"], options: { abortAfterMs?: number; stopEarly?: boolean } = {}) {
  const plan = new FaultPlan(always);
  plan.add({ action: fault });
  const stopping = new AbortController();
  let worked = 0;
  let outcome: FaultOutcome | undefined;
  const ended = new AbortController();
  const server = createServer((_request, response) => {
    void (async () => {
      const action = plan.decide({ endpoint: "/item/get" });
      const exchange = { response, requestId: "request-1", stopping: stopping.signal, random: () => 0.95 };
      if (action?.when === "before") outcome = await applyFault(action, exchange);
      if (outcome?.over !== true) {
        worked += 1;
        const answer = { status: 200, headers: { "content-type": "application/json" }, body: WORK };
        if (action?.when === "after") outcome = await applyFault(action, { ...exchange, answer });
        if (outcome?.over !== true) response.writeHead(answer.status, answer.headers).end(answer.body);
      }
      ended.abort();
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  stops.push(async () => {
    stopping.abort();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const asked = performance.now();
  const seen = call((server.address() as AddressInfo).port, options.abortAfterMs);
  if (options.stopEarly === true) {
    await once(server, "request");
    stopping.abort();
  }
  const answer = await seen;
  if (!ended.signal.aborted) await once(ended.signal, "abort");
  return { ...answer, worked, outcome, tookMs: performance.now() - asked, chunks: answer.chunks };
}

interface Seen {
  readonly status: number | null;
  readonly headers: Record<string, unknown>;
  readonly body: string;
  readonly error: string | null;
  readonly chunks: number;
}

function call(port: number, abortAfterMs?: number): Promise<Seen> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const seen = (status: number | null, headers: Record<string, unknown>, error: string | null) =>
      resolve({ status, headers, error, body: Buffer.concat(chunks).toString("utf8"), chunks: chunks.length });
    const request = httpRequest(
      { host: "127.0.0.1", port, path: "/item/get", method: "POST", agent: false },
      (answer) => {
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("end", () => seen(answer.statusCode ?? null, answer.headers, null));
        answer.on("error", (error) => seen(answer.statusCode ?? null, answer.headers, codeOf(error)));
      },
    );
    request.on("error", (error) => seen(null, {}, codeOf(error)));
    request.end("{}");
    if (abortAfterMs !== undefined) setTimeout(() => request.destroy(new Error("left")), abortAfterMs);
  });
}

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : error.message;
}

describe("what the caller sees", () => {
  test.each([
    ["ITEM_LOGIN_REQUIRED", 400, "ITEM_ERROR"],
    ["INSTITUTION_DOWN", 400, "INSTITUTION_ERROR"],
    ["TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION", 400, "TRANSACTIONS_ERROR"],
    ["INTERNAL_SERVER_ERROR", 500, "API_ERROR"],
  ])("%s, as Plaid writes it", async (errorCode, status, errorType) => {
    const { worked, outcome, ...seen } = await faulty({ kind: "error", errorCode });
    expect(seen.status).toBe(status);
    expect(JSON.parse(seen.body)).toMatchObject({
      error_type: errorType,
      error_code: errorCode,
      request_id: "request-1",
    });
    expect(JSON.parse(seen.body)).not.toHaveProperty("status");
    expect([worked, outcome]).toEqual([0, { over: true, status, errorCode }]);
  });

  test("an error nobody knows, spelt out", async () => {
    const spelt = { errorCode: "BRAND_NEW", errorType: "ITEM_ERROR", errorMessage: "new", httpStatus: 422 };
    const seen = await faulty({ kind: "error", ...spelt });
    expect(seen.status).toBe(422);
    expect(JSON.parse(seen.body)).toMatchObject({
      error_code: "BRAND_NEW",
      error_type: "ITEM_ERROR",
      error_message: "new",
    });
  });

  test.each([
    [500, "application/json", "INTERNAL_SERVER_ERROR"],
    [502, "text/html; charset=utf-8", null],
    [503, "application/json", "PLANNED_MAINTENANCE"],
  ] as const)("%i of %s", async (status, type, errorCode) => {
    const seen = await faulty({ kind: "status", status });
    expect([seen.status, seen.headers["content-type"], seen.outcome]).toEqual([
      status,
      type,
      { over: true, status, errorCode },
    ]);
  });

  test("429, with a time to come back when asked for", async () => {
    const seen = await faulty({ kind: "rate-limit", errorCode: "TRANSACTIONS_SYNC_LIMIT", retryAfterSeconds: 7 });
    expect([seen.status, seen.headers["retry-after"]]).toEqual([429, "7"]);
    expect(JSON.parse(seen.body)).toMatchObject({
      error_type: "RATE_LIMIT_EXCEEDED",
      error_code: "TRANSACTIONS_SYNC_LIMIT",
    });
    expect((await faulty({ kind: "rate-limit" })).headers).not.toHaveProperty("retry-after");
    for (const errorCode of ["BRAND_NEW_LIMIT", "INSTITUTION_DOWN"]) {
      expect((await faulty({ kind: "rate-limit", errorCode })).status).toBe(429);
    }
  });

  test.each([
    [{ kind: "latency", ms: 60 }, 59],
    [{ kind: "latency", when: "after", percentiles: { p50: 0, p90: 40, p99: 160 } }, 95],
  ] as const)("%j: late, and right", async (action, atLeastMs) => {
    const seen = await faulty(action);
    expect([seen.status, seen.body, seen.worked]).toEqual([200, WORK, 1]);
    expect(seen.tookMs).toBeGreaterThanOrEqual(atLeastMs);
  });

  test("nothing, until the caller leaves", async () => {
    const seen = await faulty({ kind: "hang" }, { abortAfterMs: 50 });
    expect([seen.status, seen.error, seen.worked]).toEqual([null, "left", 0]);
    expect(seen.outcome).toEqual({ over: true, status: null, errorCode: null });
  });

  test("nothing, until the simulator stops", async () => {
    const seen = await faulty({ kind: "hang", when: "after" }, { stopEarly: true });
    expect([seen.status, seen.error, seen.worked]).toEqual([null, "ECONNRESET", 1]);
  });

  test.each([
    ["before", 0],
    ["after", 1],
  ] as const)("a reset %s the work: it was done %i times", async (when, worked) => {
    const seen = await faulty({ kind: "reset", when });
    expect([seen.status, seen.error, seen.worked]).toEqual([null, "ECONNRESET", worked]);
  });

  test("half of the answer, promised whole", async () => {
    const seen = await faulty({ kind: "truncate" });
    expect([seen.status, seen.error, seen.worked]).toEqual([200, "ECONNRESET", 1]);
    expect(seen.headers["content-length"]).toBe(String(WORK.length));
    expect(seen.body).toBe(WORK.slice(0, WORK.length / 2));
    expect((await faulty({ kind: "truncate", keepBytes: 1e6 })).body).toBe(WORK.slice(0, -1));
  });

  test("200 and a page", async () => {
    const seen = await faulty({ kind: "html" });
    expect([seen.status, seen.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
    expect(seen.body).toMatch(/^<!DOCTYPE html>/);
  });

  test("another place to go to", async () => {
    const location = "http://localhost:1/stolen";
    const seen = await faulty({ kind: "redirect", location, status: 307 });
    expect([seen.status, seen.headers["location"]]).toEqual([307, location]);
  });

  test("the answer in drops, or until the simulator stops", async () => {
    const seen = await faulty({ kind: "drip", bytes: 64, everyMs: 5 });
    expect([seen.status, seen.body]).toEqual([200, WORK]);
    expect(seen.chunks).toBeGreaterThan(1);
    const cut = await faulty({ kind: "drip", bytes: 1, everyMs: 10_000 }, { stopEarly: true });
    expect([cut.error, cut.body.length]).toEqual(["ECONNRESET", expect.any(Number)]);
    expect(cut.body.length).toBeLessThan(WORK.length);
  });

  test("the right answer under a wrong name", async () => {
    const seen = await faulty({ kind: "content-type", contentType: "text/csv" });
    expect([seen.headers["content-type"], seen.body]).toEqual(["text/csv", WORK]);
  });
});
