import { AuthError, type JwkSet } from "@florin/auth";
import type { ExchangedKey } from "@florin/gateway";
import { getJson, postJson, type ServiceClient, type ServiceRoute, type TokenSource } from "@florin/graph";
import { formatInstant, parseInstant } from "@florin/kernel";
import type { AccountsArea, EndedSession } from "@florin/subgraph-accounts";
import { z } from "zod";

const VERIFIERS = ["gateway", "ledger", "portfolio"];
const BUDGET_MS = 2_000;
const exchangeRequest = z.object({ key: z.string().max(200) });

/** What accounts tells the others about who is calling. Keys travel in bodies, never in a URL. */
export function identityRoutes(
  accounts: Pick<AccountsArea, "jwks" | "listRevokedSessions" | "exchangeApiKey">,
  isSeeded: () => boolean,
): readonly ServiceRoute[] {
  return [
    {
      method: "GET",
      path: "/identity/jwks",
      callers: VERIFIERS,
      answer: async () => ({ status: 200, json: await accounts.jwks() }),
    },
    {
      method: "GET",
      path: "/identity/revoked-sessions",
      callers: VERIFIERS,
      answer: async () => {
        const ended = await accounts.listRevokedSessions();
        const sessions = ended.map(({ sessionId, until }) => ({ sessionId, until: formatInstant(until) }));
        return { status: 200, json: { sessions } };
      },
    },
    {
      method: "POST",
      path: "/identity/exchange-api-key",
      callers: ["gateway"],
      answer: async (_query, body) => {
        const parsed = exchangeRequest.safeParse(parseJson(body));
        const exchanged = parsed.success ? await accounts.exchangeApiKey(parsed.data.key) : undefined;
        return { status: 200, json: { exchanged: exchanged ?? null } };
      },
    },
    {
      method: "GET",
      path: "/identity/demo",
      callers: ["gateway"],
      answer: () => Promise.resolve({ status: 200, json: { isSeeded: isSeeded() } }),
    },
  ];
}

/** The same from another process. Each throws RequestError TEMPORARILY_UNAVAILABLE when accounts does not answer. */
export interface Identity {
  jwks(): Promise<JwkSet>;
  listRevokedSessions(): Promise<readonly EndedSession[]>;
  /** Throws AuthError UNKNOWN_KEY for a key that opens nothing. */
  exchangeApiKey(key: string): Promise<ExchangedKey>;
  isDemoSeeded(): Promise<boolean>;
}

export function connectIdentity(accounts: ServiceClient, tokens: TokenSource): Identity {
  const get = <Shape>(path: string) => getJson<Shape>(accounts, tokens, path, BUDGET_MS);
  return {
    jwks: () => get<JwkSet>("/identity/jwks"),
    listRevokedSessions: async () => {
      const { sessions } = await get<SessionsJson>("/identity/revoked-sessions");
      return sessions.flatMap(({ sessionId, until }) => {
        const end = parseInstant(until);
        return end === undefined ? [] : [{ sessionId, until: end }];
      });
    },
    exchangeApiKey: async (key) => {
      const path = "/identity/exchange-api-key";
      return toExchangedKey((await postJson<ExchangeJson>(accounts, tokens, path, { key }, BUDGET_MS)).exchanged);
    },
    isDemoSeeded: async () => (await get<{ readonly isSeeded: boolean }>("/identity/demo")).isSeeded,
  };
}

/** The gateway's shape of an exchanged key; a key that opens nothing is a credential that does not hold. */
export function toExchangedKey(exchanged: ExchangeJson["exchanged"] | undefined): ExchangedKey {
  if (exchanged === null || exchanged === undefined)
    throw new AuthError("UNKNOWN_KEY", "This API key opens nothing. Use one that was made here and is not revoked.");
  return { accessToken: exchanged.token, expiresInSeconds: exchanged.expiresIn };
}

interface SessionsJson {
  readonly sessions: readonly { readonly sessionId: string; readonly until: string }[];
}

interface ExchangeJson {
  readonly exchanged: { readonly token: string; readonly expiresIn: number } | null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
