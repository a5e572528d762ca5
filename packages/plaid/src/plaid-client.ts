import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import axios from "axios";
// The client is CommonJS, so it means the other half of the same types.
import type { AxiosInstance } from "axios" with { "resolution-mode": "require" };
import type { PlaidApi } from "plaid";

/**
 * The unmodified client, with an HTTP of our own as its third argument (linked-accounts.md §1.10). By itself it waits for ever, follows
 * redirects with the secret in hand, obeys proxy variables and takes answers of any size.
 */
export interface PlaidClient {
  /** Loaded at the first call: it takes half a second and 70 MB, and most processes never call Plaid. */
  api(): Promise<PlaidApi>;
  /**
   * Options of one call. `isRepeatable` calls share kept-open connections; one that must not be repeated gets a connection of its
   * own, because an idle one that the other side just closed looks like an answer that was lost.
   */
  callOptions(isRepeatable: boolean, signal: AbortSignal): object;
  close(): void;
}

/** 500 transactions with names of 50 kB each still fit. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const MAX_REQUEST_BYTES = 1024 * 1024;
const MAX_SOCKETS = 64;

export function createPlaidClient(options: {
  /** From `basePathOf`, nothing else. */
  readonly basePath: string;
  readonly clientId: string;
  readonly secret: string;
  readonly maxAnswerBytes?: number | undefined;
}): PlaidClient {
  const kept = createAgents(true);
  const single = createAgents(false);
  const http = createHttp(options.maxAnswerBytes ?? MAX_ANSWER_BYTES);
  const headers = { "PLAID-CLIENT-ID": options.clientId, "PLAID-SECRET": options.secret };
  let loaded: Promise<PlaidApi> | undefined;

  async function load(): Promise<PlaidApi> {
    const { Configuration, PlaidApi: Api } = await import("plaid");
    return new Api(new Configuration({ basePath: options.basePath, baseOptions: { headers } }), options.basePath, http);
  }
  return {
    api: () => (loaded ??= load()),
    callOptions: (isRepeatable, signal) => ({ ...(isRepeatable ? kept : single), signal }),
    close: () => {
      for (const agent of [...Object.values(kept), ...Object.values(single)]) agent.destroy();
    },
  };
}

function createHttp(maxContentLength: number): AxiosInstance {
  return axios.create({
    adapter: "http",
    maxRedirects: 0,
    proxy: false,
    maxContentLength,
    maxBodyLength: MAX_REQUEST_BYTES,
    // The deadline of a call is its signal: the client's own timeout does not see an answer that drips.
    timeout: 0,
    headers: { Accept: "application/json" },
  }) as AxiosInstance;
}

/** `rejectUnauthorized` is said aloud, so that no environment variable can switch it off. */
function createAgents(keepAlive: boolean): { readonly httpAgent: HttpAgent; readonly httpsAgent: HttpsAgent } {
  const pool = { keepAlive, maxSockets: MAX_SOCKETS, maxFreeSockets: 16 };
  return {
    httpAgent: new HttpAgent(pool),
    httpsAgent: new HttpsAgent({ ...pool, rejectUnauthorized: true, minVersion: "TLSv1.2" }),
  };
}
