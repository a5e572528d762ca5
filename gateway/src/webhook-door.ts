/**
 * `POST /webhooks/plaid`: raw bytes in, a status out. The gateway reads nothing of what an institution sends: the bytes and the header
 * `plaid-verification` are handed on as they came, because the signature is over the bytes (linked-accounts.md §1.4).
 *
 * Order: method → address (429 before anything is read) → size (413) → room (503) → `receive`, which verifies, stores and answers.
 * Bounds: 256 kB a body, 64 in `receive` at once, 8 s in all (the sender gives up after 10 and sends again), a burst of 600 and then 100 a
 * second per address: all of Plaid's deliveries come from four addresses. Answers are empty JSON; bodies are never logged.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { readBytes, sendJson } from "@florin/graph";
import type { Logger, Metrics } from "@florin/telemetry";
import { createAddressLimit } from "./address-limit.js";

export type WebhookStatus = 200 | 401 | 413 | 503;

/** Verifies and stores a webhook, or says why not. 401: the signature does not hold. 503: send it again later. */
export type ReceiveWebhook = (
  rawBody: Uint8Array,
  signature: string | undefined,
) => Promise<{ readonly status: WebhookStatus }>;

const webhookLimits = {
  bodyBytes: 256 * 1024,
  atOnce: 64,
  deadlineMs: 8_000,
  burst: 600,
  perSecond: 100,
  addresses: 10_000,
} as const;

export type WebhookLimits = Partial<Record<keyof typeof webhookLimits, number>>;

export interface WebhookDoorOptions {
  readonly receive: ReceiveWebhook;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits?: WebhookLimits;
  /** Milliseconds, never decreasing. */
  readonly now?: () => number;
}

export type WebhookDoor = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export function createWebhookDoor(options: WebhookDoorOptions): WebhookDoor {
  const limits = { ...webhookLimits, ...options.limits };
  const { burst, perSecond, addresses } = limits;
  const now = options.now ?? (() => performance.now());
  const addressLimit = createAddressLimit({ burst, perSecond, addresses, now });
  const answers = options.metrics.counter({
    name: "florin_gateway_webhooks_total",
    help: "Webhooks that came to the door, by the status they were answered with.",
    labelNames: ["status"],
  });
  let underWay = 0;

  function answer(response: ServerResponse, status: number): void {
    answers.inc({ status: String(status) });
    // The rest of a body that was not read must not be taken for the next request.
    if (status !== 200 && status !== 401) response.setHeader("connection", "close");
    sendJson(response, status, {});
  }

  async function receive(request: IncomingMessage): Promise<number> {
    const declared = Number.parseInt(request.headers["content-length"] ?? "0", 10);
    if (declared > limits.bodyBytes) return 413;
    const body = await readBytes(request, limits.bodyBytes);
    if (body === undefined) return 413;
    // Counted from here on: who sends slowly takes nobody's room.
    if (underWay >= limits.atOnce) return 503;
    underWay += 1;
    const signature = request.headers["plaid-verification"];
    try {
      return (await options.receive(body, Array.isArray(signature) ? signature.join(", ") : signature)).status;
    } finally {
      underWay -= 1;
    }
  }

  return async (request, response) => {
    if (request.method !== "POST") {
      response.setHeader("allow", "POST");
      return answer(response, 405);
    }
    const waitMs = addressLimit.take(request.socket.remoteAddress);
    if (waitMs > 0) {
      response.setHeader("retry-after", String(Math.ceil(waitMs / 1_000)));
      return answer(response, 429);
    }
    answer(response, await inTime(receive(request), limits.deadlineMs, options.logger));
  };
}

/** 503 for work that fails or takes too long: the sender comes again, and what was stored meanwhile is known by its digest. */
async function inTime(work: Promise<number>, deadlineMs: number, logger: Logger): Promise<number> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<number>((resolve) => {
    timer = setTimeout(() => {
      logger.warn({ deadlineMs }, "a webhook was not taken in time; its sender will send it again");
      resolve(503);
    }, deadlineMs);
  });
  const taken = work.catch((error: unknown) => {
    logger.error({ err: error }, "a webhook could not be taken; its sender will send it again");
    return 503;
  });
  try {
    return await Promise.race([taken, late]);
  } finally {
    clearTimeout(timer);
  }
}
