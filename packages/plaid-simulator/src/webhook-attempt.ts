import { request } from "node:http";
import type { SignedWebhook } from "./webhook-attacks.js";
import type { WebhookTarget } from "./webhook-target.js";

/** What became of one POST. */
export type AttemptAnswer =
  | { readonly outcome: "accepted"; readonly status: 200 }
  | { readonly outcome: "rejected"; readonly status: number; readonly retryAfter: string | undefined }
  /** Nobody answered: refused, reset, or silent for too long. */
  | { readonly outcome: "unanswered"; readonly reason: string };

/** Of an answer's body only this much is read; the rest is nobody's business and may have no end. */
const READ_BYTES = 65_536;

/**
 * Sends a webhook once. 200 is the only acceptance; nothing is followed; the connection is the address that was checked and is
 * closed afterwards. Never throws.
 * @param timeoutMs wall time until the whole answer must be there
 * @param stopping aborted when the simulator stops
 */
export async function postWebhook(
  { url, address, family }: WebhookTarget,
  { body, header }: SignedWebhook,
  timeoutMs: number,
  stopping: AbortSignal,
): Promise<AttemptAnswer> {
  const signal = AbortSignal.any([stopping, AbortSignal.timeout(timeoutMs)]);
  const bytes = Buffer.from(body, "utf8");
  const headers = {
    host: url.host,
    "content-type": "application/json",
    "content-length": String(bytes.length),
    "user-agent": "Plaid Simulator webhook",
    ...(header === null ? {} : { "plaid-verification": header }),
  };
  const port = url.port === "" ? 80 : Number(url.port);
  const path = `${url.pathname}${url.search}`;
  return new Promise<AttemptAnswer>((resolve) => {
    const unanswered = (error: Error): void =>
      resolve({ outcome: "unanswered", reason: signal.aborted ? "no answer in time" : error.message });
    const post = request(
      { host: address, family, port, path, method: "POST", headers, agent: false, signal },
      (answer) => {
        let read = 0;
        const status = answer.statusCode ?? 0;
        const settle = (): void => {
          if (status === 200) resolve({ outcome: "accepted", status });
          else resolve({ outcome: "rejected", status, retryAfter: answer.headers["retry-after"] });
          post.destroy();
        };
        answer.on("data", (chunk: Buffer) => {
          read += chunk.length;
          if (read > READ_BYTES) settle();
        });
        answer.on("end", settle);
        answer.on("error", unanswered);
      },
    );
    post.on("error", unanswered);
    post.end(bytes);
  });
}
