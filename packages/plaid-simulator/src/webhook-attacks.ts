/**
 * Webhooks that must move nothing: what an attacker could send, and what a Plaid that is not ours would. Those of the
 * first group a receiver refuses at the signature; those of the second are signed as they should be and say something that is
 * not for us, so it is the body that has to be looked at.
 */
import { createHmac, createPublicKey } from "node:crypto";
import { signedJwt, unsignedJwt, webhookClaims, type SigningKey } from "./webhook-keys.js";

/** Refused at the signature, and what is wrong with each. */
export const FORGERIES = {
  "no-signature": "the header is missing",
  "bad-signature": "one bit of the signature differs",
  "alg-none": "the JWT says that it needs no signature",
  hs256: "signed with the public key, taken for a shared secret",
  "der-signature": "the right signature in ASN.1 DER, which ES256 does not allow",
  "wrong-kid": "names a key that Plaid never had",
  "stranger-key": "names our key, signed by another",
  "expired-key": "signed by a key that expired yesterday",
  "stale-iat": "signed more than five minutes ago",
  "future-iat": "signed ten minutes from now",
  "altered-body": "one space was added to the body after it was signed",
  "other-body": "the signature of another body",
  "oversize-body": "half a megabyte of body",
} as const;

/** Signed as they should be, and not for us. */
export const MISDIRECTED = {
  "other-environment": "says that it comes from another environment",
  "unknown-item": "is about an Item that the receiver never had",
} as const;

export type AttackName = keyof typeof FORGERIES | keyof typeof MISDIRECTED;

export const ATTACK_NAMES: readonly AttackName[] = [...keysOf(FORGERIES), ...keysOf(MISDIRECTED)];

/** A body and the value of its `Plaid-Verification`; null: sent without one. */
export interface SignedWebhook {
  readonly body: string;
  readonly header: string | null;
}

/** What the forger works with. Keys that are rarely needed are made when they are asked for. */
export interface ForgersTools {
  readonly key: SigningKey;
  readonly nowSeconds: number;
  readonly expiredKey: () => SigningKey;
  readonly strangerKey: () => SigningKey;
}

const STALE_SECONDS = 360;
const AHEAD_SECONDS = 600;
const OVERSIZE_BYTES = 512 * 1024;
/** A key id in the right shape that no signer makes: its version nibble is 0. */
const KID_OF_NOBODY = "00000000-0000-0000-8000-00000000dead";
/** An Item id in the right shape that the simulator gives to none. */
const ITEM_OF_NOBODY = "nobodysItem00000000000000000000000000";

/** The attack of that name, made from a body that would have been sent. */
export function forge(name: AttackName, rawBody: string, tools: ForgersTools): SignedWebhook {
  const { key, nowSeconds } = tools;
  const claims = webhookClaims(rawBody, nowSeconds);
  const genuine = (body: string): SignedWebhook => ({ body, header: signedJwt(key, webhookClaims(body, nowSeconds)) });
  switch (name) {
    case "no-signature":
      return { body: rawBody, header: null };
    case "bad-signature":
      return { body: rawBody, header: withOneBitTurned(signedJwt(key, claims)) };
    case "alg-none":
      return { body: rawBody, header: `${unsignedJwt({ alg: "none", kid: key.kid, typ: "JWT" }, claims)}.` };
    case "hs256":
      return {
        body: rawBody,
        header: signedWithThePublicKey(key, unsignedJwt({ alg: "HS256", kid: key.kid, typ: "JWT" }, claims)),
      };
    case "der-signature":
      return { body: rawBody, header: signedJwt(key, claims, "der") };
    case "wrong-kid":
      return { body: rawBody, header: signedJwt({ ...key, kid: KID_OF_NOBODY }, claims) };
    case "stranger-key":
      return { body: rawBody, header: signedJwt({ ...tools.strangerKey(), kid: key.kid }, claims) };
    case "expired-key":
      return { body: rawBody, header: signedJwt(tools.expiredKey(), claims) };
    case "stale-iat":
      return { body: rawBody, header: signedJwt(key, webhookClaims(rawBody, nowSeconds - STALE_SECONDS)) };
    case "future-iat":
      return { body: rawBody, header: signedJwt(key, webhookClaims(rawBody, nowSeconds + AHEAD_SECONDS)) };
    case "altered-body":
      return { body: `${rawBody} `, header: signedJwt(key, claims) };
    case "other-body":
      return { body: rawBody, header: signedJwt(key, webhookClaims(`${rawBody}{}`, nowSeconds)) };
    case "oversize-body":
      return genuine(rawBody.padEnd(OVERSIZE_BYTES, " "));
    case "other-environment":
      return genuine(
        withMembers(rawBody, (body) => ({
          environment: body["environment"] === "production" ? "sandbox" : "production",
        })),
      );
    case "unknown-item":
      return genuine(withMembers(rawBody, () => ({ item_id: ITEM_OF_NOBODY })));
    default:
      return name satisfies never;
  }
}

function withOneBitTurned(jwt: string): string {
  const at = jwt.lastIndexOf(".") + 1;
  const signature = Buffer.from(jwt.slice(at), "base64url");
  signature.writeUInt8(signature.readUInt8(0) ^ 1, 0);
  return `${jwt.slice(0, at)}${signature.toString("base64url")}`;
}

/** The classic confusion: a verifier that takes the algorithm from the header uses the public key as an HMAC secret. */
function signedWithThePublicKey(key: SigningKey, signed: string): string {
  const secret = createPublicKey(key.privateKey).export({ format: "pem", type: "spki" });
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

function withMembers(rawBody: string, change: (body: Record<string, unknown>) => Record<string, unknown>): string {
  const body: Record<string, unknown> = { ...JSON.parse(rawBody) };
  return JSON.stringify({ ...body, ...change(body) }, null, 2);
}

function keysOf<T extends object>(table: T): (keyof T)[] {
  const isKey = (key: string): key is Extract<keyof T, string> => key in table;
  return Object.keys(table).filter(isKey);
}
