import { randomUUID } from "node:crypto";
import { SignJWT, importJWK } from "jose";
import { createSignedTokenVerifier, malformed, type CheckedClaims, type TokenVerifier } from "./signed-token.js";
import type { JwkSet, SigningKey } from "./signing-keys.js";
import { secondsSince1970, type TokenClock } from "./token-clock.js";
import { isRole, type Role, type Viewer } from "./viewer.js";

/** Audience of every access token: the platform as a whole, behind its one door. */
export const ACCESS_TOKEN_AUDIENCE = "florin";
export const ACCESS_TOKEN_TYPE = "at+jwt";
export const ACCESS_TOKEN_TTL_SECONDS = 600;

export interface TokenIssuer {
  /** `expiresIn` is in seconds. Throws when the active key has no private part. */
  issueAccessToken(subject: {
    readonly principal: string;
    readonly roles: readonly Role[];
    readonly scopes: readonly string[];
    /** Absent for tokens that an API key was exchanged for. */
    readonly sessionId?: string | undefined;
  }): Promise<{ readonly token: string; readonly expiresIn: number }>;
}

/** Makes access tokens (RFC 9068) for people and partners. Only the accounts area has the key. */
export function createTokenIssuer(options: {
  readonly issuer: string;
  readonly clock: TokenClock;
  /** Asked for each token, so that a rotation takes effect at once; keep it in memory. */
  readonly activeKey: () => Promise<SigningKey>;
}): TokenIssuer {
  let imported: { readonly keyId: string; readonly key: Awaited<ReturnType<typeof importJWK>> } | undefined;

  return {
    issueAccessToken: async ({ principal, roles, scopes, sessionId }) => {
      const { keyId, privateJwk } = await options.activeKey();
      if (privateJwk === undefined)
        throw new Error(`signing key ${keyId} has no private part; issue with the ACTIVE key`);
      if (imported?.keyId !== keyId) imported = { keyId, key: await importJWK({ ...privateJwk }, "EdDSA") };
      const now = secondsSince1970(options.clock);
      const token = await new SignJWT({
        roles,
        scope: scopes.join(" "),
        ...(sessionId === undefined ? {} : { sid: sessionId }),
      })
        .setProtectedHeader({ alg: "EdDSA", typ: ACCESS_TOKEN_TYPE, kid: keyId })
        .setIssuer(options.issuer)
        .setAudience(ACCESS_TOKEN_AUDIENCE)
        .setSubject(principal)
        .setJti(randomUUID())
        .setIssuedAt(now)
        .setExpirationTime(now + ACCESS_TOKEN_TTL_SECONDS)
        .sign(imported.key);
      return { token, expiresIn: ACCESS_TOKEN_TTL_SECONDS };
    },
  };
}

export interface TokenVerifierOptions {
  readonly issuer: string;
  /** Default: ACCESS_TOKEN_AUDIENCE. */
  readonly audience?: string;
  readonly jwks: () => Promise<JwkSet>;
  readonly clock: TokenClock;
  /** How far clocks may be apart; at most 30. Default 5. */
  readonly leewaySeconds?: number;
  /** Sessions that were ended while their tokens still run. Asked each time, also for remembered tokens. */
  readonly revokedSessions?: { has(sessionId: string): boolean };
  /** Default 10 000 tokens. */
  readonly cacheSize?: number;
  readonly maxAgeMs?: number;
  readonly refetchEveryMs?: number;
}

/** Verifies access tokens of people and partners. Refuses services' tokens, however well signed. */
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  return createSignedTokenVerifier({
    ...options,
    typ: ACCESS_TOKEN_TYPE,
    audience: options.audience ?? ACCESS_TOKEN_AUDIENCE,
    maxLifeSeconds: ACCESS_TOKEN_TTL_SECONDS,
    leewaySeconds: Math.min(30, options.leewaySeconds ?? 5),
    cacheSize: options.cacheSize ?? 10_000,
    toViewer,
    isRevoked: (viewer) => viewer.sessionId !== undefined && options.revokedSessions?.has(viewer.sessionId) === true,
  });
}

function toViewer(claims: CheckedClaims): Viewer {
  const { sub, exp, roles, scope, sid } = claims;
  if (sub.startsWith("svc:") || !Array.isArray(roles) || typeof scope !== "string") throw malformed();
  if (sid !== undefined && typeof sid !== "string") throw malformed();
  return {
    principal: sub,
    // A role that this version does not know gives nothing; SERVICE is never had by an access token.
    roles: roles.filter(isRole).filter((role) => role !== "SERVICE"),
    scopes: scope.split(" ").filter((name) => name !== ""),
    sessionId: sid,
    expiresAt: exp,
  };
}
