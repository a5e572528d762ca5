import { randomBytes } from "node:crypto";
import { exportJWK, generateKeyPair } from "jose";

/**
 * Signing keys and their lives.
 *
 *     NEXT ──────► ACTIVE ──────► RETIRING ──────► RETIRED
 *     published,   signs; one     verifies only,   gone from the
 *     signs not    at a time      private part     published set
 *                                 destroyed
 *
 * A key is published before it signs, so that no verifier meets a token with a key it has not heard of; and it stays published
 * after it signed, until the last token it signed has run out. States only move to the right. `planRotation` decides which moves are due;
 * `applyTransition` is the only function that makes them. Storing keys, and letting one process rotate at a time, is the owner's.
 */
export type SigningKeyState = "NEXT" | "ACTIVE" | "RETIRING" | "RETIRED";

/** An Ed25519 public key as JSON (RFC 8037), as `/.well-known/jwks.json` shows it. */
export interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly kid: string;
  readonly alg: "EdDSA";
  readonly use: "sig";
}

/** Secret. Encrypt it where it rests, and never log it. */
export interface PrivateJwk extends PublicJwk {
  readonly d: string;
}

export interface JwkSet {
  readonly keys: readonly PublicJwk[];
}

/** Times are microseconds since 1970 (the kernel's Instant). */
export interface SigningKey {
  readonly keyId: string;
  readonly state: SigningKeyState;
  readonly publicJwk: PublicJwk;
  /** Absent from RETIRING on: what cannot sign any more cannot be stolen. */
  readonly privateJwk: PrivateJwk | undefined;
  readonly createdAt: bigint;
  readonly activatedAt: bigint | undefined;
  readonly retiringAt: bigint | undefined;
  readonly retiredAt: bigint | undefined;
}

export interface RotationPolicy {
  /** How long a key is published before it signs: at least the time for which verifiers keep the published set. */
  readonly publishAheadMs: number;
  /** How long a key signs. */
  readonly activeMs: number;
  /** The longest life of a token. */
  readonly maxTokenTtlMs: number;
  /** How far verifiers' clocks may be off, plus the leeway they give. */
  readonly leewayMs: number;
  /** How long an issuer may go on with a key before it has seen that another one is ACTIVE. */
  readonly issuerReloadMs: number;
}

export const defaultRotationPolicy: RotationPolicy = {
  publishAheadMs: 24 * 3_600_000,
  activeMs: 30 * 24 * 3_600_000,
  maxTokenTtlMs: 600_000,
  leewayMs: 30_000,
  issuerReloadMs: 60_000,
};

export type KeyTransition =
  /** Make a key. As ACTIVE only when there is none to sign with: at the very start, or when all were lost. */
  | { readonly kind: "create"; readonly state: "NEXT" | "ACTIVE" }
  | { readonly kind: "move"; readonly keyId: string; readonly to: "ACTIVE" | "RETIRING" | "RETIRED" };

/** `kid`s that verifiers look at; nothing that could be a path or a query. */
export const KEY_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** 96 random bits: no two keys ever share an id. */
export function newKeyId(): string {
  return randomBytes(12).toString("base64url");
}

/** A new Ed25519 key in state NEXT. */
export async function generateSigningKey(keyId: string, now: bigint): Promise<SigningKey> {
  const privateJwk = await generatePrivateJwk(keyId);
  return {
    keyId,
    state: "NEXT",
    publicJwk: publicPartOf(privateJwk),
    privateJwk,
    createdAt: now,
    activatedAt: undefined,
    retiringAt: undefined,
    retiredAt: undefined,
  };
}

export async function generatePrivateJwk(keyId: string): Promise<PrivateJwk> {
  if (!KEY_ID.test(keyId)) throw new Error(`"${keyId}" is no key id; use up to 64 letters, digits, "_" and "-"`);
  const pair = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const { x, d } = await exportJWK(pair.privateKey);
  if (x === undefined || d === undefined) throw new Error("the runtime exported an Ed25519 key without its parts");
  return { kty: "OKP", crv: "Ed25519", x, d, kid: keyId, alg: "EdDSA", use: "sig" };
}

/** Copies the public members by name, so that no private one can slip through. */
export function publicPartOf(jwk: PublicJwk): PublicJwk {
  return { kty: jwk.kty, crv: jwk.crv, x: jwk.x, kid: jwk.kid, alg: jwk.alg, use: jwk.use };
}

/** What verifiers are given: NEXT, ACTIVE and RETIRING keys, public parts only. */
export function toPublicJwks(keys: readonly SigningKey[]): JwkSet {
  return { keys: keys.filter((key) => key.state !== "RETIRED").map((key) => publicPartOf(key.publicJwk)) };
}

/**
 * The moves that are due at `now`, to be made together in one transaction. Empty when none is. Pure; asking again after making
 * them gives none.
 */
export function planRotation(
  keys: readonly SigningKey[],
  now: bigint,
  policy: RotationPolicy = defaultRotationPolicy,
): readonly KeyTransition[] {
  const transitions: KeyTransition[] = [];
  const isOlder = (since: bigint | undefined, ms: number) => now - (since ?? 0n) >= BigInt(ms) * 1000n;
  const next = keys.filter((key) => key.state === "NEXT").sort(byAge("createdAt"));
  // More than one ACTIVE is somebody's mistake; the newest goes on, as issuers may have it by now.
  const [current, ...surplus] = keys
    .filter((key) => key.state === "ACTIVE")
    .sort(byAge("activatedAt"))
    .reverse();
  const successor = next[0];

  if (current === undefined) {
    transitions.push(
      successor === undefined
        ? { kind: "create", state: "ACTIVE" }
        : { kind: "move", keyId: successor.keyId, to: "ACTIVE" }, // perhaps early, but nothing can be signed otherwise
    );
  } else if (successor === undefined) {
    const publishAfterMs = Math.max(0, policy.activeMs - policy.publishAheadMs);
    if (isOlder(current.activatedAt, publishAfterMs)) transitions.push({ kind: "create", state: "NEXT" });
  } else if (isOlder(current.activatedAt, policy.activeMs) && isOlder(successor.createdAt, policy.publishAheadMs)) {
    transitions.push({ kind: "move", keyId: current.keyId, to: "RETIRING" });
    transitions.push({ kind: "move", keyId: successor.keyId, to: "ACTIVE" });
  }
  for (const key of surplus) transitions.push({ kind: "move", keyId: key.keyId, to: "RETIRING" });

  const lastTokenGoneMs = policy.issuerReloadMs + policy.maxTokenTtlMs + policy.leewayMs;
  for (const key of keys) {
    if (key.state === "RETIRING" && isOlder(key.retiringAt, lastTokenGoneMs))
      transitions.push({ kind: "move", keyId: key.keyId, to: "RETIRED" });
  }
  return transitions;
}

const order: readonly SigningKeyState[] = ["NEXT", "ACTIVE", "RETIRING", "RETIRED"];

/** The key in its new state. Throws when the move leads back or skips signing: a bug of ours. */
export function applyTransition(key: SigningKey, to: SigningKeyState, now: bigint): SigningKey {
  if (order.indexOf(to) !== order.indexOf(key.state) + 1)
    throw new Error(
      `key ${key.keyId} is ${key.state} and cannot become ${to}; ask planRotation for the moves that are due`,
    );
  switch (to) {
    case "NEXT":
      return key; // unreachable: nothing comes before NEXT
    case "ACTIVE":
      return { ...key, state: to, activatedAt: now };
    case "RETIRING":
      return { ...key, state: to, retiringAt: now, privateJwk: undefined };
    case "RETIRED":
      return { ...key, state: to, retiredAt: now };
  }
}

function byAge(field: "createdAt" | "activatedAt") {
  return (a: SigningKey, b: SigningKey): number => {
    const [x, y] = [a[field] ?? 0n, b[field] ?? 0n];
    return x < y ? -1 : x > y ? 1 : a.keyId < b.keyId ? -1 : 1;
  };
}
