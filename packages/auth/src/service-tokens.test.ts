import { beforeAll, describe, expect, test } from "@jest/globals";
import { createTokenIssuer } from "./access-tokens.js";
import { AuthError } from "./auth-error.js";
import { createServiceTokens, createServiceVerifier, generateServiceKey } from "./service-tokens.js";
import { applyTransition, generateSigningKey, type PrivateJwk, type PublicJwk } from "./signing-keys.js";

function createClock() {
  let micros = 1_700_000_000_000_000n;
  return {
    now: () => micros,
    passSeconds: (seconds: number) => {
      micros += BigInt(seconds) * 1_000_000n;
    },
  };
}

interface ServiceKey {
  readonly publicJwk: PublicJwk;
  readonly privateJwk: PrivateJwk;
}
let gateway: ServiceKey;
let payments: ServiceKey;
beforeAll(async () => {
  [gateway, payments] = await Promise.all([generateServiceKey("gateway"), generateServiceKey("payments")]);
});
const jwks = async () => ({ keys: [gateway.publicJwk, payments.publicJwk] });

async function reasonOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof AuthError)) throw new Error(`expected an AuthError, got ${String(error)}`);
  return error.reason;
}

describe("a service's token", () => {
  test("proves the service to the one it was made for", async () => {
    const clock = createClock();
    const tokens = createServiceTokens({ name: "gateway", privateJwk: gateway.privateJwk, clock });
    const verifier = createServiceVerifier({ audience: "ledger", jwks, clock });
    expect(await verifier.verify(await tokens.tokenFor("ledger"))).toMatchObject({
      principal: "svc:gateway",
      roles: ["SERVICE"],
      scopes: [],
    });
  });

  test("for one service opens no other", async () => {
    const clock = createClock();
    const tokens = createServiceTokens({ name: "gateway", privateJwk: gateway.privateJwk, clock });
    const verifier = createServiceVerifier({ audience: "accounts", jwks, clock });
    expect(await reasonOf(verifier.verify(await tokens.tokenFor("ledger")))).toBe("WRONG_AUDIENCE");
  });

  test("lives a minute, is handed out again for forty seconds, and never with less than twenty left", async () => {
    const clock = createClock();
    const tokens = createServiceTokens({ name: "gateway", privateJwk: gateway.privateJwk, clock });
    const verifier = createServiceVerifier({ audience: "ledger", jwks, clock });
    const first = await tokens.tokenFor("ledger");
    clock.passSeconds(39);
    expect(await tokens.tokenFor("ledger")).toBe(first);
    clock.passSeconds(1);
    const second = await tokens.tokenFor("ledger");
    expect(second).not.toBe(first);
    await verifier.verify(first);
    clock.passSeconds(25); // 65 s: past the leeway
    expect(await reasonOf(verifier.verify(first))).toBe("EXPIRED");
    await verifier.verify(second);
  });

  test("is another one for each audience, and is signed once for many callers at the same time", async () => {
    const tokens = createServiceTokens({ name: "gateway", privateJwk: gateway.privateJwk, clock: createClock() });
    const made = await Promise.all(["ledger", "ledger", "accounts"].map((audience) => tokens.tokenFor(audience)));
    expect(made[0]).toBe(made[1]);
    expect(made[2]).not.toBe(made[0]);
  });

  test("cannot speak as another service: the key's id names its owner", async () => {
    const clock = createClock();
    expect(() => createServiceTokens({ name: "gateway", privateJwk: payments.privateJwk, clock })).toThrow(
      /not a key of/,
    );
    // Payments, broken into, renames its key; the signature is then checked with the real gateway's.
    const renamed = { ...payments.privateJwk, kid: gateway.privateJwk.kid };
    const verifier = createServiceVerifier({ audience: "ledger", jwks, clock });
    const asGateway = createServiceTokens({ name: "gateway", privateJwk: renamed, clock });
    expect(await reasonOf(verifier.verify(await asGateway.tokenFor("ledger")))).toBe("BAD_SIGNATURE");
  });

  test("cannot speak as another service by its claims either", async () => {
    const clock = createClock();
    const { SignJWT, importJWK } = await import("jose");
    const seconds = Number(clock.now() / 1_000_000n);
    const key = await importJWK({ ...payments.privateJwk }, "EdDSA");
    const claim = (issuer: string, subject: string) =>
      new SignJWT({})
        .setProtectedHeader({ alg: "EdDSA", typ: "svc+jwt", kid: payments.privateJwk.kid })
        .setIssuer(issuer)
        .setSubject(subject)
        .setAudience("ledger")
        .setJti("jti")
        .setIssuedAt(seconds)
        .setExpirationTime(seconds + 60)
        .sign(key);
    const verifier = createServiceVerifier({ audience: "ledger", jwks, clock });
    expect(await verifier.verify(await claim("svc:payments", "svc:payments"))).toMatchObject({
      principal: "svc:payments",
    });
    expect(await reasonOf(verifier.verify(await claim("svc:gateway", "svc:gateway")))).toBe("MALFORMED");
    expect(await reasonOf(verifier.verify(await claim("svc:gateway", "svc:payments")))).toBe("MALFORMED");
  });

  test("of a service that is not among the callers is refused", async () => {
    const clock = createClock();
    const verifier = createServiceVerifier({ audience: "ledger", jwks, clock, callers: ["gateway"] });
    const token = (name: string, key: ServiceKey) =>
      createServiceTokens({ name, privateJwk: key.privateJwk, clock }).tokenFor("ledger");
    expect(await verifier.verify(await token("gateway", gateway))).toMatchObject({ principal: "svc:gateway" });
    expect(await reasonOf(verifier.verify(await token("payments", payments)))).toBe("WRONG_AUDIENCE");
  });

  test("is not replaced by a person's token, even one signed with a key in the set", async () => {
    const clock = createClock();
    const person = applyTransition(await generateSigningKey("key_1", 0n), "ACTIVE", 0n);
    const issuer = createTokenIssuer({ issuer: "https://florin.test", clock, activeKey: async () => person });
    const { token } = await issuer.issueAccessToken({ principal: "svc:gateway", roles: ["STAFF"], scopes: [] });
    const verifier = createServiceVerifier({
      audience: "florin",
      jwks: async () => ({ keys: [person.publicJwk] }),
      clock,
    });
    expect(await reasonOf(verifier.verify(token))).toBe("WRONG_AUDIENCE");
  });
});

test("a service's name is plain, so that key ids and principals made of it are", async () => {
  for (const bad of ["", "Gateway", "a_b", "svc:gateway", "x".repeat(33)])
    await expect(generateServiceKey(bad)).rejects.toThrow(/no service name/);
});
