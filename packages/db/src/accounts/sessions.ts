import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

export type RevokeReason = "LOGOUT" | "REFRESH_TOKEN_REUSED";

export interface NewSession {
  readonly sessionId: Uuid;
  readonly userId: Uuid;
  readonly createdAt: Instant;
  readonly expiresAt: Instant;
}

export interface NewRefreshToken {
  /** SHA-256 of the token. */
  readonly tokenHash: Uint8Array;
  readonly sessionId: Uuid;
  readonly issuedAt: Instant;
  readonly expiresAt: Instant;
}

/** A refresh token with what is needed to judge it, locked together with its session. */
export interface LockedRefreshToken {
  readonly sessionId: Uuid;
  readonly userId: Uuid;
  readonly expiresAt: Instant;
  readonly usedAt: Instant | null;
  readonly successorSealed: Uint8Array | null;
  readonly sessionExpiresAt: Instant;
  readonly revokedAt: Instant | null;
}

export async function insertSession(tx: Transaction, session: NewSession): Promise<void> {
  await tx`
    insert into accounts.session (session_id, user_id, created_at, expires_at)
    values (${session.sessionId}, ${session.userId}, ${formatInstant(session.createdAt)}, ${formatInstant(session.expiresAt)})`;
}

export async function insertRefreshToken(tx: Transaction, token: NewRefreshToken): Promise<void> {
  await tx`
    insert into accounts.refresh_token (token_hash, session_id, issued_at, expires_at)
    values (${Buffer.from(token.tokenHash)}, ${token.sessionId}, ${formatInstant(token.issuedAt)}, ${formatInstant(token.expiresAt)})`;
}

/** The session's row is locked first, here and in `revokeSession`, so a refresh and a log-out cannot cross. */
export async function lockRefreshToken(
  tx: Transaction,
  tokenHash: Uint8Array,
): Promise<LockedRefreshToken | undefined> {
  const hash = Buffer.from(tokenHash);
  await tx`
    select from accounts.session
    where session_id = (select session_id from accounts.refresh_token where token_hash = ${hash}) for update`;
  const [token] = await tx<LockedRefreshToken[]>`
    select t.session_id as "sessionId", s.user_id as "userId", t.expires_at as "expiresAt", t.used_at as "usedAt",
      t.successor_sealed as "successorSealed", s.expires_at as "sessionExpiresAt", s.revoked_at as "revokedAt"
    from accounts.refresh_token t join accounts.session s using (session_id)
    where t.token_hash = ${hash}`;
  return token;
}

export async function updateRefreshTokenUsed(
  tx: Transaction,
  used: { readonly tokenHash: Uint8Array; readonly usedAt: Instant; readonly successorSealed: Uint8Array },
): Promise<void> {
  await tx`
    update accounts.refresh_token
    set used_at = ${formatInstant(used.usedAt)}, successor_sealed = ${Buffer.from(used.successorSealed)}
    where token_hash = ${Buffer.from(used.tokenHash)} and used_at is null`;
}

/** false when there is no such session or it was revoked before. */
export async function revokeSession(
  tx: Transaction,
  sessionId: Uuid,
  reason: RevokeReason,
  at: Instant,
): Promise<boolean> {
  const rows = await tx`
    update accounts.session set revoked_at = ${formatInstant(at)}, revoke_reason = ${reason}
    where session_id = ${sessionId} and revoked_at is null
    returning session_id`;
  return rows.length === 1;
}

/** Whose access tokens may still be about. */
export async function listSessionsRevokedSince(
  sql: Sql,
  since: Instant,
): Promise<{ readonly sessionId: Uuid; readonly revokedAt: Instant }[]> {
  return sql<{ sessionId: Uuid; revokedAt: Instant }[]>`
    select session_id as "sessionId", revoked_at as "revokedAt" from accounts.session
    where revoked_at >= ${formatInstant(since)}`;
}

/** Tokens past their end prove nothing more. Bounded, so that the first run on a big table holds no lock for long. */
export async function deleteExpiredRefreshTokens(sql: Sql, before: Instant, limit: number): Promise<number> {
  const rows = await sql`
    delete from accounts.refresh_token where token_hash in (
      select token_hash from accounts.refresh_token where expires_at < ${formatInstant(before)}
      order by expires_at limit ${limit})
    returning 1`;
  return rows.length;
}
