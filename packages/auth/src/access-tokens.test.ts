import { beforeAll, describe, expect, test } from "@jest/globals";
import { createHmac, createPrivateKey, createPublicKey, sign, type KeyObject } from "node:crypto";
import { createTokenIssuer, createTokenVerifier, type TokenVerifierOptions } from "./access-tokens.js";
import { AuthError, KeysUnavailableError } from "./auth-error.js";
import { createServiceTokens, generateServiceKey } from "./service-tokens.js";
import {
  applyTransition,
  generateSigningKey,
  toPublicJwks,
  type JwkSet,
  type PublicJwk,
  type SigningKey,
} from "./signing-keys.js";

const ISSUER = "https://florin.test";
const START_SECONDS = 1_700_000_000;

function createClock() {
  let micros = BigInt(START_SECONDS) * 1_000_000n;
  return {
    now: () => micros,
    passSeconds: (seconds: number) => {
      micros += BigInt(seconds) * 1_000_000n;
    },
  };
}

let active: SigningKey;
let privateKey: KeyObject;
beforeAll(async () => {
  active = applyTransition(await generateSigningKey("key_1", 0n), "ACTIVE", 0n);
  privateKey = createPrivateKey({ key: { ...active.privateJwk }, format: "jwk" });
});

function createParts(more: Partial<TokenVerifierOptions> = {}, keys: () => readonly SigningKey[] = () => [active]) {
  const clock = createClock();
  let fetches = 0;
  const jwks = async (): Promise<JwkSet> => {
    fetches++;
    return toPublicJwks(keys());
  };
  const issuer = createTokenIssuer({
    issuer: ISSUER,
    clock,
    activeKey: async () => {
      const key = keys().find(({ state }) => state === "ACTIVE");
      if (key === undefined) throw new Error("no active key");
      return key;
    },
  });
  const verifier = createTokenVerifier({ issuer: ISSUER, jwks, clock, ...more });
  return { clock, issuer, verifier, fetches: () => fetches };
}

const ada = { principal: "usr_ada", roles: ["CUSTOMER"], scopes: ["a:read", "b"], sessionId: "ses_1" } as const;

async function reasonOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof AuthError)) throw new Error(`expected an AuthError, got ${String(error)}`);
  expect(error.message.length).toBeGreaterThan(20);
  expect(error.message).not.toMatch(/eyJ/);
  return error.reason;
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token made by hand: right in everything but what the test changes. */
function forge(change: {
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
  signature?: (input: string) => Buffer;
}): string {
  const header = { alg: "EdDSA", typ: "at+jwt", kid: "key_1", ...change.header };
  const claims = {
    iss: ISSUER,
    aud: "florin",
    sub: "usr_ada",
    roles: ["CUSTOMER"],
    scope: "",
    jti: "jti-1",
    iat: START_SECONDS,
    exp: START_SECONDS + 600,
    ...change.claims,
  };
  const input = `${encode(header)}.${encode(claims)}`;
  const signature = change.signature?.(input) ?? sign(null, Buffer.from(input), privateKey);
  return `${input}.${signature.toString("base64url")}`;
}

describe("an access token", () => {
  test("proves who it was issued to, for ten minutes", async () => {
    const { issuer, verifier } = createParts();
    const { token, expiresIn } = await issuer.issueAccessToken(ada);
    expect(expiresIn).toBe(600);
    expect(await verifier.verify(token)).toEqual({
      principal: "usr_ada",
      roles: ["CUSTOMER"],
      scopes: ["a:read", "b"],
      sessionId: "ses_1",
      expiresAt: START_SECONDS + 600,
    });
  });

  test("carries a fresh jti each time, and may have no session and no scopes", async () => {
    const { issuer, verifier } = createParts();
    const subject = { principal: "ptr_1", roles: ["PARTNER"], scopes: [] } as const;
    const [one, other] = [await issuer.issueAccessToken(subject), await issuer.issueAccessToken(subject)];
    expect(one.token).not.toBe(other.token);
    expect(await verifier.verify(one.token)).toMatchObject({ principal: "ptr_1", scopes: [], sessionId: undefined });
  });

  test("made by hand like ours is taken: so what the attacks below change is what refuses them", async () => {
    const { verifier } = createParts();
    expect(await verifier.verify(forge({}))).toMatchObject({ principal: "usr_ada" });
  });
});

describe("attacks on an access token", () => {
  const publicPem = () =>
    createPublicKey({ key: { ...active.publicJwk }, format: "jwk" }).export({ type: "spki", format: "pem" });

  test.each<[string, string, () => string]>([
    ["alg none, no signature", "MALFORMED", () => forge({ header: { alg: "none" }, signature: () => Buffer.alloc(0) })],
    ["alg none, with a signature", "BAD_SIGNATURE", () => forge({ header: { alg: "none" } })],
    ["alg None in other letters", "BAD_SIGNATURE", () => forge({ header: { alg: "nOnE" } })],
    [
      "HS256 signed with the public key's PEM",
      "BAD_SIGNATURE",
      () =>
        forge({
          header: { alg: "HS256" },
          signature: (input) => createHmac("sha256", publicPem()).update(input).digest(),
        }),
    ],
    [
      "HS256 signed with the public key's bytes",
      "BAD_SIGNATURE",
      () =>
        forge({
          header: { alg: "HS256" },
          signature: (input) =>
            createHmac("sha256", Buffer.from(active.publicJwk.x, "base64url")).update(input).digest(),
        }),
    ],
    ["kid that is a path", "UNKNOWN_KEY", () => forge({ header: { kid: "../../dev/null" } })],
    ["kid that is SQL", "UNKNOWN_KEY", () => forge({ header: { kid: "' or 1=1" } })],
    ["kid of an object's prototype", "UNKNOWN_KEY", () => forge({ header: { kid: "__proto__" } })],
    ["kid that is no text", "MALFORMED", () => forge({ header: { kid: ["key_1"] } })],
    ["no kid", "MALFORMED", () => forge({ header: { kid: undefined } })],
    ["unknown kid", "UNKNOWN_KEY", () => forge({ header: { kid: "key_2" } })],
    ["wrong audience", "WRONG_AUDIENCE", () => forge({ claims: { aud: "somebody-else" } })],
    ["several audiences, ours among them", "WRONG_AUDIENCE", () => forge({ claims: { aud: ["florin", "x"] } })],
    ["no audience", "WRONG_AUDIENCE", () => forge({ claims: { aud: undefined } })],
    ["wrong issuer", "WRONG_AUDIENCE", () => forge({ claims: { iss: "https://florin.test.evil" } })],
    ["typ JWT", "WRONG_AUDIENCE", () => forge({ header: { typ: "JWT" } })],
    ["typ in other letters", "WRONG_AUDIENCE", () => forge({ header: { typ: "AT+JWT" } })],
    ["no typ", "WRONG_AUDIENCE", () => forge({ header: { typ: undefined } })],
    ["a critical extension", "MALFORMED", () => forge({ header: { crit: ["exp"], exp: 1 } })],
    ["no expiry", "MALFORMED", () => forge({ claims: { exp: undefined } })],
    ["expiry as text", "MALFORMED", () => forge({ claims: { exp: "2099-01-01" } })],
    ["a life of ten years", "MALFORMED", () => forge({ claims: { exp: START_SECONDS + 315_360_000 } })],
    [
      "issued tomorrow",
      "MALFORMED",
      () => forge({ claims: { iat: START_SECONDS + 86_400, exp: START_SECONDS + 86_999 } }),
    ],
    ["not valid before tomorrow", "MALFORMED", () => forge({ claims: { nbf: START_SECONDS + 86_400 } })],
    ["no subject", "MALFORMED", () => forge({ claims: { sub: undefined } })],
    ["a subject with a line break", "MALFORMED", () => forge({ claims: { sub: "usr_a\nusr_b" } })],
    ["a service as subject", "MALFORMED", () => forge({ claims: { sub: "svc:gateway" } })],
    ["roles that are no list", "MALFORMED", () => forge({ claims: { roles: "STAFF" } })],
    ["a session that is no text", "MALFORMED", () => forge({ claims: { sid: { toString: "ses_1" } } })],
    ["no jti", "MALFORMED", () => forge({ claims: { jti: undefined } })],
    ["a truncated signature", "BAD_SIGNATURE", () => forge({}).slice(0, -10)],
    ["no signature", "MALFORMED", () => forge({}).split(".").slice(0, 2).join(".") + "."],
    ["four parts", "MALFORMED", () => `${forge({})}.x`],
    [
      "claims changed after signing",
      "BAD_SIGNATURE",
      () => {
        const [header, , signature] = forge({}).split(".");
        const [, claims] = forge({ claims: { sub: "usr_bo" } }).split(".");
        return `${header}.${claims}.${signature}`;
      },
    ],
    ["empty", "MALFORMED", () => ""],
    ["garbage", "MALFORMED", () => "garbage"],
    ["white space around", "MALFORMED", () => ` ${forge({})} `],
    ["a header that is no JSON", "MALFORMED", () => `e30x.${forge({}).split(".").slice(1).join(".")}`],
    ["five thousand characters, well signed", "MALFORMED", () => forge({ claims: { scope: "x".repeat(5_000) } })],
    ["a megabyte", "MALFORMED", () => `${"a".repeat(1_000_000)}.a.a`],
  ])("%s: %s", async (_name, reason, make) => {
    const { verifier } = createParts();
    expect(await reasonOf(verifier.verify(make()))).toBe(reason);
    expect(await reasonOf(verifier.verify(make()))).toBe(reason); // a refusal is not remembered as a success
  });

  test("a key that comes with the token is not looked at, in jwk, jku or x5u", async () => {
    const { verifier, fetches } = createParts();
    const evil = await generateSigningKey("key_1", 0n);
    const evilKey = createPrivateKey({ key: { ...evil.privateJwk }, format: "jwk" });
    const signature = (input: string) => sign(null, Buffer.from(input), evilKey);
    for (const header of [
      { jwk: { ...evil.publicJwk } },
      { jku: "https://evil.test/jwks.json" },
      { x5u: "https://evil.test/cert.pem" },
    ]) {
      expect(await reasonOf(verifier.verify(forge({ header, signature })))).toBe("BAD_SIGNATURE");
      expect(await reasonOf(verifier.verify(forge({ header: { ...header, kid: "evil" }, signature })))).toBe(
        "UNKNOWN_KEY",
      );
    }
    expect(fetches()).toBe(1);
  });

  test("a service's token is no access token, even when its key is in the set", async () => {
    const service = await generateServiceKey("gateway");
    const clock = createClock();
    const tokens = createServiceTokens({ name: "gateway", privateJwk: service.privateJwk, clock });
    const verifier = createTokenVerifier({ issuer: ISSUER, jwks: async () => ({ keys: [service.publicJwk] }), clock });
    expect(await reasonOf(verifier.verify(await tokens.tokenFor("florin")))).toBe("WRONG_AUDIENCE");
  });

  test("roles that nobody knows give nothing, and no access token gives the role SERVICE", async () => {
    const { verifier } = createParts();
    const viewer = await verifier.verify(forge({ claims: { roles: ["SERVICE", "EMPEROR", "CUSTOMER", 7] } }));
    expect(viewer.roles).toEqual(["CUSTOMER"]);
  });
});

describe("the life of an access token", () => {
  test.each([
    ["a second before it runs out", 599, undefined],
    ["within the leeway", 604, undefined],
    ["after the leeway", 605, "EXPIRED"],
  ])("%s", async (_name, seconds, reason) => {
    const { clock, issuer, verifier } = createParts();
    const { token } = await issuer.issueAccessToken(ada);
    await verifier.verify(token); // remembered: must make no difference
    clock.passSeconds(seconds);
    if (reason === undefined) expect(await verifier.verify(token)).toMatchObject({ principal: "usr_ada" });
    else expect(await reasonOf(verifier.verify(token))).toBe(reason);
  });

  test("an issuer whose clock runs ahead by less than the leeway is believed", async () => {
    const { verifier } = createParts();
    const ahead = forge({ claims: { iat: START_SECONDS + 5, exp: START_SECONDS + 605 } });
    expect(await verifier.verify(ahead)).toMatchObject({ principal: "usr_ada" });
  });

  test("ends with its session, also when it was verified before", async () => {
    const revokedSessions = new Set<string>();
    const { issuer, verifier } = createParts({ revokedSessions });
    const [first, other] = [
      await issuer.issueAccessToken(ada),
      await issuer.issueAccessToken({ ...ada, sessionId: "ses_2" }),
    ];
    await verifier.verify(first.token);
    revokedSessions.add("ses_1");
    expect(await reasonOf(verifier.verify(first.token))).toBe("REVOKED");
    expect(await verifier.verify(other.token)).toMatchObject({ sessionId: "ses_2" });
  });
});

describe("remembered tokens", () => {
  test("are no more than the bound, and the least recently used goes first", async () => {
    const { issuer, verifier } = createParts({ cacheSize: 2 });
    const tokens = await Promise.all([1, 2, 3].map(() => issuer.issueAccessToken(ada)));
    const [a, b, c] = tokens.map(({ token }) => token) as [string, string, string];
    const first = await verifier.verify(a);
    const second = await verifier.verify(b);
    expect(await verifier.verify(a)).toBe(first); // the very object: remembered, and young again
    await verifier.verify(c); // b goes
    expect(await verifier.verify(a)).toBe(first);
    const secondAgain = await verifier.verify(b);
    expect(secondAgain).toEqual(second);
    expect(secondAgain).not.toBe(second); // was forgotten, and verified anew
  });

  test("are forgotten with their key when that is taken out of the set before its time", async () => {
    let keys: readonly SigningKey[] = [active];
    const { clock, issuer, verifier } = createParts({}, () => keys);
    const { token } = await issuer.issueAccessToken(ada);
    await verifier.verify(token);
    keys = [];
    clock.passSeconds(61);
    expect(await reasonOf(verifier.verify(token))).toBe("UNKNOWN_KEY");
  });
});

describe("the published keys", () => {
  test("are read once for many callers, and an unknown key asks again at most every five seconds", async () => {
    const { clock, issuer, verifier, fetches } = createParts();
    const { token } = await issuer.issueAccessToken(ada);
    await Promise.all(Array.from({ length: 20 }, () => verifier.verify(token)));
    expect(fetches()).toBe(1);
    for (let second = 0; second < 20; second++) {
      await Promise.all([1, 2, 3].map((n) => reasonOf(verifier.verify(forge({ header: { kid: `stranger${n}` } })))));
      clock.passSeconds(1);
    }
    expect(fetches()).toBe(4); // at 0, 5, 10 and 15 s
  });

  test("are not read again for a key id that could never be one of ours", async () => {
    const { clock, verifier, fetches } = createParts();
    await verifier.verify(forge({}));
    clock.passSeconds(6);
    for (const kid of ["../../dev/null", "' or 1=1", "", "x".repeat(65)])
      expect(await reasonOf(verifier.verify(forge({ header: { kid } })))).toBe("UNKNOWN_KEY");
    expect(fetches()).toBe(1);
  });

  test("a key that was published after the last read is found by asking again", async () => {
    const second = await generateSigningKey("key_2", 0n);
    let keys: readonly SigningKey[] = [active];
    const { clock, issuer, verifier } = createParts({}, () => keys);
    await verifier.verify((await issuer.issueAccessToken(ada)).token);
    keys = [applyTransition(active, "RETIRING", 1n), applyTransition(second, "ACTIVE", 1n)];
    clock.passSeconds(6);
    expect(await verifier.verify((await issuer.issueAccessToken(ada)).token)).toMatchObject({ principal: "usr_ada" });
  });

  test("serve on while they cannot be read again, but not for ever; that is no fault of the token", async () => {
    const clock = createClock();
    let isDown = false;
    const jwks = async (): Promise<JwkSet> => {
      if (isDown) throw new Error("accounts is down");
      return toPublicJwks([active]);
    };
    const verifier = createTokenVerifier({ issuer: ISSUER, jwks, clock });
    await verifier.verify(forge({}));
    isDown = true;
    clock.passSeconds(300);
    const laterToken = () =>
      forge({ claims: { iat: Number(clock.now() / 1_000_000n), exp: Number(clock.now() / 1_000_000n) + 600 } });
    expect(await verifier.verify(laterToken())).toMatchObject({ principal: "usr_ada" });
    clock.passSeconds(301);
    await expect(verifier.verify(laterToken())).rejects.toBeInstanceOf(KeysUnavailableError);
    isDown = false;
    clock.passSeconds(6);
    expect(await verifier.verify(laterToken())).toMatchObject({ principal: "usr_ada" });
  });

  test("of other kinds are passed over, and a set that is too large is not believed", async () => {
    const clock = createClock();
    const foreign = JSON.parse(JSON.stringify({ ...active.publicJwk, kty: "RSA", kid: "rsa" })) as PublicJwk;
    const mixed = createTokenVerifier({
      issuer: ISSUER,
      clock,
      jwks: async () => ({ keys: [foreign, ...toPublicJwks([active]).keys] }),
    });
    expect(await mixed.verify(forge({}))).toMatchObject({ principal: "usr_ada" });
    expect(await reasonOf(mixed.verify(forge({ header: { kid: "rsa" } })))).toBe("UNKNOWN_KEY");
    const flooded = createTokenVerifier({
      issuer: ISSUER,
      clock,
      jwks: async () => ({ keys: Array.from({ length: 33 }, (_, i) => ({ ...active.publicJwk, kid: `k${i}` })) }),
    });
    await expect(flooded.verify(forge({}))).rejects.toBeInstanceOf(KeysUnavailableError);
  });
});

test("rotation, step by step: no valid token is refused on the way, and the old key's are refused at the end", async () => {
  const second = await generateSigningKey("key_2", 0n);
  let keys: readonly SigningKey[] = [active];
  const { clock, issuer, verifier } = createParts({}, () => keys);
  const issue = async () => (await issuer.issueAccessToken(ada)).token;
  const kidOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()).kid;

  await verifier.verify(await issue());
  keys = [active, second]; // published, does not sign yet
  clock.passSeconds(61);
  const old = await issue();
  expect(kidOf(old)).toBe("key_1");
  await verifier.verify(old);

  keys = [applyTransition(active, "RETIRING", clock.now()), applyTransition(second, "ACTIVE", clock.now())];
  const young = await issue();
  expect(kidOf(young)).toBe("key_2");
  await verifier.verify(young);
  clock.passSeconds(599);
  await verifier.verify(old); // until its last second
  clock.passSeconds(10);
  expect(await reasonOf(verifier.verify(old))).toBe("EXPIRED");

  const [retiring, current] = keys as [SigningKey, SigningKey];
  keys = [applyTransition(retiring, "RETIRED", clock.now()), current];
  clock.passSeconds(61);
  await verifier.verify(await issue());
  const now = Number(clock.now() / 1_000_000n);
  const stolen = forge({ claims: { iat: now, exp: now + 600 } }); // the old private key, in wrong hands
  expect(await reasonOf(verifier.verify(stolen))).toBe("UNKNOWN_KEY");
});

test("the issuer refuses to sign with a key that has no private part", async () => {
  const retiring = applyTransition(active, "RETIRING", 1n);
  const issuer = createTokenIssuer({ issuer: ISSUER, clock: createClock(), activeKey: async () => retiring });
  await expect(issuer.issueAccessToken(ada)).rejects.toThrow(/ACTIVE key/);
});
