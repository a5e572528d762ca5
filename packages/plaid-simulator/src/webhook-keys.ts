import {
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  generateKeyPairSync,
  randomUUID,
  sign,
} from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { JWKPublicKey } from "plaid";

/** A P-256 key that signs webhooks, or once did. */
export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  /** The public half in Plaid's shape; `created_at` and `expired_at` in seconds since 1970. */
  readonly jwk: JWKPublicKey;
}

/** A key drawn at random. */
export function freshKey(createdAt: number): SigningKey {
  return signingKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey, randomUUID(), createdAt);
}

/** The key that belongs to a seed and a path: the same ones give the same key. */
export function seededKey(seed: string, path: string, createdAt: number): SigningKey {
  const digest = createHmac("sha256", seed).update(`webhook-kid/${path}`).digest("hex");
  const kid = `${digest.slice(0, 8)}-${digest.slice(8, 12)}-4${digest.slice(13, 16)}-a${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
  return signingKey(seededPrivateKey(seed, path), kid, createdAt);
}

function signingKey(privateKey: KeyObject, kid: string, createdAt: number): SigningKey {
  const { x = "", y = "" } = privateKey.export({ format: "jwk" });
  const jwk = { alg: "ES256", crv: "P-256", kid, kty: "EC", use: "sig", x, y, created_at: createdAt, expired_at: null };
  return { kid, privateKey, jwk };
}

/** The order of the group of P-256: a private key is a number from 1 to one below it. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

function seededPrivateKey(seed: string, path: string): KeyObject {
  const drawn = BigInt(`0x${createHmac("sha512", seed).update(`webhook-key/${path}`).digest("hex")}`);
  const scalar = Buffer.from(((drawn % (ORDER - 1n)) + 1n).toString(16).padStart(64, "0"), "hex");
  const pair = createECDH("prime256v1");
  pair.setPrivateKey(scalar);
  const point = pair.getPublicKey(); // 0x04, then x and y of 32 bytes each
  const coordinate = (from: number): string => point.subarray(from, from + 32).toString("base64url");
  const key = { kty: "EC", crv: "P-256", d: scalar.toString("base64url"), x: coordinate(1), y: coordinate(33) };
  return createPrivateKey({ format: "jwk", key });
}

/** What a webhook's JWT claims: when it was signed (seconds since 1970) and the hash of the body's bytes. */
export interface WebhookClaims {
  readonly iat: number;
  readonly request_body_sha256: string;
}

export function webhookClaims(rawBody: string, issuedAt: number): WebhookClaims {
  return { iat: issuedAt, request_body_sha256: createHash("sha256").update(rawBody, "utf8").digest("hex") };
}

/** The part of a JWT that is signed: header and claims. */
export function unsignedJwt(header: object, claims: WebhookClaims): string {
  return [header, claims].map((part) => Buffer.from(JSON.stringify(part), "utf8").toString("base64url")).join(".");
}

/**
 * A JWT over the body. ES256 wants the raw r‖s of 64 bytes (`ieee-p1363`); `kid` and `der` differ from the right ones in
 * attacks alone.
 */
export function signedJwt(
  { kid, privateKey }: { readonly kid: string; readonly privateKey: KeyObject },
  claims: WebhookClaims,
  dsaEncoding: "ieee-p1363" | "der" = "ieee-p1363",
): string {
  const signed = unsignedJwt({ alg: "ES256", kid, typ: "JWT" }, claims);
  return `${signed}.${sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding }).toString("base64url")}`;
}
