import { createHash } from "node:crypto";

/** What a webhook's JWT claims: when it was signed (seconds since 1970) and the hash of the body's bytes. */
export interface WebhookClaims {
  readonly iat: number;
  readonly request_body_sha256: string;
}

export function webhookClaims(rawBody: string, issuedAt: number): WebhookClaims {
  return { iat: issuedAt, request_body_sha256: createHash("sha256").update(rawBody, "utf8").digest("hex") };
}

/** A header or a payload as it stands in a JWT. */
export function jwtPart(content: object): string {
  return Buffer.from(JSON.stringify(content), "utf8").toString("base64url");
}
