import type { UserRecord } from "@florin/db/accounts";
import { RequestError } from "@florin/kernel";
import type { Services } from "./services.js";
import type { SessionPair } from "./session-tokens.js";

/** What a client is given when it has proved who it is. */
export interface SignedIn {
  readonly user: UserRecord;
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Seconds. */
  readonly expiresIn: number;
}

export async function toSignedIn(
  services: Pick<Services, "tokens">,
  user: UserRecord,
  session: SessionPair,
): Promise<SignedIn> {
  const access = await services.tokens.issueAccessToken(user, session.sessionId);
  return { user, refreshToken: session.refreshToken, ...access };
}

/** One sentence for a wrong password, an unknown person and a suspended one. */
export function wrongCredentials(): RequestError {
  return new RequestError("UNAUTHENTICATED", "Identifier or password is wrong. Check both, or register.");
}

export function sessionEnded(): RequestError {
  return new RequestError("UNAUTHENTICATED", "This session has ended. Log in again.");
}
