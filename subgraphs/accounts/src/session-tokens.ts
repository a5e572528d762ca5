import { createHash } from "node:crypto";
import type { TokenIssuer } from "@florin/auth";
import type { Transaction } from "@florin/db";
import { insertRefreshToken, insertSession, type UserRecord } from "@florin/db/accounts";
import { addMicros, formatId, type Clock, type IdSource, type Instant, type Uuid } from "@florin/kernel";
import { scopesOf } from "./role-scopes.js";
import { deriveKey, openSecret, sealSecret } from "./secret-box.js";

/**
 * The two tokens of a session. The access token (a signed statement, ten minutes) is what requests carry; the refresh token (256 random
 * bits) is spent once for the next pair. Neither is ever stored: of the refresh token there is a hash, and of the successor of a
 * spent one a ciphertext that only the spent one opens.
 */
const DAY_MICROS = 24n * 3_600n * 1_000_000n;
const REFRESH_LIFE_MICROS = 30n * DAY_MICROS;
const SESSION_LIFE_MICROS = 180n * DAY_MICROS;
const REFRESH_TOKEN = /^florin_rt_[A-Za-z0-9_-]{43}$/;

export interface SessionTokens {
  /** A new session with its first refresh token, inside the caller's transaction. */
  begin(tx: Transaction, userId: Uuid): Promise<SessionPair>;
  /** The next refresh token of a session, inside the caller's transaction. */
  extend(tx: Transaction, sessionId: Uuid, sessionExpiresAt: Instant): Promise<SessionPair>;
  issueAccessToken(
    user: UserRecord,
    sessionId: Uuid,
  ): Promise<{ readonly accessToken: string; readonly expiresIn: number }>;
  /** Readable only by who has the spent token, and only with the server's secret. */
  sealSuccessor(spent: string, successor: string): Uint8Array;
  openSuccessor(spent: string, sealed: Uint8Array): string | undefined;
}

export interface SessionPair {
  readonly sessionId: Uuid;
  readonly refreshToken: string;
}

export function createSessionTokens(options: {
  readonly issuer: TokenIssuer;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly randomBytes: (size: number) => Uint8Array;
  readonly successorSecret: Uint8Array;
}): SessionTokens {
  const { issuer, clock, ids } = options;

  async function extend(tx: Transaction, sessionId: Uuid, sessionExpiresAt: Instant): Promise<SessionPair> {
    const refreshToken = `florin_rt_${Buffer.from(options.randomBytes(32)).toString("base64url")}`;
    const issuedAt = clock.now();
    const idleEnd = addMicros(issuedAt, REFRESH_LIFE_MICROS);
    const expiresAt = idleEnd < sessionExpiresAt ? idleEnd : sessionExpiresAt;
    await insertRefreshToken(tx, { tokenHash: hashRefreshToken(refreshToken), sessionId, issuedAt, expiresAt });
    return { sessionId, refreshToken };
  }

  return {
    begin: async (tx, userId) => {
      const createdAt = clock.now();
      const session = {
        sessionId: ids.next(),
        userId,
        createdAt,
        expiresAt: addMicros(createdAt, SESSION_LIFE_MICROS),
      };
      await insertSession(tx, session);
      return extend(tx, session.sessionId, session.expiresAt);
    },
    extend,
    issueAccessToken: async (user, sessionId) => {
      const { token, expiresIn } = await issuer.issueAccessToken({
        principal: formatId("user", user.userId),
        roles: user.roles,
        scopes: scopesOf(user.roles),
        sessionId: formatId("session", sessionId),
      });
      return { accessToken: token, expiresIn };
    },
    sealSuccessor: (spent, successor) =>
      sealSecret(successorKey(spent, options.successorSecret), successor, bindingOf(spent)),
    openSuccessor: (spent, sealed) =>
      openSecret(successorKey(spent, options.successorSecret), sealed, bindingOf(spent)),
  };
}

export function isRefreshToken(text: string): boolean {
  return REFRESH_TOKEN.test(text);
}

export function hashRefreshToken(token: string): Uint8Array {
  return createHash("sha256").update(token, "utf8").digest();
}

function successorKey(spent: string, secret: Uint8Array): Uint8Array {
  return deriveKey(Buffer.from(spent, "utf8"), "refresh-successor", secret);
}

function bindingOf(spent: string): string {
  return `refresh_token:${Buffer.from(hashRefreshToken(spent)).toString("hex")}`;
}
