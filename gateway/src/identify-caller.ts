import { createHash } from "node:crypto";
import { AuthError, KeysUnavailableError, type Viewer } from "@florin/auth";
import { createBoundedCache } from "@florin/graph";
import { RequestError, temporarilyUnavailable } from "@florin/kernel";

const API_KEY_PREFIX = "florin_sk_";
const KEYS_KEPT = 10_000;
/** An exchanged token is not used in its last seconds: the subgraphs verify it again a little later. */
const EXPIRY_MARGIN_MS = 30_000;

export interface Caller {
  readonly viewer: Viewer | undefined;
  readonly viewerToken: string | undefined;
}

export interface ExchangedKey {
  readonly accessToken: string;
  readonly expiresInSeconds: number;
}

export interface CallerOptions {
  readonly verifyViewer: (token: string) => Promise<Viewer>;
  /** Throws for a key that is unknown or revoked. */
  readonly exchangeApiKey: (key: string) => Promise<ExchangedKey>;
}

const nobody: Caller = { viewer: undefined, viewerToken: undefined };

/**
 * Who sends the request. No credential: nobody, and only public fields answer. A credential that does not hold: UNAUTHENTICATED,
 * so that a client with an expired token learns it and refreshes instead of seeing nulls.
 */
export function createCallerIdentification(
  options: CallerOptions,
): (authorization: string | undefined, apiKey: string | undefined) => Promise<Caller> {
  const exchanged = createBoundedCache<{ readonly accessToken: string; readonly staleAt: number }>(KEYS_KEPT);

  async function tokenForKey(key: string): Promise<string> {
    const digest = createHash("sha256").update(key).digest("base64");
    const known = exchanged.get(digest);
    if (known !== undefined && known.staleAt > performance.now()) return known.accessToken;
    exchanged.delete(digest);
    const { accessToken, expiresInSeconds } = await options.exchangeApiKey(key);
    const staleAt = performance.now() + expiresInSeconds * 1_000 - EXPIRY_MARGIN_MS;
    exchanged.set(digest, { accessToken, staleAt });
    return accessToken;
  }

  return async (authorization, apiKey) => {
    const credential = readCredential(authorization, apiKey);
    if (credential === undefined) return nobody;
    const isKey = credential.startsWith(API_KEY_PREFIX) || apiKey !== undefined;
    try {
      const viewerToken = isKey ? await tokenForKey(credential) : credential;
      return { viewer: await options.verifyViewer(viewerToken), viewerToken };
    } catch (error) {
      if (error instanceof RequestError && error.code !== "UNAUTHENTICATED") throw error;
      if (error instanceof KeysUnavailableError) throw temporarilyUnavailable(1_000, error.message);
      throw new RequestError(
        "UNAUTHENTICATED",
        isKey ? "The API key is not known or was revoked. Use a current key." : reasonOf(error),
      );
    }
  };
}

function readCredential(authorization: string | undefined, apiKey: string | undefined): string | undefined {
  if (apiKey !== undefined) return apiKey;
  if (authorization === undefined || authorization === "") return undefined;
  const match = /^Bearer +(\S+)$/i.exec(authorization);
  if (match === null)
    throw new RequestError("UNAUTHENTICATED", "The authorization header cannot be read. Send `Bearer <access token>`.");
  return match[1];
}

/** An AuthError's words are made for callers; any other text could repeat a part of the token. */
function reasonOf(error: unknown): string {
  return error instanceof AuthError
    ? error.message
    : "The access token is not one of this service. Sign in and send the new one.";
}
