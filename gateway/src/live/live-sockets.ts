/**
 * The WebSocket door: who may open a socket, for how long, and how it ends.
 *
 * A socket's life: upgrade (path, origin, room) -> connection_init within 4 s (token verified, room for this principal) ->
 * subscriptions -> closed by the client, by a missed ping (12 s), by the token's expiry or the session's end (4403), by a
 * fault of protocol (44xx of graphql-transport-ws) or by our own stop (1012). Close codes 4403 and 1012 invite the client
 * to come back; the socket is counted from the upgrade to the close, whatever happens between.
 */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { handleProtocols, makeServer, type Context, type ServerOptions } from "graphql-ws";
import { WebSocketServer, type WebSocket } from "ws";
import type { Viewer } from "@florin/auth";
import type { Clock } from "@florin/kernel";
import type { LiveCaller, LiveLogger } from "./live-execution.js";

export interface SocketLimits {
  readonly socketsPerPrincipal: number;
  readonly socketsInAll: number;
  readonly initTimeoutMs: number;
  readonly keepAliveMs: number;
  /** Sockets are closed spread over this time when the server stops, so that clients do not all come back at once. */
  readonly stopSpreadMs: number;
}

/** What one socket carries through graphql-ws. */
export interface SocketState {
  readonly socket: WebSocket;
  readonly clientAddress: string | undefined;
  /** What must end with the socket. graphql-ws forgets one of two subscriptions that raced under one id; this does not. */
  readonly queues: Set<{ return(): Promise<unknown> }>;
  /** Subscriptions that are being opened and have no queue yet. */
  opening: number;
  caller: LiveCaller | undefined;
  expiry: NodeJS.Timeout | undefined;
  countedAs: string | undefined;
}

export type SocketContext = Context<Record<string, unknown> | undefined, SocketState>;
export type SocketHandlers = Pick<
  ServerOptions<Record<string, unknown> | undefined, SocketState>,
  "onSubscribe" | "subscribe" | "onError" | "onNext"
>;

export interface LiveSocketsOptions {
  readonly handlers: SocketHandlers;
  readonly verifyViewer: (token: string) => Promise<Viewer>;
  readonly clock: Clock;
  readonly logger: LiveLogger;
  readonly limits: SocketLimits;
  /** Origins (`https://app.example`) that may connect beside the host's own. */
  readonly allowedOrigins: readonly string[];
}

const PATH = "/graphql";
const MAX_PAYLOAD = 64 * 1024;
const LONGEST_TIMER_MS = 2_147_483_647;
const REVOKED_SESSIONS_KEPT = 10_000;

export class LiveSockets {
  readonly #options: LiveSocketsOptions;
  readonly #server: ReturnType<typeof makeServer<Record<string, unknown> | undefined, SocketState>>;
  readonly #door = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_PAYLOAD,
    perMessageDeflate: false,
    handleProtocols,
  });
  readonly #states = new Set<SocketState>();
  readonly #perPrincipal = new Map<string, number>();
  readonly #revokedSessions = new Set<string>();
  readonly #attached = new Map<Server, (request: IncomingMessage, socket: Duplex, head: Buffer) => void>();
  #isStopping = false;

  constructor(options: LiveSocketsOptions) {
    this.#options = options;
    this.#server = makeServer({
      ...options.handlers,
      connectionInitWaitTimeout: options.limits.initTimeoutMs,
      onConnect: (context) => this.#connect(context.extra, context.connectionParams),
    });
  }

  get size(): number {
    return this.#states.size;
  }

  /** Takes the upgrades of this server: WebSocket on /graphql, nothing else. */
  attach(server: Server): void {
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      socket.on("error", () => socket.destroy());
      const refusal = this.#refusal(request);
      if (refusal !== undefined) return refuse(socket, refusal);
      this.#door.handleUpgrade(request, socket, head, (client) => this.#open(client, request));
    };
    this.#attached.set(server, onUpgrade);
    server.on("upgrade", onUpgrade);
  }

  /** Ends the sockets of a session that was logged out or stolen; its tokens open none again. */
  revokeSession(sessionId: string): void {
    this.#revokedSessions.add(sessionId);
    for (const oldest of this.#revokedSessions) {
      if (this.#revokedSessions.size <= REVOKED_SESSIONS_KEPT) break;
      this.#revokedSessions.delete(oldest);
    }
    for (const { caller, socket } of this.#states) {
      if (caller?.viewer?.sessionId === sessionId) socket.close(4403, "session revoked");
    }
  }

  /** Closes every socket with 1012, spread over a moment; cuts those that do not answer within 2 s of it. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const [server, onUpgrade] of this.#attached) server.off("upgrade", onUpgrade);
    const sockets = [...this.#states].map(({ socket }) => socket);
    const timers = sockets.map((socket, place) => {
      const after = (place / sockets.length) * this.#options.limits.stopSpreadMs;
      return setTimeout(() => socket.close(1012, "the server restarts; connect again"), after);
    });
    const closed = sockets.map((socket) => new Promise<void>((resolve) => socket.once("close", () => resolve())));
    const cut = setTimeout(() => {
      for (const socket of sockets) socket.terminate();
    }, this.#options.limits.stopSpreadMs + 2_000);
    await Promise.all(closed);
    clearTimeout(cut);
    for (const timer of timers) clearTimeout(timer);
    await new Promise<void>((resolve) => this.#door.close(() => resolve()));
  }

  #refusal(request: IncomingMessage): string | undefined {
    if (this.#isStopping) return "503 Service Unavailable";
    if (request.url?.split("?")[0] !== PATH) return "404 Not Found";
    if (!this.#isOriginAllowed(request)) return "403 Forbidden";
    if (this.#states.size >= this.#options.limits.socketsInAll) return "503 Service Unavailable";
    return undefined;
  }

  /** Browsers send Origin, and WebSockets are outside CORS; other clients send none. */
  #isOriginAllowed(request: IncomingMessage): boolean {
    const { origin, host } = request.headers;
    if (origin === undefined || this.#options.allowedOrigins.includes(origin)) return true;
    return URL.canParse(origin) && new URL(origin).host === host;
  }

  #open(socket: WebSocket, request: IncomingMessage): void {
    const state: SocketState = {
      socket,
      clientAddress: request.socket.remoteAddress,
      queues: new Set(),
      opening: 0,
      caller: undefined,
      expiry: undefined,
      countedAs: undefined,
    };
    this.#states.add(state);
    const stopPings = keepAlive(socket, this.#options.limits.keepAliveMs);
    const closed = this.#server.opened(
      {
        protocol: socket.protocol,
        send: (text) => send(socket, text),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (take) => {
          socket.on("message", (data) => {
            take(String(data)).catch((error: unknown) => this.#onFault(socket, error));
          });
        },
      },
      state,
    );
    socket.on("error", () => socket.terminate()); // a frame too large or not UTF-8: ws has sent the close code already
    socket.once("close", (code, reason) => {
      stopPings();
      this.#forget(state);
      closed(code, String(reason)).catch((error: unknown) => this.#onFault(socket, error));
    });
  }

  #forget(state: SocketState): void {
    this.#states.delete(state);
    clearTimeout(state.expiry);
    for (const queue of [...state.queues]) void queue.return();
    if (state.countedAs === undefined) return;
    const left = (this.#perPrincipal.get(state.countedAs) ?? 1) - 1;
    if (left === 0) this.#perPrincipal.delete(state.countedAs);
    else this.#perPrincipal.set(state.countedAs, left);
  }

  #onFault(socket: WebSocket, error: unknown): void {
    if (socket.readyState !== socket.OPEN) return; // it closed while an answer was on its way
    this.#options.logger.error({ err: error }, "a live socket closed by a fault of ours");
    socket.close(4500, "Internal server error");
  }

  /** false closes with 4403, after which a client may come back with another token. */
  async #connect(state: SocketState, params: Readonly<Record<string, unknown>> | undefined): Promise<boolean> {
    const { clientAddress } = state;
    const authorization = params?.["authorization"];
    if (authorization === undefined || authorization === null) {
      state.caller = { viewer: undefined, accessToken: undefined, clientAddress };
      return this.#count(state, `anonymous ${clientAddress ?? ""}`);
    }
    const accessToken = /^Bearer ([^\s]+)$/i.exec(String(authorization))?.[1];
    if (accessToken === undefined) return false;
    let viewer: Viewer;
    try {
      viewer = await this.#options.verifyViewer(accessToken);
    } catch {
      return false;
    }
    if (viewer.sessionId !== undefined && this.#revokedSessions.has(viewer.sessionId)) return false;
    if (state.socket.readyState !== state.socket.OPEN || !this.#count(state, viewer.principal)) return false;
    state.caller = { viewer, accessToken, clientAddress };
    return this.#watchExpiry(state, viewer);
  }

  #count(state: SocketState, principal: string): boolean {
    const count = this.#perPrincipal.get(principal) ?? 0;
    if (count >= this.#options.limits.socketsPerPrincipal) {
      state.socket.close(1013, "too many connections; close one first");
      return false;
    }
    this.#perPrincipal.set(principal, count + 1);
    state.countedAs = principal;
    return true;
  }

  #watchExpiry(state: SocketState, viewer: Viewer): boolean {
    const leftMs = viewer.expiresAt * 1000 - Number(this.#options.clock.now() / 1000n); // milliseconds fit a double
    if (leftMs <= 0) return false;
    const close = (): void => state.socket.close(4403, "token expired");
    state.expiry = setTimeout(close, Math.min(leftMs, LONGEST_TIMER_MS));
    return true;
  }
}

/** Resolves when the socket has taken the text: this is what slows an execution down to the pace of its client. */
function send(socket: WebSocket, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.readyState !== socket.OPEN) return resolve();
    socket.send(text, (error) => (error ? reject(error) : resolve()));
  });
}

function keepAlive(socket: WebSocket, everyMs: number): () => void {
  let isAnswered = true;
  const timer = setInterval(() => {
    if (!isAnswered) return socket.terminate();
    isAnswered = false;
    if (socket.readyState === socket.OPEN) socket.ping();
  }, everyMs);
  socket.on("pong", () => (isAnswered = true));
  return () => clearInterval(timer);
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
