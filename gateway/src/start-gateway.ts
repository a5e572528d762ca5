/**
 * The one public door over HTTP.
 *
 * `/graphql` (WebSocket upgrades go to `live`), `/webhooks/plaid`, `/health/live`, `/health/ready`, `/metrics`, `/.well-known/jwks.json`, `/explorer`, `/`.
 * Bounds: headers 10 s, whole request 15 s, body 100 kB. Leaving: not ready and `connection: close` while it drains, then no new
 * connections; sockets are closed with 1012, which sends their clients elsewhere; running requests end, the rest is cut.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { randomUUID } from "node:crypto";
import type { Sealer, Viewer } from "@florin/auth";
import { readBody, startHttpServer, type Health, type Subgraph } from "@florin/graph";
import { faultPoint } from "@florin/resilience";
import type { Logger, Metrics } from "@florin/telemetry";
import { readExplorer, type ExplorerFiles } from "./explorer-files.js";
import { buildSnapshot, FlorinGateway, type Snapshot } from "./florin-gateway.js";
import { createGraphqlHandler, type GraphqlHandler } from "./graphql-handler.js";
import { createCallerIdentification, type ExchangedKey } from "./identify-caller.js";
import { createResponseCache, type ResponseCache, type ResponseCacheOptions } from "./response-cache/index.js";
import { createSubgraphDataSource, type ServiceTokenSource } from "./subgraph-data-source.js";
import { readSupergraph } from "./supergraph-file.js";
import { createWebhookDoor, type ReceiveWebhook, type WebhookDoor, type WebhookLimits } from "./webhook-door.js";

const MAX_BODY_BYTES = 100 * 1024;
const CORRELATION_ID = /^[A-Za-z0-9_-]{8,64}$/;

/** Live queries, as the HTTP server sees them. */
export interface LiveQueriesDoor {
  attach(server: Server): void;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** By name. Those that the supergraph names and are not here answer TEMPORARILY_UNAVAILABLE. */
  readonly subgraphs: Readonly<Record<string, Subgraph>>;
  readonly serviceTokens: ServiceTokenSource;
  readonly verifyViewer: (token: string) => Promise<Viewer>;
  readonly exchangeApiKey: (key: string) => Promise<ExchangedKey>;
  /** What `/.well-known/jwks.json` serves: public keys only. */
  readonly jwks: () => Promise<unknown>;
  readonly sealer: Sealer;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly introspection: boolean;
  /** May requests come in? */
  readonly readiness: () => Promise<Health>;
  /** HTML of `/`. */
  readonly landingPage: string;
  /** Makes the live queries over this gateway's snapshots (`createLiveDoor`); without it WebSocket upgrades are refused. */
  readonly live?: ((gateway: FlorinGateway) => LiveQueriesDoor) | undefined;
  /** Where `POST /webhooks/plaid` goes; without it there is no such door (404). */
  readonly receivePlaidWebhook?: ReceiveWebhook | undefined;
  /** Other bounds for that door than its own, such as more room for load from one address. */
  readonly webhookLimits?: WebhookLimits | undefined;
  /** Keeps what institutions say of linked accounts, for minutes and never past an event; without it every fetch goes to its subgraph. */
  readonly responseCache?: ResponseCacheOptions | undefined;
  /** Composed SDL; the checked-in gateway/supergraph.graphql when absent. */
  readonly supergraph?: string | undefined;
}

export interface RunningGateway {
  readonly url: string;
  readonly port: number;
  readonly gateway: FlorinGateway;
  /** Not ready any more, and every answer asks its client to come back on another connection. Requests are still answered. */
  drain(): void;
  stop(deadlineMs: number): Promise<void>;
}

export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const sdl = options.supergraph ?? (await readSupergraph());
  const explorer = await readExplorer();
  const { logger, metrics, introspection, sealer } = options;
  const cache = options.responseCache && createResponseCache(options.responseCache, metrics);
  const gateway = new FlorinGateway(snapshotOf(sdl, options, cache));
  const identifyCaller = createCallerIdentification(options);
  const handler = await createGraphqlHandler({ gateway, identifyCaller, sealer, introspection, logger, metrics });
  const receive = options.receivePlaidWebhook;
  const limits = options.webhookLimits ?? {};
  const webhooks = receive === undefined ? undefined : createWebhookDoor({ receive, logger, metrics, limits });
  const rooms = { options, explorer, handler, webhooks, isDraining: () => http.isDraining() };
  const http = await startHttpServer({
    host: options.host,
    port: options.port,
    onFault: (error) => logger.error({ err: error }, "a request failed outside the graph"),
    handle: (request, response) => route(rooms, request, response),
  });
  const live = options.live?.(gateway);
  live?.attach(http.server);
  return {
    url: http.url,
    port: http.port,
    gateway,
    drain: http.drain,
    async stop(deadlineMs) {
      const closed = http.stop(deadlineMs);
      await live?.stop();
      await closed;
      await handler.stop();
      cache?.stop();
    },
  };
}

function snapshotOf(sdl: string, options: GatewayOptions, cache: ResponseCache | undefined): Snapshot {
  return buildSnapshot(sdl, (name) => {
    const subgraph = options.subgraphs[name] ?? absentSubgraph(name);
    return createSubgraphDataSource(subgraph, options.serviceTokens, options.logger, cache);
  });
}

/** The virtual `events` subgraph is planned for and answered by live queries; nothing else may ask it. */
function absentSubgraph(name: string): Subgraph {
  return { name, execute: () => Promise.reject(new Error(`the subgraph ${name} is not connected`)) };
}

/** What is behind the doors. */
interface Rooms {
  readonly options: GatewayOptions;
  readonly explorer: ExplorerFiles;
  readonly handler: GraphqlHandler;
  readonly webhooks: WebhookDoor | undefined;
  readonly isDraining: () => boolean;
}

async function route(rooms: Rooms, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { options, explorer, handler, webhooks, isDraining } = rooms;
  const { pathname, search } = new URL(request.url ?? "/", "http://gateway");
  if (pathname === "/graphql") return answerGraphql(handler, request, response, search);
  if (pathname === "/webhooks/plaid")
    return webhooks === undefined ? nothingHere(response) : webhooks(request, response);
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return sendJson(response, 405, { errors: [{ message: "Use GET here; queries go to POST /graphql." }] });
  }
  switch (pathname) {
    case "/":
      return sendHtml(response, options.landingPage, "default-src 'none'; style-src 'unsafe-inline'; img-src data:");
    case "/explorer":
      return sendHtml(
        response,
        explorer.page,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'",
      );
    case "/explorer.js":
      return send(response, 200, "text/javascript; charset=utf-8", explorer.script);
    case "/explorer.css":
      return send(response, 200, "text/css; charset=utf-8", explorer.style);
    case "/health/live":
      return sendJson(response, 200, { status: "live" });
    case "/health/ready": {
      if (isDraining()) return sendJson(response, 503, { status: "draining" });
      const { isReady, parts } = await options.readiness();
      return sendJson(response, isReady ? 200 : 503, { status: isReady ? "ready" : "not ready", parts });
    }
    case "/metrics":
      return send(response, 200, options.metrics.contentType, await options.metrics.render());
    case "/.well-known/jwks.json":
      return sendJson(response, 200, await options.jwks());
    default:
      return nothingHere(response);
  }
}

function nothingHere(response: ServerResponse): void {
  sendJson(response, 404, { errors: [{ message: "Nothing here. The graph is at POST /graphql." }] });
}

async function answerGraphql(
  handler: GraphqlHandler,
  request: IncomingMessage,
  response: ServerResponse,
  search: string,
): Promise<void> {
  const given = request.headers["x-correlation-id"];
  const correlationId = typeof given === "string" && CORRELATION_ID.test(given) ? given : randomUUID();
  response.setHeader("x-correlation-id", correlationId);
  const refuse = (status: number, code: string, message: string): void =>
    sendJson(response, status, {
      errors: [{ message, extensions: { code, correlationId } }],
      extensions: { correlationId },
    });

  if (request.method !== "POST" && request.method !== "GET") {
    response.setHeader("allow", "GET, POST");
    return refuse(405, "BAD_USER_INPUT", "Send POST, or GET for queries.");
  }
  let body: unknown;
  if (request.method === "POST") {
    const text = await readBody(request, MAX_BODY_BYTES);
    if (text === undefined) {
      response.setHeader("connection", "close");
      return refuse(413, "BAD_USER_INPUT", "The body is above 100 kB. Send less at once.");
    }
    const parsed = parseJsonBody(request.headers["content-type"], text);
    if ("status" in parsed) return refuse(parsed.status, "BAD_USER_INPUT", parsed.message);
    body = parsed.body;
  }
  faultPoint("gateway.request.received");
  const answer = await handler.handle({
    method: request.method ?? "GET",
    headers: singleHeaders(request),
    search,
    body,
    correlationId,
    clientAddress: request.socket.remoteAddress,
  });
  for (const [name, value] of answer.headers) response.setHeader(name, value);
  if (answer.body.kind !== "complete") throw new Error("incremental answers are not served");
  faultPoint("gateway.answer.before-send");
  const type = answer.headers.get("content-type") ?? "application/json; charset=utf-8";
  send(response, answer.status ?? 200, type, answer.body.string);
}

/** 415 for a type that we do not read, 400 for JSON that does not parse; an empty body is left to the server's own words. */
function parseJsonBody(
  contentType: string | undefined,
  text: string,
): { readonly body: unknown } | { readonly status: number; readonly message: string } {
  const [type, ...parameters] = (contentType ?? "")
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice("charset=".length);
  const isUtf8 = charset === undefined || charset.replaceAll('"', "") === "utf-8" || charset === "utf8";
  if (type !== "application/json" || !isUtf8)
    return { status: 415, message: "Send JSON in UTF-8, with content-type: application/json." };
  if (text === "") return { body: undefined };
  try {
    return { body: JSON.parse(text) as unknown };
  } catch {
    return { status: 400, message: "The body is not JSON." };
  }
}

function singleHeaders(request: IncomingMessage): Map<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  return headers;
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, "application/json; charset=utf-8", JSON.stringify(value));
}

function sendHtml(response: ServerResponse, html: string, policy: string): void {
  response.setHeader(
    "content-security-policy",
    `${policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  );
  send(response, 200, "text/html; charset=utf-8", html);
}

function send(response: ServerResponse, status: number, contentType: string, text: string): void {
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
  });
  response.end(text);
}
