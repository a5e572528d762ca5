import { describe, expect, test } from "@jest/globals";
import { randomBytes } from "node:crypto";
import { generateApiKey, hashApiKey, isApiKey } from "./api-keys.js";

describe("API keys", () => {
  test("carry 256 random bits behind a prefix that scanners find, and are known by their hash alone", () => {
    const { key, keyHash } = generateApiKey(randomBytes);
    expect(key).toMatch(/^florin_sk_[A-Za-z0-9_-]{43}$/);
    expect(isApiKey(key)).toBe(true);
    expect(keyHash).toBe(hashApiKey(key));
    expect(keyHash).toMatch(/^[0-9a-f]{64}$/);
    expect(generateApiKey(randomBytes).key).not.toBe(key);
  });

  test("hash as SHA-256 does, for good: stored hashes must go on matching", () => {
    const { key, keyHash } = generateApiKey(() => new Uint8Array(32));
    expect(key).toBe(`florin_sk_${"A".repeat(43)}`);
    expect(keyHash).toBe("077fcec6c74195578e4aee5ee26f4e1bc2d98df96be57249cd3f166bc244a710");
  });

  test("of another form are told apart without a look-up, and a short source of randomness is a fault", () => {
    for (const text of ["", "florin_sk_", `florin_sk_${"A".repeat(42)}`, `florin_pk_${"A".repeat(43)}`, "eyJhbGciOi"])
      expect(isApiKey(text)).toBe(false);
    expect(() => generateApiKey(() => new Uint8Array(16))).toThrow(/16 bytes instead of 32/);
  });
});
