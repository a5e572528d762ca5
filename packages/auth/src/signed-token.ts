import { createHash } from "node:crypto";
import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from "jose";
import { AuthError } from "./auth-error.js";
import { KeySet, type KeySetOptions } from "./key-set.js";
import type { Viewer } from "./viewer.js";
import { secondsSince1970, type TokenClock } from "./token-clock.js";

/**
 * Checking a signed token (RFC 8725), the same for people's tokens and for services'.
 *
 * In this order: size and form; algorithm EdDSA and nothing else, exact `typ`, plain `kid`; the key from our own set by exact id (whatever
 * `jwk`, `jku` or `x5u` the header brings is not looked at); signature; issuer, audience, times; what the kind of token demands; and, after
 * everything and also on a cache hit, whether it was revoked.
 *
 * A signature costs about a hundred microseconds, so verified tokens are remembered by their SHA-256: at most `cacheSize` of them, the least
 * recently used goes first, never past `exp`, and only while their key is still published.
 */
export interface SignedTokenRules extends KeySetOptions {
  readonly clock: TokenClock;
  /** Exact `typ`: keeps one kind of token from being taken for another. */
  readonly typ: string;
  readonly issuer: string | undefined;
  readonly audience: string;
  /** A token that claims a longer life was not made by us. */
  readonly maxLifeSeconds: number;
  readonly leewaySeconds: number;
  readonly cacheSize: number;
  /** Turns checked claims into the viewer; throws AuthError when they do not fit this kind of token. */
  readonly toViewer: (claims: CheckedClaims, keyId: string) => Viewer;
  readonly isRevoked: (viewer: Viewer) => boolean;
}

export interface CheckedClaims extends JWTPayload {
  readonly sub: string;
  readonly iat: number;
  readonly exp: number;
  readonly jti: string;
}

/** Ours are some 500 characters; a header line may hold 8 kB. */
const MAX_TOKEN_LENGTH = 4_096;
const COMPACT_JWS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const SUBJECT = /^[A-Za-z0-9_:.-]{1,128}$/;

export interface TokenVerifier {
  /** Who the token proves the caller to be. Throws AuthError; KeysUnavailableError when that cannot be found out just now. */
  verify(token: string): Promise<Viewer>;
}

export function createSignedTokenVerifier(rules: SignedTokenRules): TokenVerifier {
  const keySet = new KeySet(rules);
  const verified = new Map<string, { readonly keyId: string; readonly viewer: Viewer }>();

  async function verify(token: string): Promise<Viewer> {
    if (token.length > MAX_TOKEN_LENGTH || !COMPACT_JWS.test(token)) throw malformed();
    const digest = createHash("sha256").update(token).digest("base64url");
    const viewer = recall(digest) ?? remember(digest, await check(token, rules, keySet));
    if (rules.isRevoked(viewer)) throw new AuthError("REVOKED", "This session was ended. Sign in again.");
    return viewer;
  }

  function recall(digest: string): Viewer | undefined {
    const entry = verified.get(digest);
    if (entry === undefined) return undefined;
    verified.delete(digest);
    // What has run out, or lost its key, is checked in full: leeway and refusals are decided in one place.
    if (entry.viewer.expiresAt <= secondsSince1970(rules.clock)) return undefined;
    if (keySet.peek(entry.keyId) === undefined) return undefined;
    verified.set(digest, entry); // youngest again
    return entry.viewer;
  }

  function remember(digest: string, entry: { keyId: string; viewer: Viewer }): Viewer {
    verified.set(digest, entry);
    if (verified.size > rules.cacheSize) {
      const [oldest] = verified.keys();
      if (oldest !== undefined) verified.delete(oldest);
    }
    return entry.viewer;
  }

  return { verify };
}

async function check(
  token: string,
  rules: SignedTokenRules,
  keySet: KeySet,
): Promise<{ keyId: string; viewer: Viewer }> {
  const keyId = checkHeader(token, rules.typ);
  const key = await keySet.get(keyId);
  const now = secondsSince1970(rules.clock);
  let claims: JWTPayload;
  try {
    const result = await jwtVerify(token, key, {
      algorithms: ["EdDSA"],
      ...(rules.issuer === undefined ? {} : { issuer: rules.issuer }),
      audience: rules.audience,
      requiredClaims: ["sub", "iat", "exp", "jti"],
      clockTolerance: rules.leewaySeconds,
      currentDate: new Date(now * 1000),
    });
    claims = result.payload;
  } catch (error) {
    throw toAuthError(error);
  }
  const checked = checkClaims(claims, rules, now);
  return { keyId, viewer: rules.toViewer(checked, keyId) };
}

/** Returns the key id. */
function checkHeader(token: string, typ: string): string {
  let header: ReturnType<typeof decodeProtectedHeader>;
  try {
    header = decodeProtectedHeader(token);
  } catch {
    throw malformed();
  }
  if (header.alg !== "EdDSA") throw new AuthError("BAD_SIGNATURE", "Tokens are signed with EdDSA here. Sign in again.");
  if (header.typ !== typ)
    throw new AuthError("WRONG_AUDIENCE", `This is another kind of token. Send one of type ${typ}.`);
  if (header.crit !== undefined || typeof header.kid !== "string") throw malformed();
  return header.kid;
}

/** What the library leaves open: one audience exactly, a subject of ours, a life that is not longer than we give. */
function checkClaims(claims: JWTPayload, rules: SignedTokenRules, now: number): CheckedClaims {
  const { sub, iat, exp, jti, aud } = claims;
  if (aud !== rules.audience) throw wrongAudience();
  if (typeof sub !== "string" || !SUBJECT.test(sub) || typeof jti !== "string") throw malformed();
  if (typeof iat !== "number" || typeof exp !== "number" || !Number.isInteger(iat) || !Number.isInteger(exp))
    throw malformed();
  if (iat > now + rules.leewaySeconds || exp <= iat || exp - iat > rules.maxLifeSeconds) throw malformed();
  return { ...claims, sub, iat, exp, jti };
}

function toAuthError(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return expired();
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === "aud" || error.claim === "iss" ? wrongAudience() : malformed();
  }
  if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JOSEAlgNotAllowed)
    return new AuthError("BAD_SIGNATURE", "The signature of the token does not hold. Sign in again.");
  if (error instanceof errors.JOSEError) return malformed();
  return error;
}

export function malformed(): AuthError {
  return new AuthError("MALFORMED", "This is no token of ours. Send the access token exactly as it was given out.");
}

function expired(): AuthError {
  return new AuthError("EXPIRED", "The token has run out. Refresh the session or sign in again.");
}

function wrongAudience(): AuthError {
  return new AuthError(
    "WRONG_AUDIENCE",
    "The token was given out for somebody else or by somebody else. Sign in here.",
  );
}
