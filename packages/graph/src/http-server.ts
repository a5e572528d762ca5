import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/**
 * An HTTP server that can leave without anybody noticing.
 *
 *   serving    answers everything
 *   draining   answers everything, and every answer carries `connection: close` and `x-florin-draining`: whoever balances over
 *              several processes goes elsewhere from now on
 *   closing    accepts no connection; what arrives on an open one is refused with 503 before anything of it was started; running
 *              requests end, idle connections are closed at once, and what is left at the deadline is cut
 *
 * Bounds: headers 10 s, whole request 15 s.
 */
export interface HttpServer {
  readonly url: string;
  readonly port: number;
  readonly server: Server;
  isDraining(): boolean;
  drain(): void;
  stop(deadlineMs: number): Promise<void>;
}

export interface HttpServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  /** What `handle` threw; the answer is made here: 500, or a cut connection when it had begun. */
  readonly onFault: (error: unknown) => void;
}

/** On every answer of a server that leaves. `refused`: nothing of this request was started, so it may be sent elsewhere. */
export const DRAINING_HEADER = "x-florin-draining";

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
/** Longer than our client keeps a connection, so that it never writes into a closing one. */
const KEEP_ALIVE_MS = 65_000;
/** For the first request of a connection that was made just before the server stopped listening. */
const FIRST_WORDS_MS = 500;

export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const underWay = new Set<ServerResponse>();
  let state: "serving" | "draining" | "closing" = "serving";

  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    (req, res) => {
      underWay.add(res);
      res.once("close", () => underWay.delete(res));
      if (state === "closing") return refuse(res);
      if (state === "draining") sayGoodbye(res, "yes");
      options.handle(req, res).catch((error: unknown) => {
        options.onFault(error);
        if (res.headersSent) res.destroy();
        else sendJson(res, 500, { errors: [{ message: "Something went wrong here." }] });
      });
    },
  );
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;

  const drain = (): void => {
    if (state === "serving") state = "draining";
    for (const response of underWay) sayGoodbye(response, "yes");
  };
  return {
    url: `http://${options.host}:${port}`,
    port,
    server,
    isDraining: () => state !== "serving",
    drain,
    stop: (deadlineMs) => {
      drain();
      state = "closing";
      const closed = close(server, deadlineMs);
      // Node closes connections that wait for their next request, but not those that never sent one. Their first may be on its way
      // and is refused politely; who has nothing to say by then has nothing to lose.
      const cut = setTimeout(() => {
        for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
      }, FIRST_WORDS_MS);
      return closed.finally(() => clearTimeout(cut));
    },
  };
}

function sayGoodbye(response: ServerResponse, how: "yes" | "refused"): void {
  if (response.headersSent) return;
  response.setHeader("connection", "close");
  response.setHeader(DRAINING_HEADER, how);
}

function refuse(response: ServerResponse): void {
  sayGoodbye(response, "refused");
  const message = "This process is stopping. Send the same request again, with the same key.";
  sendJson(response, 503, {
    errors: [{ message, extensions: { code: "TEMPORARILY_UNAVAILABLE", retryAfterMs: 100 } }],
  });
}

function close(server: Server, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), deadlineMs);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
  });
}

/** The whole body as text, or undefined as soon as it passes `maxBytes`; the rest is not read into memory. */
export async function readBody(request: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string | undefined> {
  return (await readBytes(request, maxBytes))?.toString("utf8");
}

/** The whole body as it came, for what is signed byte by byte; undefined as soon as it passes `maxBytes`. */
export async function readBytes(request: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.byteLength;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const text = JSON.stringify(value);
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
  });
  response.end(text);
}
