import { createHash } from "node:crypto";
import { importJWK, jwtVerify, decodeProtectedHeader } from "jose";
import { SimulatorClock } from "../src/clock.js";
import { ATTACK_NAMES, FORGERIES, MISDIRECTED, type SignedWebhook } from "../src/webhook-attacks.js";
import { WebhookSigner } from "../src/webhook-signer.js";

const START = new Date("2026-03-01T12:00:00Z");
const BODY = JSON.stringify(
  { webhook_type: "ITEM", webhook_code: "LOGIN_REPAIRED", item_id: "item-1", environment: "sandbox" },
  null,
  2,
);

function signerAt(start = START, seed?: string) {
  const clock = new SimulatorClock({ mode: "virtual", startAt: start });
  return { clock, signer: new WebhookSigner(clock, seed) };
}

/** The six steps of §1.4 with a JOSE library, so that neither our signer nor our verifier vouches for itself. */
async function verdict(signer: WebhookSigner, sent: SignedWebhook, now: Date): Promise<string> {
  if (sent.header === null) return "no header";
  try {
    const { alg, kid } = decodeProtectedHeader(sent.header);
    if (alg !== "ES256") return "wrong algorithm";
    const jwk = signer.jwk(kid ?? "");
    if (jwk === undefined) return "unknown key";
    if (jwk.expired_at !== null && jwk.expired_at <= now.getTime() / 1000) return "expired key";
    const key = await importJWK({ kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y }, "ES256");
    const { payload } = await jwtVerify(sent.header, key, {
      algorithms: ["ES256"],
      maxTokenAge: 300,
      currentDate: now,
    });
    const hash = createHash("sha256").update(sent.body).digest("hex");
    return payload["request_body_sha256"] === hash ? "genuine" : "another body";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

describe("signed webhooks", () => {
  test("a JOSE library accepts the signature, which is 64 bytes of r and s", async () => {
    const { signer } = signerAt();
    const header = signer.sign(BODY);
    expect(await verdict(signer, { body: BODY, header }, START)).toBe("genuine");
    expect(decodeProtectedHeader(header)).toEqual({ alg: "ES256", kid: signer.kid, typ: "JWT" });
    const [, claims = "", signature = ""] = header.split(".");
    expect(Buffer.from(signature, "base64url")).toHaveLength(64);
    expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toEqual({
      iat: START.getTime() / 1000,
      request_body_sha256: createHash("sha256").update(BODY).digest("hex"),
    });
  });

  test("the key has Plaid's shape", () => {
    const { signer } = signerAt();
    expect(signer.jwk(signer.kid)).toEqual({
      alg: "ES256",
      crv: "P-256",
      kid: signer.kid,
      kty: "EC",
      use: "sig",
      x: expect.stringMatching(/^[\w-]{43}$/),
      y: expect.stringMatching(/^[\w-]{43}$/),
      created_at: START.getTime() / 1000,
      expired_at: null,
    });
    expect(signer.jwk("nobody")).toBeUndefined();
  });

  test("after a rotation another key signs, and the old one says when it expired", async () => {
    const { clock, signer } = signerAt();
    const before = signer.sign(BODY);
    await clock.advance(60_000);
    const { oldKid, newKid } = signer.rotate();
    expect(newKid).not.toBe(oldKid);
    expect(signer.jwk(oldKid)?.expired_at).toBe(START.getTime() / 1000 + 60);
    expect(await verdict(signer, { body: BODY, header: before }, clock.now())).toBe("expired key");
    expect(await verdict(signer, { body: BODY, header: signer.sign(BODY) }, clock.now())).toBe("genuine");
  });

  test("an old key with grace verifies until the grace is over", async () => {
    const { clock, signer } = signerAt();
    const sent = { body: BODY, header: signer.sign(BODY) };
    signer.rotate(120);
    expect(await verdict(signer, sent, clock.now())).toBe("genuine");
    await clock.advance(120_000);
    expect(await verdict(signer, sent, clock.now())).toBe("expired key");
  });

  test("keys come from a seed when there is one, and from chance when there is none", async () => {
    const [first, again, other] = [signerAt(START, "s"), signerAt(START, "s"), signerAt(START, "t")].map(
      (it) => it.signer,
    );
    expect(first?.jwk(first.kid)).toEqual(again?.jwk(again.kid));
    expect(other?.kid).not.toBe(first?.kid);
    expect(signerAt().signer.kid).not.toBe(signerAt().signer.kid);
    expect(again && first && (await verdict(again, { body: BODY, header: first.sign(BODY) }, START))).toBe("genuine");
    expect(first?.rotate()).toEqual(again?.rotate());
    const points = new Set<unknown>();
    for (let turn = 0; turn < 8; turn += 1) points.add(first?.jwk(first.rotate().newKid)?.x);
    expect(points.size).toBe(8);
  });

  test("forgets the oldest keys first and never the one that signs", () => {
    const { signer } = signerAt();
    const first = signer.kid;
    for (let turn = 0; turn < 70; turn += 1) signer.rotate();
    expect(signer.jwk(first)).toBeUndefined();
    expect(signer.jwk(signer.kid)).toBeDefined();
  });
});

describe("attacks", () => {
  const REFUSED: Record<keyof typeof FORGERIES, string> = {
    "no-signature": "no header",
    "bad-signature": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    "alg-none": "wrong algorithm",
    hs256: "wrong algorithm",
    "der-signature": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    "wrong-kid": "unknown key",
    "stranger-key": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    "expired-key": "expired key",
    "stale-iat": "ERR_JWT_EXPIRED",
    "future-iat": "ERR_JWT_CLAIM_VALIDATION_FAILED",
    "altered-body": "another body",
    "other-body": "another body",
    "oversize-body": "genuine", // its signature is right: it is for the receiver's limit to refuse it before it hashes
  };

  test.each(Object.entries(REFUSED))("%s is met with: %s", async (name, met) => {
    const { signer } = signerAt();
    const attack = ATTACK_NAMES.find((it) => it === name);
    expect(attack).toBeDefined();
    if (attack === undefined) return;
    expect(await verdict(signer, signer.attack(attack, BODY), START)).toBe(met);
  });

  test("an oversize body is half a megabyte of the same webhook", () => {
    const { body } = signerAt().signer.attack("oversize-body", BODY);
    expect(Buffer.byteLength(body)).toBe(524_288);
    expect(JSON.parse(body)).toEqual(JSON.parse(BODY));
  });

  test.each([
    ["other-environment", "environment", "production"],
    ["unknown-item", "item_id", expect.not.stringContaining("item-1")],
  ] as const)("%s is signed as it should be and differs in one member", async (name, member, value) => {
    const { signer } = signerAt();
    const sent = signer.attack(name, BODY);
    expect(await verdict(signer, sent, START)).toBe("genuine");
    expect(JSON.parse(sent.body)).toEqual({ ...JSON.parse(BODY), [member]: value });
  });

  test("every attack is in one of the two lists, and every forgery in this table", () => {
    expect(ATTACK_NAMES).toHaveLength(Object.keys(FORGERIES).length + Object.keys(MISDIRECTED).length);
    expect(Object.keys(REFUSED).sort()).toEqual(Object.keys(FORGERIES).sort());
  });
});
