import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { isSecretName, maskSecrets, redact, redactFields } from "./redaction.js";

describe("redaction by name", () => {
  test.each([
    "authorization",
    "Authorization",
    "token",
    "access_token",
    "accessToken",
    "refreshToken",
    "Refresh-Token",
    "password",
    "passwordHash",
    "newPassword",
    "clientSecret",
    "apiKey",
    "x-api-key",
    "privateJwk",
    "cookie",
    "set-cookie",
    "masterKey",
    "x-florin-viewer",
    "x-consistency-token",
  ])("takes %s for a secret", (name) => {
    expect(isSecretName(name)).toBe(true);
  });

  test.each([
    "idempotencyKey",
    "apiKeyId",
    "tokenCount",
    "tokens",
    "key",
    "keyId",
    "accountId",
    "sessionId",
    "currency",
  ])("does not take %s for a secret", (name) => {
    expect(isSecretName(name)).toBe(false);
  });

  test("holds at any depth, through arrays, maps, sets, errors and causes", () => {
    const canary = "the-canary-value";
    const error = Object.assign(new Error("failed", { cause: { refreshToken: canary } }), { password: canary });
    const copied = redact({
      a: [{ b: { secret: canary } }],
      map: new Map([["token", canary]]),
      set: new Set([{ apiKey: canary }]),
      error,
      headers: { Authorization: canary, accept: "json" },
    });
    const text = JSON.stringify(copied);
    expect(text).not.toContain(canary);
    expect(text).toContain('"accept":"json"');
    expect(text).toContain('"message":"failed"');
  });

  test("no secret survives wherever it is planted", () => {
    const canary = "c4n4ry-9f3b";
    const innocent = fc.jsonValue({ maxDepth: 3 });
    const path = fc.array(fc.constantFrom("input", "user", "list", "0", "data"), { maxLength: 12 });
    const secretName = fc.constantFrom("password", "accessToken", "client_secret", "AUTHORIZATION", "apiKey");
    fc.assert(
      fc.property(path, secretName, innocent, (keys, name, other) => {
        const planted = keys.reduceRight<unknown>((inner, key) => ({ [key]: inner, other }), {
          [name]: { deep: [canary] },
        });
        expect(JSON.stringify(redact(planted))).not.toContain(canary);
      }),
    );
  });
});

describe("redaction by shape", () => {
  const jwt = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c3JfMSJ9.c2lnbmF0dXJlLWJ5dGVz";
  const apiKey = `florin_sk_${"A1b2-".repeat(8)}xyz`;

  test.each([
    ["a JSON Web Token", `refused ${jwt} today`, "eyJhb"],
    ["a token cut off in the middle", `refused ${jwt.slice(0, 30)}`, "eyJhb"],
    ["an API key", `key ${apiKey}.`, "florin_sk_A"],
    ["a bearer", "header Bearer abcdef0123456789.~+/=", "abcdef"],
    ["basic credentials", "Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcj"],
    ["the password of a URL", "connect postgres://florin:s3cr3t@db:5432/florin", "s3cr3t"],
    ["a URL's password that holds a slash's code", "redis://:p%2Fq@cache", "p%2Fq"],
  ])("masks %s", (_name, text, secret) => {
    expect(maskSecrets(text)).not.toContain(secret);
    expect(maskSecrets(text)).toContain("[redacted]");
  });

  test("leaves ordinary text as it is, and JSON valid", () => {
    const text = "account acct_01hf3 of 12.50 USD at http://localhost:4000/graphql, bearer of news";
    expect(maskSecrets(text)).toBe(text);
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), (value, prefix) => {
        const line = JSON.stringify({ value, msg: `${prefix} Bearer ${jwt} ${apiKey}` });
        expect(() => JSON.parse(maskSecrets(line))).not.toThrow();
      }),
    );
  });

  test("is quick on long hostile text", () => {
    const started = performance.now();
    for (const unit of ["eyJ", "://", "a:", "Bearer ", "florin_", "http://a", "x://a:", "a.", "a-", "Basic a"]) {
      maskSecrets(unit.repeat(Math.floor(50_000 / unit.length)));
    }
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

describe("redaction keeps a line readable and bounded", () => {
  test("shows bigints, dates and bytes as text", () => {
    expect(redactFields({ position: 12n, at: new Date(0), body: Buffer.from("abc") })).toEqual({
      position: "12",
      at: "1970-01-01T00:00:00.000Z",
      body: "[3 bytes]",
    });
  });

  test("cuts cycles, depth, width and long text", () => {
    const loop: Record<string, unknown> = {};
    loop["self"] = loop;
    expect(redact(loop)).toEqual({ self: "[circular]" });
    let deep: unknown = "bottom";
    for (let i = 0; i < 100; i++) deep = { deep };
    expect(JSON.stringify(redact(deep))).toContain("[cut: too deep]");
    expect(redact(Array.from({ length: 150 }, () => 1))).toHaveLength(101);
    expect(JSON.stringify(redact("x".repeat(100_000))).length).toBeLessThan(10_000);
  });

  test("an object that cannot be read does not throw", () => {
    const trap = {
      get field(): string {
        throw new Error("do not look");
      },
    };
    expect(redactFields(trap)).toEqual({ logFault: expect.any(String) });
    expect(redactFields({ url: new URL("http://localhost/x") })).toEqual({ url: "http://localhost/x" });
  });
});

describe("secrets of linked accounts", () => {
  const uuid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

  test.each(["access-sandbox", "access-production", "public-sandbox", "link-production", "access-development"])(
    "a token of the kind %s is masked wherever it stands",
    (kind) => {
      for (const text of [`"${kind}-${uuid}"`, `?t=${kind}-${uuid}&x=1`, `took ${kind}-${uuid}.`])
        expect(maskSecrets(text)).not.toContain("4b5a");
    },
  );

  test("words that only look alike stay", () => {
    const text = "public-sandbox and link-production are kinds; access-control-allow-origin is a header";
    expect(maskSecrets(text)).toBe(text);
  });

  test("whole numbers are hidden by their names, masked ones are shown", () => {
    expect(
      redactFields({
        account_number: "3120194154",
        payment_reference_number: "4277075694",
        accountNumberMasked: "••4154",
      }),
    ).toEqual({
      account_number: "[redacted]",
      payment_reference_number: "[redacted]",
      accountNumberMasked: "••4154",
    });
  });
});
