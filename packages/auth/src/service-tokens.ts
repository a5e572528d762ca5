import { randomUUID } from "node:crypto";
import { SignJWT, importJWK } from "jose";
import { AuthError } from "./auth-error.js";
import { createSignedTokenVerifier, malformed, type TokenVerifier } from "./signed-token.js";
import {
  generatePrivateJwk,
  newKeyId,
  publicPartOf,
  type JwkSet,
  type PrivateJwk,
  type PublicJwk,
} from "./signing-keys.js";
import { secondsSince1970, type TokenClock } from "./token-clock.js";

/**
 * How one process proves to another that it is the gateway. Each service has a key of its own, and its key's id begins with the
 * service's name (`gateway_kJ3…`): a service that is broken into can speak as itself and as nobody else.
 * A token names one audience and lives for a minute, so one that leaks opens one door, briefly.
 */
export const SERVICE_TOKEN_TYPE = "svc+jwt";
export const SERVICE_TOKEN_TTL_SECONDS = 60;
/** A token is handed out again for this long; the rest of its life is for the way and for clocks that differ. */
const REUSE_SECONDS = 40;
const SERVICE_NAME = /^[a-z][a-z0-9-]{0,31}$/;
/** The platform has some ten services; a bound all the same. */
const MAX_AUDIENCES = 64;

/** A key for one service. The public part goes into the set that the others verify with. */
export async function generateServiceKey(
  name: string,
): Promise<{ readonly publicJwk: PublicJwk; readonly privateJwk: PrivateJwk }> {
  assertServiceName(name);
  const privateJwk = await generatePrivateJwk(`${name}_${newKeyId()}`);
  return { publicJwk: publicPartOf(privateJwk), privateJwk };
}

export interface ServiceTokens {
  /** A token for the service of this name, with at least twenty seconds to live. */
  tokenFor(audience: string): Promise<string>;
}

export function createServiceTokens(options: {
  /** This service's name: `gateway`. The principal is `svc:gateway`. */
  readonly name: string;
  readonly privateJwk: PrivateJwk;
  readonly clock: TokenClock;
}): ServiceTokens {
  const { name, privateJwk, clock } = options;
  assertServiceName(name);
  if (serviceOfKey(privateJwk.kid) !== name)
    throw new Error(`key ${privateJwk.kid} is not a key of "${name}"; make one with generateServiceKey("${name}")`);
  const key = importJWK({ ...privateJwk }, "EdDSA");
  key.catch(() => undefined); // told to whoever asks for a token
  const made = new Map<string, { readonly token: Promise<string>; readonly madeAt: number }>();

  return {
    tokenFor: (audience) => {
      const now = secondsSince1970(clock);
      const found = made.get(audience);
      if (found !== undefined && now >= found.madeAt && now < found.madeAt + REUSE_SECONDS) return found.token;
      if (made.size >= MAX_AUDIENCES) made.clear();
      const token = sign(audience, now);
      made.set(audience, { token, madeAt: now });
      token.catch(() => made.delete(audience));
      return token;
    },
  };

  async function sign(audience: string, now: number): Promise<string> {
    return new SignJWT({})
      .setProtectedHeader({ alg: "EdDSA", typ: SERVICE_TOKEN_TYPE, kid: privateJwk.kid })
      .setIssuer(`svc:${name}`)
      .setSubject(`svc:${name}`)
      .setAudience(audience)
      .setJti(randomUUID())
      .setIssuedAt(now)
      .setExpirationTime(now + SERVICE_TOKEN_TTL_SECONDS)
      .sign(await key);
  }
}

/**
 * Verifies services' tokens at the service called `audience`. The viewer has the principal `svc:<name>`, the role SERVICE and no scopes.
 *
 * @param options.callers the services that may call this one; absent: any that has a key in the set
 */
export function createServiceVerifier(options: {
  readonly audience: string;
  readonly jwks: () => Promise<JwkSet>;
  readonly clock: TokenClock;
  readonly callers?: readonly string[];
  readonly leewaySeconds?: number;
  readonly cacheSize?: number;
  readonly maxAgeMs?: number;
  readonly refetchEveryMs?: number;
}): TokenVerifier {
  return createSignedTokenVerifier({
    ...options,
    typ: SERVICE_TOKEN_TYPE,
    issuer: undefined, // each service issues its own; bound to the key below
    maxLifeSeconds: SERVICE_TOKEN_TTL_SECONDS,
    leewaySeconds: Math.min(30, options.leewaySeconds ?? 5),
    cacheSize: options.cacheSize ?? 1_000,
    toViewer: (claims, keyId) => {
      const name = serviceOfKey(keyId);
      if (name === undefined || claims.sub !== `svc:${name}` || claims.iss !== claims.sub) throw malformed();
      if (options.callers !== undefined && !options.callers.includes(name))
        throw new AuthError(
          "WRONG_AUDIENCE",
          `${name} may not call ${options.audience}. Add it to the callers if it should.`,
        );
      return { principal: claims.sub, roles: ["SERVICE"], scopes: [], sessionId: undefined, expiresAt: claims.exp };
    },
    isRevoked: () => false,
  });
}

function serviceOfKey(keyId: string): string | undefined {
  const end = keyId.indexOf("_");
  return end > 0 ? keyId.slice(0, end) : undefined;
}

function assertServiceName(name: string): void {
  if (!SERVICE_NAME.test(name))
    throw new Error(`"${name}" is no service name; use up to 32 lower-case letters, digits and "-", a letter first`);
}
