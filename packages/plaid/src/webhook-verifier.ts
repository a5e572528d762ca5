import { createHash, timingSafeEqual, verify, type KeyObject } from "node:crypto";
import type { Clock } from "@florin/kernel";
import { z } from "zod";
import type { WebhookVerificationKey } from "./plaid-port.js";
import { createWebhookKeys } from "./webhook-keys.js";

/**
 * Is this webhook Plaid's, fresh, and whole? (linked-accounts.md §1.4, §5.6)
 *
 * In this order, cheap before dear and nothing believed before it is checked: size and shape → `alg` is ES256 → key by `kid` (cache, else
 * Plaid) → key not expired → signature → age → SHA-256 of the raw bytes → only then is the body read → its environment is ours.
 * A refusal is final: answer 4xx. `unavailable` is not the sender's fault: answer 5xx and Plaid sends it again.
 */
export interface WebhookVerifier {
  /** @param rawBody the very bytes that came; a body that was parsed and written again never verifies. */
  verify(webhook: { readonly rawBody: Uint8Array; readonly header: string | undefined }): Promise<WebhookVerdict>;
}

export type WebhookVerdict =
  | {
      readonly outcome: "verified";
      /** The same for a webhook that is sent again byte by byte. Keep for 10 minutes or more, and take each once. */
      readonly replayKey: string;
      /** Seconds since 1970, when it was signed. */
      readonly iat: number;
      readonly body: WebhookBody;
    }
  | { readonly outcome: "refused"; readonly reason: WebhookRefusal }
  | { readonly outcome: "unavailable" };

/** Untrusted still in what it says: it may trigger a re-read, its data goes into no table (§5.6). */
export type WebhookBody = Readonly<Record<string, unknown>>;

export type WebhookRefusal =
  | "no_header"
  | "too_large"
  | "malformed"
  | "wrong_algorithm"
  | "unknown_key"
  | "expired_key"
  | "bad_signature"
  | "stale"
  | "from_the_future"
  | "altered_body"
  | "unreadable_body"
  | "other_environment";

export interface WebhookVerifierOptions {
  /** `PlaidPort.getWebhookVerificationKey`. */
  readonly fetchKey: (keyId: string) => Promise<WebhookVerificationKey>;
  readonly clock: Clock;
  /** What has to stand in the body: `production` or `sandbox`. */
  readonly environment: string;
  /** Keys that nobody knows cost a call each: so many in a minute, then `unavailable`. Default 20. */
  readonly lookupsPerMinute?: number | undefined;
}

const MAX_BODY_BYTES = 256 * 1_024;
const MAX_HEADER = 2_048;
const MAX_AGE_SECONDS = 300;
const MAX_AHEAD_SECONDS = 30;
/** r and s of P-256, 32 bytes each: a DER signature has another length (§1.4). */
const SIGNATURE_BYTES = 64;

export function createWebhookVerifier(options: WebhookVerifierOptions): WebhookVerifier {
  const keys = createWebhookKeys(options);
  const nowSeconds = () => Number(options.clock.now() / 1_000n) / 1_000;

  return {
    verify: async ({ rawBody, header }) => {
      if (header === undefined || header === "") return refused("no_header");
      if (rawBody.length > MAX_BODY_BYTES) return refused("too_large");
      const token = readToken(header);
      if (typeof token === "string") return refused(token);
      const key = await keys.find(token.keyId);
      if (key === "unavailable") return { outcome: "unavailable" };
      if (key === "unknown") return refused("unknown_key");
      if (key.expiredAtSeconds !== undefined && key.expiredAtSeconds <= nowSeconds()) return refused("expired_key");
      if (!isSignedBy(key.publicKey, token)) return refused("bad_signature");
      return judge(token, rawBody, nowSeconds(), options.environment);
    },
  };
}

interface Token {
  readonly keyId: string;
  /** What is signed: the first two parts as they came. */
  readonly signed: string;
  readonly payload: string;
  readonly signature: Uint8Array;
}

const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;
const jwtHeader = z.object({ alg: z.string(), kid: z.string().min(1).max(128), crit: z.undefined().optional() });
const jwtPayload = z.object({ iat: z.number(), request_body_sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** Nothing of it is believed yet. `alg` is looked at before any key is looked for, or `none` and HS256 would choose for us. */
function readToken(header: string): Token | "malformed" | "wrong_algorithm" | "bad_signature" {
  if (header.length > MAX_HEADER || !JWT.test(header)) return "malformed";
  const [head = "", payload = "", tail = ""] = header.split(".");
  const said = jwtHeader.safeParse(readJson(Buffer.from(head, "base64url")));
  if (!said.success) return "malformed";
  if (said.data.alg !== "ES256") return "wrong_algorithm";
  const signature = Buffer.from(tail, "base64url");
  if (signature.length !== SIGNATURE_BYTES) return "bad_signature";
  return { keyId: said.data.kid, signed: `${head}.${payload}`, payload, signature };
}

function isSignedBy(key: KeyObject, token: Token): boolean {
  return verify("sha256", Buffer.from(token.signed), { key, dsaEncoding: "ieee-p1363" }, token.signature);
}

/** The token is Plaid's: is it for this body, now and here? */
function judge(token: Token, rawBody: Uint8Array, nowSeconds: number, environment: string): WebhookVerdict {
  const claims = jwtPayload.safeParse(readJson(Buffer.from(token.payload, "base64url")));
  if (!claims.success) return refused("malformed");
  const { iat, request_body_sha256: claimed } = claims.data;
  if (nowSeconds - iat > MAX_AGE_SECONDS) return refused("stale");
  if (iat - nowSeconds > MAX_AHEAD_SECONDS) return refused("from_the_future");
  const actual = createHash("sha256").update(rawBody).digest();
  if (!timingSafeEqual(actual, Buffer.from(claimed, "hex"))) return refused("altered_body");
  const body = z.record(z.string(), z.unknown()).safeParse(readJson(rawBody));
  if (!body.success) return refused("unreadable_body");
  if (body.data["environment"] !== environment) return refused("other_environment");
  return { outcome: "verified", replayKey: replayKeyOf(token.signature), iat, body: body.data };
}

function refused(reason: WebhookRefusal): WebhookVerdict {
  return { outcome: "refused", reason };
}

function readJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** The order of P-256's group (FIPS 186-4, D.1.2.3). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** Of (r, s) and (r, n − s), which both verify, the same: else a webhook could be replayed once by who turns the sign. */
function replayKeyOf(signature: Uint8Array): string {
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).toString("hex")}`);
  const lower = s * 2n > ORDER ? ORDER - s : s;
  return createHash("sha256").update(signature.subarray(0, 32)).update(lower.toString(16)).digest("hex");
}
