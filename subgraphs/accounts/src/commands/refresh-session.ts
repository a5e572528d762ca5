import { appendOutbox, type Transaction } from "@florin/db";
import {
  listUsersByIds,
  lockRefreshToken,
  revokeSession,
  updateRefreshTokenUsed,
  type LockedRefreshToken,
  type UserRecord,
} from "@florin/db/accounts";
import { addMicros, formatId, type Instant } from "@florin/kernel";
import { sessionRevoked } from "../account-events.js";
import { TOKEN_LIFE_MICROS } from "../revoked-sessions.js";
import type { RequestFacts, Services } from "../services.js";
import { hashRefreshToken, isRefreshToken, type SessionPair } from "../session-tokens.js";
import { sessionEnded, toSignedIn, type SignedIn } from "../signed-in.js";

/** For so long a spent token gives the same successor: the client whose answer was lost is not a thief. */
const GRACE_MICROS = 30_000_000n;

type Outcome =
  | { readonly kind: "refused" }
  | { readonly kind: "refreshed"; readonly user: UserRecord; readonly session: SessionPair }
  /** The token was spent before: two have it, and one of them should not. */
  | { readonly kind: "stolen"; readonly token: LockedRefreshToken; readonly until: Instant };

/**
 * Spends a refresh token for the next pair (RFC 9700, section 4.14: rotation with reuse detection).
 *
 * Unspent: it gets a successor. Spent within 30 s: the same successor. Spent longer ago: the whole session ends, for the thief and for
 * its owner alike. Unknown, expired, ended: UNAUTHENTICATED. The session's row is locked, so of two at once one comes first.
 */
export async function refreshSession(
  services: Services,
  presented: string,
  facts: Pick<RequestFacts, "correlationId">,
): Promise<SignedIn> {
  if (!isRefreshToken(presented)) throw sessionEnded();
  const outcome = await services.transact((tx) => spend(services, tx, presented, facts));
  switch (outcome.kind) {
    case "refused":
      throw sessionEnded();
    case "stolen":
      services.revokedSessions.add(formatId("session", outcome.token.sessionId), outcome.until);
      services.wakeRelay();
      services.logger.warn(
        { sessionId: formatId("session", outcome.token.sessionId) },
        "A spent refresh token was used again; its session was ended.",
      );
      throw sessionEnded();
    case "refreshed":
      return toSignedIn(services, outcome.user, outcome.session);
  }
}

async function spend(
  services: Services,
  tx: Transaction,
  presented: string,
  facts: Pick<RequestFacts, "correlationId">,
): Promise<Outcome> {
  const tokenHash = hashRefreshToken(presented);
  const token = await lockRefreshToken(tx, tokenHash);
  if (token === undefined || token.revokedAt !== null) return { kind: "refused" };
  const now = services.clock.now();
  if (token.usedAt !== null && now - token.usedAt > GRACE_MICROS) return endFamily(services, tx, token, now, facts);
  if (token.expiresAt <= now) return { kind: "refused" };
  const [user] = await listUsersByIds(tx, [token.userId]);
  if (user === undefined || user.status !== "ACTIVE") return { kind: "refused" };

  if (token.successorSealed !== null) {
    const successor = services.tokens.openSuccessor(presented, token.successorSealed);
    if (successor === undefined) return { kind: "refused" }; // sealed under another secret: before a change of the master key
    return { kind: "refreshed", user, session: { sessionId: token.sessionId, refreshToken: successor } };
  }
  const session = await services.tokens.extend(tx, token.sessionId, token.sessionExpiresAt);
  const successorSealed = services.tokens.sealSuccessor(presented, session.refreshToken);
  await updateRefreshTokenUsed(tx, { tokenHash, usedAt: now, successorSealed });
  return { kind: "refreshed", user, session };
}

async function endFamily(
  services: Services,
  tx: Transaction,
  token: LockedRefreshToken,
  now: Instant,
  facts: Pick<RequestFacts, "correlationId">,
): Promise<Outcome> {
  const until = addMicros(now, TOKEN_LIFE_MICROS);
  await revokeSession(tx, token.sessionId, "REFRESH_TOKEN_REUSED", now);
  const event = sessionRevoked(services, { ...token, until }, facts.correlationId);
  await appendOutbox(tx, "accounts", [event]);
  return { kind: "stolen", token, until };
}
