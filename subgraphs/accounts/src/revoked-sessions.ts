import { ACCESS_TOKEN_TTL_SECONDS } from "@florin/auth";
import { parseInstant, type Clock, type EventEnvelope, type Instant } from "@florin/kernel";
import { z } from "zod";

/**
 * Sessions that ended while their access tokens may still run. A token lives ten minutes, so an entry is forgotten soon after: the set
 * is as large as the log-outs of ten minutes.
 */
export interface RevokedSessions {
  has(sessionId: string): boolean;
  add(sessionId: string, until: Instant): void;
}

/** The longest that a verifier may still accept a token: its life and the greatest leeway. */
export const TOKEN_LIFE_MICROS = BigInt(ACCESS_TOKEN_TTL_SECONDS + 30) * 1_000_000n;

export function createRevokedSessions(clock: Clock): RevokedSessions {
  const untilById = new Map<string, Instant>();
  return {
    has: (sessionId) => untilById.has(sessionId),
    add: (sessionId, until) => {
      const now = clock.now();
      // Ends come nearly in the order of insertion; what is left behind by the break goes with a later one.
      for (const [known, end] of untilById) {
        if (end > now) break;
        untilById.delete(known);
      }
      untilById.delete(sessionId);
      untilById.set(sessionId, until);
    },
  };
}

const revocation = z.object({ sessionId: z.string(), until: z.string() });

/** Also of other processes: the event passes here whoever wrote it. */
export function noteRevocation(event: EventEnvelope, revokedSessions: RevokedSessions): void {
  if (event.type !== "session.revoked") return;
  const { sessionId, until } = revocation.parse(event.payload);
  const end = parseInstant(until);
  if (end !== undefined) revokedSessions.add(sessionId, end);
}
