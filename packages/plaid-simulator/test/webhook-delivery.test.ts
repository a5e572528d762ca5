import { SimulatorClock } from "../src/clock.js";
import { WebhookDelivery, type WebhookDeliveryOptions } from "../src/webhook-delivery.js";
import { parseTarget, TargetRefused } from "../src/webhook-target.js";
import { WebhookSigner } from "../src/webhook-signer.js";
import { startWebhookReceiver, type ReceivedWebhook, type ReceiverAnswer } from "./webhook-receiver.js";

const START = new Date("2026-03-01T12:00:00Z");
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const stops: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** A sequence of draws from a fixed start: the same at every run. */
function draws(): () => number {
  let state = 1;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

function deliveryFrom(options: Partial<WebhookDeliveryOptions> = {}) {
  const clock = new SimulatorClock({ mode: "virtual", startAt: START });
  const signer = new WebhookSigner(clock);
  const delivery = new WebhookDelivery({ signer, clock, random: draws(), ...options });
  stops.push(() => {
    delivery.stop();
    clock.stop();
  });
  return { clock, signer, delivery };
}

async function receiver(answer?: (webhook: ReceivedWebhook) => ReceiverAnswer | undefined) {
  const started = await startWebhookReceiver(answer);
  stops.push(started.stop);
  return started;
}

const webhook = (code: string) => ({ webhook_type: "ITEM", webhook_code: code, item_id: "item-1" });
const codesOf = (received: readonly ReceivedWebhook[]): unknown[] =>
  received.map(({ body }) => (JSON.parse(body) as { webhook_code: unknown }).webhook_code);
const minutesAfterStart = (at: string): number => (Date.parse(at) - START.getTime()) / MINUTE;

describe("delivery", () => {
  test("sends the body with two spaces of indent and its signature, once, when it is accepted", async () => {
    const { delivery, clock } = deliveryFrom();
    const { url, received } = await receiver();
    delivery.send(url, webhook("LOGIN_REPAIRED"), { itemId: "item-1" });
    await delivery.settled();
    await clock.advance(48 * HOUR);
    expect(received.map(({ body }) => body)).toEqual([JSON.stringify(webhook("LOGIN_REPAIRED"), null, 2)]);
    expect(received[0]?.jwt?.split(".")).toHaveLength(3);
    expect(received[0]?.headers["content-type"]).toBe("application/json");
    expect(delivery.attempts()).toEqual([
      {
        delivery: "delivery-1",
        attempt: 1,
        at: START.toISOString(),
        target: url,
        webhookType: "ITEM",
        webhookCode: "LOGIN_REPAIRED",
        itemId: "item-1",
        attack: null,
        outcome: "accepted",
        status: 200,
        reason: null,
        nextAttemptAt: null,
      },
    ]);
  });

  test("tries again after 30 s and then four times as long each time, signed anew, until a day has passed", async () => {
    const { delivery, clock } = deliveryFrom();
    const { url, received } = await receiver(() => ({ status: 503 }));
    delivery.send(url, webhook("LOGIN_REPAIRED"));
    await delivery.settled();
    await clock.advance(72 * HOUR);
    const attempts = delivery.attempts();
    expect(attempts.map(({ at }) => minutesAfterStart(at))).toEqual([0, 0.5, 2.5, 10.5, 42.5, 170.5, 682.5]);
    expect(attempts.at(-1)?.nextAttemptAt).toBeNull();
    const issuedAt = received.map(({ jwt = "" }) => {
      const claims = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()) as { iat: number };
      return (claims.iat * 1000 - START.getTime()) / MINUTE;
    });
    expect(issuedAt).toEqual([0, 0.5, 2.5, 10.5, 42.5, 170.5, 682.5]);
    expect(delivery.waiting).toBe(0);
  });

  test.each([201, 204, 301, 401, 500])("%i is no acceptance and nothing is followed", async (status) => {
    const { delivery } = deliveryFrom();
    const elsewhere = await receiver();
    const { url, received } = await receiver(() => ({ status, headers: { location: elsewhere.url } }));
    delivery.send(url, webhook("LOGIN_REPAIRED"));
    await delivery.settled();
    expect(delivery.attempts()).toMatchObject([{ outcome: "rejected", status, nextAttemptAt: expect.any(String) }]);
    expect(received).toHaveLength(1);
    expect(elsewhere.received).toHaveLength(0);
  });

  test("a retry that is accepted ends it", async () => {
    const { delivery, clock } = deliveryFrom();
    let calls = 0;
    const { url, received } = await receiver(() => ({ status: (calls += 1) === 1 ? 500 : 200 }));
    delivery.send(url, webhook("LOGIN_REPAIRED"));
    await delivery.settled();
    await clock.advance(24 * HOUR);
    expect(delivery.attempts().map(({ outcome }) => outcome)).toEqual(["rejected", "accepted"]);
    expect(received).toHaveLength(2);
  });

  test("silence is no acceptance", async () => {
    const { delivery } = deliveryFrom({ answerTimeoutMs: 50 });
    const { url } = await receiver(() => undefined);
    delivery.send(url, webhook("LOGIN_REPAIRED"));
    await delivery.settled();
    expect(delivery.attempts()).toMatchObject([{ outcome: "unanswered", reason: "no answer in time", status: null }]);
    expect(delivery.waiting).toBe(1);
  });

  test("a port where nobody listens is tried again too", async () => {
    const { delivery, clock } = deliveryFrom();
    const { url, stop } = await receiver();
    await stop();
    delivery.send(url, webhook("LOGIN_REPAIRED"));
    await delivery.settled();
    await clock.advance(30_000);
    expect(delivery.attempts().map(({ outcome }) => outcome)).toEqual(["unanswered", "unanswered"]);
  });

  test.each([
    ["120", 2],
    [new Date(START.getTime() + 5 * MINUTE).toUTCString(), 5],
    ["86400", 240],
    ["soon", 0.5],
    ["3600", 0.5, 503],
  ])("a 429 that asks to come back (%s) is heard, up to four hours", async (retryAfter, minutes, status = 429) => {
    const { delivery } = deliveryFrom();
    const { url } = await receiver(() => ({ status, headers: { "retry-after": retryAfter } }));
    delivery.send(url, webhook("LOGIN_REPAIRED"));
    await delivery.settled();
    expect(minutesAfterStart(delivery.attempts()[0]?.nextAttemptAt ?? "")).toBe(minutes);
  });

  test("a receiver that rejects more than nine in ten gets no retries, until a day later", async () => {
    const { delivery, clock } = deliveryFrom();
    const { url } = await receiver(() => ({ status: 400 }));
    for (let sent = 0; sent < 10; sent += 1) delivery.send(url, webhook("LOGIN_REPAIRED"));
    await delivery.settled();
    const [first, ...others] = delivery.attempts();
    expect(first?.nextAttemptAt).not.toBeNull();
    expect(others.at(-1)?.nextAttemptAt).toBeNull();
    await clock.advance(49 * HOUR);
    delivery.clearAttempts();
    delivery.send(url, webhook("LOGIN_REPAIRED"));
    await delivery.settled();
    expect(delivery.attempts()).toMatchObject([{ outcome: "rejected", nextAttemptAt: expect.any(String) }]);
  });

  test("nine in ten are not more than nine in ten", async () => {
    const { delivery } = deliveryFrom();
    let calls = 0;
    const { url } = await receiver(() => ({ status: (calls += 1) === 1 ? 200 : 500 }));
    for (let sent = 0; sent < 10; sent += 1) {
      delivery.send(url, webhook("LOGIN_REPAIRED"));
      await delivery.settled();
    }
    expect(delivery.attempts().at(-1)).toMatchObject({ outcome: "rejected", nextAttemptAt: expect.any(String) });
  });

  test("a receiver that asks to be asked later is not one that rejects", async () => {
    const { delivery } = deliveryFrom();
    const { url } = await receiver(() => ({ status: 429 }));
    for (let sent = 0; sent < 20; sent += 1) delivery.send(url, webhook("LOGIN_REPAIRED"));
    await delivery.settled();
    expect(delivery.attempts().map(({ nextAttemptAt }) => nextAttemptAt)).not.toContain(null);
  });

  test("nothing is sent after it was stopped, and what was on its way is cut", async () => {
    const { delivery, clock } = deliveryFrom();
    const silent = await receiver(() => undefined);
    delivery.send(silent.url, webhook("LOGIN_REPAIRED"));
    delivery.send(silent.url, webhook("LOGIN_REPAIRED"), { mode: { kind: "delay", delayMs: 1_000 } });
    delivery.stop();
    await delivery.settled();
    delivery.send(silent.url, webhook("LOGIN_REPAIRED"));
    await clock.advance(HOUR);
    expect(delivery.attempts()).toEqual([]);
  });

  test("what no longer fits is recorded, not kept", async () => {
    const { delivery } = deliveryFrom();
    const { url } = await receiver();
    for (let sent = 0; sent < 10_001; sent += 1) {
      delivery.send(url, webhook("LOGIN_REPAIRED"), { mode: { kind: "delay", delayMs: 1_000 } });
    }
    expect(delivery.waiting).toBe(10_000);
    expect(delivery.attempts().map(({ outcome }) => outcome)).toEqual(["overflow"]);
  });
});

describe("targets", () => {
  test("an address off this machine is refused when it is given, a name when it is resolved", () => {
    expect(() => parseTarget("http://192.0.2.1/hook")).toThrow(TargetRefused);
    expect(() => parseTarget("http://[2001:db8::1]/hook")).toThrow(TargetRefused);
    expect(parseTarget("http://[::1]:4000/hook").port).toBe("4000");
    expect(parseTarget("http://gateway.test/hook").hostname).toBe("gateway.test");
  });

  test.each([
    "http://192.0.2.1/hook",
    "http://10.0.0.1/hook",
    "http://169.254.169.254/latest",
    "http://0.0.0.0/hook",
    "http://[::ffff:192.0.2.1]/hook",
    "http://127.0.0.1@192.0.2.1/hook",
    "https://127.0.0.1/hook",
    "file:///etc/passwd",
    "not a url",
  ])("%s is refused and not retried", async (target) => {
    const { delivery, clock } = deliveryFrom({ resolve: () => Promise.reject(new Error("asked for a name")) });
    delivery.send(target, webhook("LOGIN_REPAIRED"));
    await delivery.settled();
    await clock.advance(24 * HOUR);
    expect(delivery.attempts()).toMatchObject([{ outcome: "refused-target", attempt: 0, nextAttemptAt: null }]);
  });

  test("a name with one address off this machine is refused whole", async () => {
    const { delivery } = deliveryFrom({ resolve: () => Promise.resolve(["127.0.0.1", "192.0.2.1"]) });
    const { port, received } = await receiver();
    delivery.send(`http://two-faced.test:${port}/hook`, webhook("LOGIN_REPAIRED"));
    await delivery.settled();
    expect(delivery.attempts()).toMatchObject([{ outcome: "refused-target" }]);
    expect(received).toHaveLength(0);
  });

  test("a name is resolved once an attempt, and what was checked is where it goes", async () => {
    const asked: string[] = [];
    const { delivery } = deliveryFrom({
      resolve: (hostname) => {
        asked.push(hostname);
        return Promise.resolve(asked.length === 1 ? ["127.0.0.1"] : ["192.0.2.1"]);
      },
    });
    const { port, received } = await receiver();
    delivery.send(`http://rebinding.test:${port}/hook?x=1`, webhook("LOGIN_REPAIRED"));
    await delivery.settled();
    expect(asked).toEqual(["rebinding.test"]);
    expect(received.map(({ headers }) => headers.host)).toEqual([`rebinding.test:${port}`]);
  });
});

describe("modes", () => {
  test("duplicates come as often as asked, each with its own signature", async () => {
    const { delivery } = deliveryFrom();
    const { url, received } = await receiver();
    delivery.send(url, webhook("LOGIN_REPAIRED"), { mode: { kind: "duplicate", copies: 2 } });
    await delivery.settled();
    expect(received).toHaveLength(3);
    expect(new Set(received.map(({ body }) => body)).size).toBe(1);
    expect(new Set(received.map(({ jwt }) => jwt)).size).toBe(3);
  });

  test("a replay repeats the very bytes, signature and all", async () => {
    const { delivery } = deliveryFrom();
    const { url, received } = await receiver();
    delivery.send(url, webhook("LOGIN_REPAIRED"), { mode: { kind: "duplicate", copies: 1, resign: false } });
    await delivery.settled();
    expect(received).toHaveLength(2);
    expect(new Set(received.map(({ jwt }) => jwt)).size).toBe(1);
  });

  test("a delay is of the simulator's clock", async () => {
    const { delivery, clock } = deliveryFrom();
    const { url, received } = await receiver();
    delivery.send(url, webhook("LOGIN_REPAIRED"), { mode: { kind: "delay", delayMs: HOUR } });
    await clock.advance(HOUR - 1);
    expect(received).toHaveLength(0);
    await clock.advance(1);
    expect(received).toHaveLength(1);
  });

  test("a drop leaves a record alone", async () => {
    const { delivery } = deliveryFrom();
    const { url, received } = await receiver();
    delivery.send(url, webhook("LOGIN_REPAIRED"), { mode: { kind: "drop" } });
    await delivery.settled();
    expect(received).toHaveLength(0);
    expect(delivery.attempts()).toMatchObject([{ outcome: "dropped", attempt: 0 }]);
  });

  test("a standing reorder sends a window in another order, and what is left when its time is up", async () => {
    const { delivery, clock } = deliveryFrom();
    const { url, received } = await receiver();
    delivery.setMode({ mode: { kind: "reorder", window: 3, holdMs: 1_000 } });
    for (const code of ["A", "B", "C", "D", "E"]) delivery.send(url, webhook(code));
    await clock.advance(1_000);
    await delivery.settled();
    expect([...codesOf(received)].sort()).toEqual(["A", "B", "C", "D", "E"]);
    expect(codesOf(received)).not.toEqual(["A", "B", "C", "D", "E"]);
  });

  test("a standing mode is for as many webhooks as it says, or for a part of them", async () => {
    const { delivery } = deliveryFrom();
    const { url, received } = await receiver();
    delivery.setMode({ mode: { kind: "drop" }, times: 2 });
    for (const code of ["A", "B", "C"]) delivery.send(url, webhook(code));
    await delivery.settled();
    expect(codesOf(received)).toEqual(["C"]);
    expect(delivery.mode).toEqual({ mode: { kind: "normal" }, probability: 1 });
    delivery.setMode({ mode: { kind: "drop" }, probability: 0.5 });
    for (let sent = 0; sent < 100; sent += 1) delivery.send(url, webhook("D"));
    await delivery.settled();
    expect(received.length).toBeGreaterThan(20);
    expect(received.length).toBeLessThan(80);
  });

  test("an attack is sent once, whatever comes back, and does not count against the receiver", async () => {
    const { delivery, clock } = deliveryFrom();
    const { url, received } = await receiver(({ jwt }) => ({ status: jwt === undefined ? 401 : 200 }));
    for (let sent = 0; sent < 20; sent += 1) delivery.send(url, webhook("LOGIN_REPAIRED"), { attack: "no-signature" });
    await delivery.settled();
    await clock.advance(24 * HOUR);
    expect(received).toHaveLength(20);
    expect(new Set(delivery.attempts().map(({ attack, outcome }) => `${attack} ${outcome}`))).toEqual(
      new Set(["no-signature rejected"]),
    );
  });

  test("a mode nobody knows is refused with what is wrong", () => {
    const { delivery } = deliveryFrom();
    const unknown: unknown = { mode: { kind: "sideways" } };
    expect(() => delivery.setMode(unknown as never)).toThrow(/delivery mode was not understood: mode\.kind/);
  });
});
