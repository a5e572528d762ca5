import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";

export interface ReceivedWebhook {
  readonly body: string;
  readonly jwt: string | undefined;
  readonly headers: IncomingMessage["headers"];
}

export interface ReceiverAnswer {
  readonly status: number;
  readonly headers?: Record<string, string>;
}

/** Takes webhooks on loopback and answers what it is told to; `undefined` leaves the sender without an answer. */
export async function startWebhookReceiver(
  answer: (webhook: ReceivedWebhook) => ReceiverAnswer | undefined = () => OK,
) {
  const received: ReceivedWebhook[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const jwt = request.headers["plaid-verification"];
      const webhook = {
        body: Buffer.concat(chunks).toString("utf8"),
        jwt: typeof jwt === "string" ? jwt : undefined,
        headers: request.headers,
      };
      received.push(webhook);
      const told = answer(webhook);
      if (told !== undefined) response.writeHead(told.status, told.headers).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    received,
    port,
    url: `http://127.0.0.1:${port}/webhooks/plaid`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export type WebhookReceiver = Awaited<ReturnType<typeof startWebhookReceiver>>;

const OK: ReceiverAnswer = { status: 200 };
