import { createHash, createHmac, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { beforeEach, describe, expect, it } from "@jest/globals";
import { instantFromMillis } from "@florin/kernel";
import { PlaidCallError, type PlaidErrorClass } from "./plaid-call-error.js";
import type { WebhookVerificationKey } from "./plaid-port.js";
import { createWebhookVerifier, type WebhookVerifier } from "./webhook-verifier.js";

const NOW_SECONDS = 1_800_000_000;
const BODY = JSON.stringify({ webhook_type: "ITEM", webhook_code: "ERROR", environment: "sandbox" }, null, 2);

interface TestKey {
  readonly keyId: string;
  readonly privateKey: KeyObject;
  readonly jwk: WebhookVerificationKey;
}

function makeKey(keyId: string, more: Partial<WebhookVerificationKey> = {}): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  const jwk = { keyId, algorithm: "ES256", curve: "P-256", keyType: "EC", x, y, expiredAtSeconds: undefined, ...more };
  return { keyId, privateKey, jwk };
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const hashOf = (body: string) => createHash("sha256").update(body).digest("hex");

function jwtOf(key: TestKey, options: { iat?: number; body?: string; header?: object; encoding?: "der" } = {}): string {
  const { iat = NOW_SECONDS, body = BODY, header = {}, encoding } = options;
  const head = encode({ alg: "ES256", kid: key.keyId, typ: "JWT", ...header });
  const signed = `${head}.${encode({ iat, request_body_sha256: hashOf(body) })}`;
  const dsaEncoding = encoding ?? "ieee-p1363";
  return `${signed}.${sign("sha256", Buffer.from(signed), { key: key.privateKey, dsaEncoding }).toString("base64url")}`;
}

function plaidSays(errorCode: string, errorClass: PlaidErrorClass): PlaidCallError {
  return new PlaidCallError({
    endpoint: "/webhook_verification_key/get",
    httpStatus: 400,
    errorType: "INVALID_INPUT",
    errorCode,
    displayMessage: undefined,
    requestId: undefined,
    class: errorClass,
    isOutcomeUnknown: false,
    retryAfterMs: undefined,
  });
}

const unknownKey = () => plaidSays("INVALID_WEBHOOK_VERIFICATION_KEY_ID", "REFUSED_INPUT");

let known: Map<string, TestKey>;
let failure: Error | undefined;
let lookups: string[];
let nowSeconds: number;
let verifier: WebhookVerifier;
const key = makeKey("key-1");

beforeEach(() => {
  known = new Map([[key.keyId, key]]);
  failure = undefined;
  lookups = [];
  nowSeconds = NOW_SECONDS;
  verifier = createWebhookVerifier({
    fetchKey: async (keyId) => {
      lookups.push(keyId);
      await Promise.resolve();
      if (failure !== undefined) throw failure;
      const found = known.get(keyId);
      if (found === undefined) throw unknownKey();
      return found.jwk;
    },
    clock: { now: () => instantFromMillis(nowSeconds * 1_000) },
    environment: "sandbox",
  });
});

const verify = (header: string | undefined, body: string | Uint8Array = BODY) =>
  verifier.verify({ rawBody: typeof body === "string" ? Buffer.from(body) : body, header });

describe("a webhook of Plaid's", () => {
  it("is believed with its body and the time it was signed", async () => {
    expect(await verify(jwtOf(key))).toEqual({
      outcome: "verified",
      replayKey: expect.stringMatching(/^[0-9a-f]{64}$/),
      iat: NOW_SECONDS,
      body: JSON.parse(BODY) as unknown,
    });
  });

  it("is believed up to five minutes after it was signed, and with a clock that is half a minute ahead", async () => {
    for (const iat of [NOW_SECONDS - 300, NOW_SECONDS + 30])
      expect(await verify(jwtOf(key, { iat }))).toMatchObject({ outcome: "verified" });
  });

  it("has one replay key when it is sent again, even with its signature turned, and another when it is signed anew", async () => {
    const replayKeyOf = async (header: string) => {
      const verdict = await verify(header);
      if (verdict.outcome !== "verified") throw new Error(JSON.stringify(verdict));
      return verdict.replayKey;
    };
    const header = jwtOf(key);
    const first = await replayKeyOf(header);
    expect(await replayKeyOf(header)).toBe(first);
    expect(await replayKeyOf(turned(header))).toBe(first);
    expect(turned(header)).not.toBe(header);
    expect(await replayKeyOf(jwtOf(key))).not.toBe(first);
  });
});

/** (r, n − s) in place of (r, s): it verifies as well. */
function turned(header: string): string {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const [head = "", payload = "", tail = ""] = header.split(".");
  const signature = Buffer.from(tail, "base64url");
  const s = order - BigInt(`0x${signature.subarray(32).toString("hex")}`);
  const other = Buffer.from(s.toString(16).padStart(64, "0"), "hex");
  return `${head}.${payload}.${Buffer.concat([signature.subarray(0, 32), other]).toString("base64url")}`;
}

describe("what is refused", () => {
  const other = makeKey("key-1");
  const hs256 = () => {
    const signed = `${encode({ alg: "HS256", kid: "key-1" })}.${encode({ iat: NOW_SECONDS, request_body_sha256: hashOf(BODY) })}`;
    return `${signed}.${createHmac("sha256", key.jwk.x).update(signed).digest("base64url")}`;
  };
  const withoutKey = (alg: string) => `${encode({ alg, kid: "key-1" })}.${encode({ iat: NOW_SECONDS })}.`;
  const attacks: readonly (readonly [string, string, () => string | undefined, (string | Uint8Array)?])[] = [
    ["no header", "no_header", () => undefined],
    ["an empty header", "no_header", () => ""],
    ["a header that is no JWT", "malformed", () => "a.b"],
    ["a header without end", "malformed", () => `${jwtOf(key)}${"A".repeat(3_000)}`],
    ["no key id", "malformed", () => jwtOf(key, { header: { kid: undefined } })],
    ["critical extensions", "malformed", () => jwtOf(key, { header: { crit: ["b64"], b64: false } })],
    ["alg none", "wrong_algorithm", () => withoutKey("none")],
    ["HS256 over the public key", "wrong_algorithm", hs256],
    ["ES256 in small letters", "wrong_algorithm", () => jwtOf(key, { header: { alg: "es256" } })],
    ["a DER signature", "bad_signature", () => jwtOf(key, { encoding: "der" })],
    [
      "a signature of zeros",
      "bad_signature",
      () => jwtOf(key).replace(/[^.]*$/, Buffer.alloc(64).toString("base64url")),
    ],
    ["a signature by another key of that name", "bad_signature", () => jwtOf(other)],
    [
      "a claim changed after signing",
      "bad_signature",
      () => {
        const [head = "", , tail = ""] = jwtOf(key).split(".");
        return `${head}.${encode({ iat: NOW_SECONDS, request_body_sha256: hashOf("x") })}.${tail}`;
      },
    ],
    ["a key that Plaid does not know", "unknown_key", () => jwtOf(makeKey("key-9"))],
    ["one that is too old", "stale", () => jwtOf(key, { iat: NOW_SECONDS - 301 })],
    ["one from the future", "from_the_future", () => jwtOf(key, { iat: NOW_SECONDS + 31 })],
    ["a body with one space more", "altered_body", () => jwtOf(key), `${BODY} `],
    ["a body written again", "altered_body", () => jwtOf(key), JSON.stringify(JSON.parse(BODY))],
    ["a body above 256 kB", "too_large", () => jwtOf(key), Buffer.alloc(256 * 1_024 + 1)],
    ["a body that is no object", "unreadable_body", () => jwtOf(key, { body: "[1]" }), "[1]"],
    [
      "another environment",
      "other_environment",
      () => jwtOf(key, { body: '{"environment":"production"}' }),
      '{"environment":"production"}',
    ],
    ["no environment", "other_environment", () => jwtOf(key, { body: "{}" }), "{}"],
  ];
  it.each(attacks.map(([name, reason, header, body]) => ({ name, reason, header, body })))(
    "$name",
    async ({ reason, header, body }) => {
      expect(await verify(header(), body)).toEqual({ outcome: "refused", reason });
    },
  );

  it("a body of bytes that are no text", async () => {
    const bytes = Buffer.from([0x7b, 0xff, 0x7d]);
    const head = encode({ alg: "ES256", kid: "key-1" });
    const signed = `${head}.${encode({ iat: NOW_SECONDS, request_body_sha256: createHash("sha256").update(bytes).digest("hex") })}`;
    const tail = sign("sha256", Buffer.from(signed), { key: key.privateKey, dsaEncoding: "ieee-p1363" });
    expect(await verify(`${signed}.${tail.toString("base64url")}`, bytes)).toEqual({
      outcome: "refused",
      reason: "unreadable_body",
    });
  });

  it("a key that has expired, also where we knew it before", async () => {
    const old = makeKey("old", { expiredAtSeconds: NOW_SECONDS + 60 });
    known.set("old", old);
    expect(await verify(jwtOf(old))).toMatchObject({ outcome: "verified" });
    nowSeconds += 60;
    expect(await verify(jwtOf(old))).toEqual({ outcome: "refused", reason: "expired_key" });
  });

  it("before any key is looked for: everything that shows by itself", async () => {
    for (const header of [undefined, "a.b", withoutKey("none"), hs256(), jwtOf(key, { encoding: "der" })])
      await verify(header);
    await verify(jwtOf(key), Buffer.alloc(256 * 1_024 + 1));
    expect(lookups).toEqual([]);
  });
});

describe("keys", () => {
  it("are fetched once, however many webhooks come together, and a new one by its own id", async () => {
    const verdicts = await Promise.all(Array.from({ length: 20 }, () => verify(jwtOf(key))));
    expect(verdicts.every((verdict) => verdict.outcome === "verified")).toBe(true);
    expect(lookups).toEqual(["key-1"]);
    known.set("key-2", makeKey("key-2"));
    expect(await verify(jwtOf(known.get("key-2") ?? key))).toMatchObject({ outcome: "verified" });
    expect(await verify(jwtOf(key))).toMatchObject({ outcome: "verified" });
    expect(lookups).toEqual(["key-1", "key-2"]);
  });

  it("are asked for again after an hour: only there does Plaid say that one has expired", async () => {
    await verify(jwtOf(key));
    known.set("key-1", { ...key, jwk: { ...key.jwk, expiredAtSeconds: NOW_SECONDS + 10 } });
    nowSeconds += 3_601;
    expect(await verify(jwtOf(key, { iat: nowSeconds }))).toEqual({ outcome: "refused", reason: "expired_key" });
    expect(lookups).toHaveLength(2);
  });

  it.each([
    ["a limit", plaidSays("RATE_LIMIT", "BACKOFF")],
    ["a failure", plaidSays("INTERNAL_SERVER_ERROR", "TRANSIENT")],
    ["silence", plaidSays("TIMEOUT", "TRANSIENT")],
    ["our own mistake", plaidSays("INVALID_API_KEYS", "OPERATOR")],
    ["something else", new Error("socket")],
  ])("that cannot be fetched are nobody's fault and not remembered: %s", async (_name, error) => {
    failure = error;
    expect(await verify(jwtOf(key))).toEqual({ outcome: "unavailable" });
    failure = undefined;
    expect(await verify(jwtOf(key))).toMatchObject({ outcome: "verified" });
  });

  it.each([
    ["another algorithm", { algorithm: "ES384" }],
    ["another curve", { curve: "P-384" }],
    ["another name", { keyId: "key-3" }],
    ["a point off the curve", { y: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }],
  ])("that are not what was asked for are not used: %s", async (_name, change) => {
    known.set("key-1", { ...key, jwk: { ...key.jwk, ...change } });
    expect(await verify(jwtOf(key))).toEqual({ outcome: "unavailable" });
  });

  it("that are unknown are remembered for a while, and strangers' ids cost no more than the look-ups of a minute", async () => {
    const stranger = makeKey("stranger-0");
    for (let time = 1; time <= 5; time++)
      expect(await verify(jwtOf(stranger))).toEqual({ outcome: "refused", reason: "unknown_key" });
    expect(lookups).toHaveLength(1);
    await verify(jwtOf(key));
    for (let n = 1; n <= 100; n++) await verify(jwtOf({ ...stranger, keyId: `stranger-${n}` }));
    expect(lookups).toHaveLength(20);
    expect(await verify(jwtOf({ ...stranger, keyId: "stranger-101" }))).toEqual({ outcome: "unavailable" });
    // A key that we have seen is asked for again all the same.
    nowSeconds += 3_601;
    for (let n = 1; n <= 30; n++) await verify(jwtOf({ ...stranger, keyId: `later-${n}` }));
    expect(await verify(jwtOf(key, { iat: nowSeconds }))).toMatchObject({ outcome: "verified" });
  });
});
