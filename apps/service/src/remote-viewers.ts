import { createTokenVerifier, KeysUnavailableError, type JwkSet, type Viewer } from "@florin/auth";
import type { Bus } from "@florin/events";
import { temporarilyUnavailable, type Clock } from "@florin/kernel";
import { createRevokedSessions, noteRevocation } from "@florin/subgraph-accounts/revoked-sessions";
import type { Logger } from "@florin/telemetry";
import { ISSUER } from "./area-foundations.js";
import type { Identity } from "./identity-http.js";

/**
 * Who is calling, decided in a process that is not accounts.
 *
 * Keys come from accounts, are kept a minute, and serve on for ten more when accounts is away. Ended sessions come three ways: the
 * list of those whose tokens may still run, before the first token is believed; `session.revoked` events as they happen; and the list
 * again every 30 s, for what a lost bus did not bring. With accounts away from the very start nobody is believed: TEMPORARILY_UNAVAILABLE.
 */
export interface RemoteViewers {
  /** Throws AuthError, or RequestError TEMPORARILY_UNAVAILABLE while nothing is known. */
  verifyViewer(token: string): Promise<Viewer>;
  /** What `/.well-known/jwks.json` shows: the last set that accounts gave. */
  jwks(): Promise<JwkSet>;
  /** Tokens can be checked here. */
  isReady(): boolean;
  stop(): void;
}

const LIST_EVERY_MS = 30_000;
const FIRST_LIST_EVERY_MS = 250;

export function createRemoteViewers(options: {
  readonly identity: Pick<Identity, "jwks" | "listRevokedSessions">;
  readonly bus: Pick<Bus, "tap">;
  readonly clock: Clock;
  readonly logger: Logger;
}): RemoteViewers {
  const { identity, bus, clock, logger } = options;
  const revokedSessions = createRevokedSessions(clock);
  let published: JwkSet | undefined;
  let isListed = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;

  const jwks = async (): Promise<JwkSet> => (published = await identity.jwks());
  const verifier = createTokenVerifier({ issuer: ISSUER, jwks, clock, revokedSessions });
  const untap = bus.tap("accounts", (event) => {
    try {
      noteRevocation(event, revokedSessions);
    } catch (error) {
      logger.error({ err: error, eventId: event.eventId }, "an ended session could not be read; the list brings it");
    }
  });

  async function list(): Promise<void> {
    try {
      for (const { sessionId, until } of await identity.listRevokedSessions()) revokedSessions.add(sessionId, until);
      if (published === undefined) await jwks();
      isListed = true;
    } catch (error) {
      logger.warn({ err: error }, "the ended sessions could not be read from accounts; they are asked for again");
    }
    if (!isStopped) timer = setTimeout(() => void list(), isListed ? LIST_EVERY_MS : FIRST_LIST_EVERY_MS).unref();
  }
  const firstList = list();

  return {
    verifyViewer: async (token) => {
      if (!isListed) await firstList;
      if (!isListed) throw temporarilyUnavailable(FIRST_LIST_EVERY_MS, "Who is calling cannot be checked just now.");
      try {
        return await verifier.verify(token);
      } catch (error) {
        if (error instanceof KeysUnavailableError) throw temporarilyUnavailable(1_000, error.message);
        throw error;
      }
    },
    jwks: () => jwks().catch(() => published ?? Promise.reject(temporarilyUnavailable(1_000))),
    isReady: () => isListed,
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
      untap();
    },
  };
}
