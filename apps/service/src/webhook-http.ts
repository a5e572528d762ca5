import { postJson, type ServiceClient, type ServiceRoute, type TokenSource } from "@florin/graph";
import { z } from "zod";

/** What became of a webhook of Plaid: taken, refused for good, too large, or to be sent again. */
export interface WebhookAnswer {
  readonly status: 200 | 401 | 413 | 503;
}

/** Takes the very bytes that came: their digest is what was signed. */
export type ReceivePlaidWebhook = (rawBody: Uint8Array, signature: string | undefined) => Promise<WebhookAnswer>;

const PATH = "/webhooks/plaid";
/** Plaid gives up after 10 s. */
const BUDGET_MS = 7_000;

const request = z.object({ rawBody: z.base64(), signature: z.string().max(4_096).nullable() });

/** The gateway's door hands webhooks on to accounts, which alone can tell whether they are Plaid's. */
export function webhookRoute(receive: ReceivePlaidWebhook): ServiceRoute {
  return {
    method: "POST",
    path: PATH,
    callers: ["gateway"],
    answer: async (_query, body) => {
      const { rawBody, signature } = request.parse(JSON.parse(body));
      return { status: 200, json: await receive(Buffer.from(rawBody, "base64"), signature ?? undefined) };
    },
  };
}

/** The same from another process. An accounts that does not answer is 503: Plaid sends it again. */
export function connectWebhooks(accounts: ServiceClient, tokens: TokenSource): ReceivePlaidWebhook {
  return async (rawBody, signature) => {
    const webhook = { rawBody: Buffer.from(rawBody).toString("base64"), signature: signature ?? null };
    return postJson<WebhookAnswer>(accounts, tokens, PATH, webhook, BUDGET_MS).catch(() => ({ status: 503 }) as const);
  };
}
