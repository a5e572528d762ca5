import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  applyTransition,
  generateSigningKey,
  planRotation,
  toPublicJwks,
  type RotationPolicy,
  type SigningKey,
  type SigningKeyState,
} from "./signing-keys.js";

const policy: RotationPolicy = {
  publishAheadMs: 3_600_000,
  activeMs: 24 * 3_600_000,
  maxTokenTtlMs: 600_000,
  leewayMs: 30_000,
  issuerReloadMs: 60_000,
};
const micros = (ms: number) => BigInt(ms) * 1000n;

/** A key without the cost of making one; planning looks at states and times only. */
function keyOf(keyId: string, state: SigningKeyState, times: Partial<SigningKey> = {}): SigningKey {
  const publicJwk = { kty: "OKP", crv: "Ed25519", x: "x", kid: keyId, alg: "EdDSA", use: "sig" } as const;
  return {
    keyId,
    state,
    publicJwk,
    privateJwk: state === "NEXT" || state === "ACTIVE" ? { ...publicJwk, d: "secret" } : undefined,
    createdAt: 0n,
    activatedAt: undefined,
    retiringAt: undefined,
    retiredAt: undefined,
    ...times,
  };
}

/** What a key store does: makes the planned moves in one go. */
function rotate(keys: readonly SigningKey[], now: bigint, newId: () => string): SigningKey[] {
  const stored = new Map(keys.map((key) => [key.keyId, key]));
  for (const transition of planRotation(keys, now, policy)) {
    if (transition.kind === "create") {
      const next = keyOf(newId(), "NEXT", { createdAt: now });
      stored.set(next.keyId, transition.state === "ACTIVE" ? applyTransition(next, "ACTIVE", now) : next);
    } else {
      const key = stored.get(transition.keyId);
      if (key === undefined) throw new Error("a move of a key that is not there");
      stored.set(key.keyId, applyTransition(key, transition.to, now));
    }
  }
  return [...stored.values()];
}

describe("generating a signing key", () => {
  test("makes a NEXT key whose published part holds nothing private", async () => {
    const key = await generateSigningKey("key_1", 42n);
    expect(key).toMatchObject({ keyId: "key_1", state: "NEXT", createdAt: 42n });
    expect(key.privateJwk?.d).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(Object.keys(toPublicJwks([key]).keys[0] ?? {}).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x"]);
  });

  test("publishes no private member even when a public part was stored with one", () => {
    const careless = keyOf("a", "ACTIVE");
    const published = toPublicJwks([{ ...careless, publicJwk: { ...careless.publicJwk, ...careless.privateJwk } }]);
    expect(JSON.stringify(published)).not.toContain("secret");
  });

  test("refuses an id that could be a path or a query", async () => {
    for (const bad of ["", "../../dev/null", "' or 1=1", "a b", "x".repeat(65)])
      await expect(generateSigningKey(bad, 0n)).rejects.toThrow(/no key id/);
  });
});

describe("planning a rotation", () => {
  test.each<[string, SigningKey[], number, ReturnType<typeof planRotation>]>([
    ["no key at all: one that signs at once", [], 0, [{ kind: "create", state: "ACTIVE" }]],
    [
      "nobody signs but a key waits: it takes over, early or not",
      [keyOf("n", "NEXT"), keyOf("r", "RETIRED")],
      1,
      [{ kind: "move", keyId: "n", to: "ACTIVE" }],
    ],
    ["a young key: nothing", [keyOf("a", "ACTIVE", { activatedAt: 0n })], policy.activeMs / 2, []],
    [
      "time to publish the successor",
      [keyOf("a", "ACTIVE", { activatedAt: 0n })],
      policy.activeMs - policy.publishAheadMs,
      [{ kind: "create", state: "NEXT" }],
    ],
    [
      "old enough, but its successor is not published for long enough",
      [keyOf("a", "ACTIVE", { activatedAt: 0n }), keyOf("n", "NEXT", { createdAt: micros(policy.activeMs) })],
      policy.activeMs + policy.publishAheadMs - 1,
      [],
    ],
    [
      "both ready: the old one retires as the new one begins",
      [keyOf("a", "ACTIVE", { activatedAt: 0n }), keyOf("n", "NEXT", { createdAt: 0n })],
      policy.activeMs,
      [
        { kind: "move", keyId: "a", to: "RETIRING" },
        { kind: "move", keyId: "n", to: "ACTIVE" },
      ],
    ],
    [
      "a retiring key stays while a token of its last signer may live",
      [keyOf("a", "ACTIVE", { activatedAt: 0n }), keyOf("r", "RETIRING", { retiringAt: 0n })],
      689_999,
      [],
    ],
    [
      "and goes after that",
      [keyOf("a", "ACTIVE", { activatedAt: 0n }), keyOf("r", "RETIRING", { retiringAt: 0n })],
      690_000,
      [{ kind: "move", keyId: "r", to: "RETIRED" }],
    ],
    [
      "two active keys: the newest goes on",
      [keyOf("old", "ACTIVE", { activatedAt: 0n }), keyOf("new", "ACTIVE", { activatedAt: 5n })],
      1,
      [{ kind: "move", keyId: "old", to: "RETIRING" }],
    ],
  ])("%s", (_name, keys, nowMs, expected) => {
    expect(planRotation(keys, micros(nowMs), policy)).toEqual(expected);
  });

  test("over any stretch of time: one signer, published ahead, verifiable until its last token is gone", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3 * 3_600_000 }), { minLength: 1, maxLength: 150 }), (steps) => {
        let count = 0;
        const newId = () => `k${++count}`;
        let now = 0n;
        let keys = rotate([], now, newId);
        const publishedSince = new Map<string, bigint>();
        const lastSigned = new Map<string, bigint>();
        for (const step of [0, ...steps]) {
          now += micros(step);
          const before = keys;
          keys = rotate(keys, now, newId);
          expect(planRotation(keys, now, policy)).toEqual([]);

          const signers = keys.filter((key) => key.state === "ACTIVE");
          expect(signers).toHaveLength(1);
          for (const key of before.filter(({ state }) => state === "ACTIVE")) lastSigned.set(key.keyId, now);
          const published = new Set(toPublicJwks(keys).keys.map((key) => key.kid));
          for (const kid of published) if (!publishedSince.has(kid)) publishedSince.set(kid, now);
          for (const { keyId, activatedAt } of signers) {
            if (keyId !== "k1")
              expect((activatedAt ?? 0n) - (publishedSince.get(keyId) ?? now)).toBeGreaterThanOrEqual(
                micros(3_600_000),
              );
          }
          for (const [keyId, at] of lastSigned) if (now - at < micros(630_000)) expect(published.has(keyId)).toBe(true);
          for (const key of keys) {
            const mayHavePrivate = key.state === "NEXT" || key.state === "ACTIVE";
            expect(key.privateJwk !== undefined).toBe(mayHavePrivate);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});

test("a key's state only moves one step forward", () => {
  const states: SigningKeyState[] = ["NEXT", "ACTIVE", "RETIRING", "RETIRED"];
  for (const [from, state] of states.entries()) {
    for (const [to, target] of states.entries()) {
      const move = () => applyTransition(keyOf("k", state), target, 9n);
      if (to === from + 1) expect(move().state).toBe(target);
      else expect(move).toThrow(/cannot become/);
    }
  }
});
