import { appendOutbox } from "@florin/db";
import { revokeSession } from "@florin/db/accounts";
import type { Viewer } from "@florin/auth";
import { addMicros, parseId } from "@florin/kernel";
import { sessionRevoked } from "../account-events.js";
import { TOKEN_LIFE_MICROS } from "../revoked-sessions.js";
import type { RequestFacts, Services } from "../services.js";

/**
 * Ends the session of the token that was sent: its refresh tokens are void, its access tokens are refused here at once and
 * elsewhere when the event arrives. False when the caller has no session (a partner's key) or it had ended.
 */
export async function logout(
  services: Services,
  viewer: Viewer,
  facts: Pick<RequestFacts, "correlationId">,
): Promise<boolean> {
  const sessionId = viewer.sessionId === undefined ? undefined : parseId("session", viewer.sessionId);
  const userId = parseId("user", viewer.principal);
  if (viewer.sessionId === undefined || sessionId === undefined || userId === undefined) return false;
  const now = services.clock.now();
  const until = addMicros(now, TOKEN_LIFE_MICROS);
  let runs = 0;
  const hasEnded = await services.transact(async (tx) => {
    runs++;
    // Ended already in a second run: by the first, whose answer was lost.
    if (!(await revokeSession(tx, sessionId, "LOGOUT", now))) return runs > 1;
    await appendOutbox(tx, "accounts", [sessionRevoked(services, { sessionId, userId, until }, facts.correlationId)]);
    return true;
  });
  services.revokedSessions.add(viewer.sessionId, until);
  services.wakeRelay();
  return hasEnded;
}
