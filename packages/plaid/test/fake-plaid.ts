import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Answers one request; what it does with the socket is its own affair. */
export type Behaviour = (response: ServerResponse, request: ReceivedRequest) => void;

export interface ReceivedRequest {
  readonly method: string | undefined;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** Of the caller: tells connections apart. */
  readonly fromPort: number | undefined;
}

/** A server on loopback that misbehaves as told. The conforming one is the simulator. */
export interface FakePlaid {
  readonly url: string;
  readonly requests: ReceivedRequest[];
  /** The next requests get these, in order; then the last one for ever. */
  behave(...behaviours: Behaviour[]): void;
  stop(): Promise<void>;
}

export async function startFakePlaid(): Promise<FakePlaid> {
  const requests: ReceivedRequest[] = [];
  let behaviours: Behaviour[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const received: ReceivedRequest = {
        method: request.method,
        path: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks).toString("utf8"),
        fromPort: request.socket.remotePort,
      };
      requests.push(received);
      const behaviour = behaviours.length > 1 ? behaviours.shift() : behaviours[0];
      behaviour?.(response, received);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    behave: (...next) => {
      behaviours = next;
      requests.length = 0;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function answer(body: unknown, status = 200, headers: Record<string, string> = {}): Behaviour {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
}

export function plaidError(errorType: string, errorCode: string, status = 400, headers = {}): Behaviour {
  const body = {
    error_type: errorType,
    error_code: errorCode,
    error_message: "words that change",
    display_message: null,
    request_id: "req123",
  };
  return answer(body, status, headers);
}

export const receipt = answer({ request_id: "req123" });

export const html: Behaviour = (response) => {
  response.writeHead(200, { "content-type": "text/html" });
  response.end("<html><body>Maintenance</body></html>");
};

export const hang: Behaviour = () => undefined;

export const reset: Behaviour = (response) => {
  response.socket?.resetAndDestroy();
};

/** Half of what its length promises. */
export const truncated: Behaviour = (response) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  response.write('{"request_id": "req');
  setImmediate(() => response.socket?.destroy());
};

export const cutJson = answer('{"request_id": "req123", "accounts": [');

/** One byte at a time, for ever. */
export const drip: Behaviour = (response) => {
  response.writeHead(200, { "content-type": "application/json" });
  const timer = setInterval(() => response.write(" "), 10);
  response.on("close", () => clearInterval(timer));
};

export const oversize: Behaviour = (response) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.write(`{"request_id": "req123", "padding": "`);
  const chunk = "x".repeat(16_384);
  let open = true;
  response.on("close", () => (open = false));
  const more = () => {
    if (!open) return;
    response.write(chunk);
    setImmediate(more);
  };
  more();
};

export function redirectTo(url: string, status: number): Behaviour {
  return (response) => {
    response.writeHead(status, { location: url });
    response.end();
  };
}
