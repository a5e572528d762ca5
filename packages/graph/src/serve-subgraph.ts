import type { IncomingMessage, ServerResponse } from "node:http";
import { faultPoint } from "@florin/resilience";
import type { ErrorLogger } from "./create-subgraph.js";
import { readBody, sendJson, startHttpServer, type HttpServer } from "./http-server.js";
import { serviceTokenRefused } from "./request-errors.js";
import type { Subgraph, SubgraphHeaders, SubgraphRequest } from "./subgraph.js";

const MAX_BODY_BYTES = 1_048_576;
const GRAPHQL_PATH = "/graphql";

export interface Health {
  readonly isReady: boolean;
  /** What stands behind it, each well or not; some may be away while the whole is ready. */
  readonly parts?: Readonly<Record<string, boolean>> | undefined;
}

/** One thing beside the graph that other services may ask for. */
export interface ServiceRoute {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Names of the services that may call it. */
  readonly callers: readonly string[];
  /** Throws RequestError for what cannot be answered. */
  answer(query: URLSearchParams, body: string): Promise<{ readonly status: number; readonly json: unknown }>;
}

export interface ServeSubgraphOptions {
  readonly host: string;
  readonly port: number;
  /** The name of the service that the token proves. Throws when it proves nothing. */
  readonly verifyCaller: (token: string) => Promise<string>;
  /** Services that may ask the graph. */
  readonly callers: readonly string[];
  readonly routes?: readonly ServiceRoute[] | undefined;
  readonly health?: (() => Promise<Health>) | undefined;
  readonly logger: ErrorLogger;
}

export type ServedSubgraph = Pick<HttpServer, "url" | "drain" | "stop">;

/**
 * A subgraph behind `POST /graphql` for other services alone: never on a public address.
 *
 * Without a service token that holds, everything but `/health/live` and `/health/ready` is 401 and says nothing, not even whether
 * the path exists; a caller that is not on a route's list gets 403. Bodies above 1 MB are refused with 413.
 */
export async function serveSubgraph(subgraph: Subgraph, options: ServeSubgraphOptions): Promise<ServedSubgraph> {
  const graph: ServiceRoute = {
    method: "POST",
    path: GRAPHQL_PATH,
    callers: options.callers,
    answer: () => Promise.reject(new Error("the graph is answered with its headers")),
  };
  const routes = new Map([graph, ...(options.routes ?? [])].map((route) => [route.path, route]));
  const http = await startHttpServer({
    host: options.host,
    port: options.port,
    onFault: (error) =>
      options.logger.error({ err: error, subgraph: subgraph.name }, "a request failed outside the graph"),
    handle: async (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://subgraph");
      if (pathname.startsWith("/health/")) return answerHealth(options, http.isDraining(), pathname, response);
      const caller = await callerOf(request, options.verifyCaller);
      if (caller === undefined) return sendJson(response, 401, { errors: [serviceTokenRefused(subgraph.name)] });
      const route = routes.get(pathname);
      if (route === undefined) return refuse(response, 404, "Nothing here for services.");
      if (!route.callers.includes(caller)) return refuse(response, 403, `${caller} may not ask for this.`);
      if (request.method !== route.method) return refuse(response, 405, `Use ${route.method}.`);
      const body = await readBody(request, MAX_BODY_BYTES);
      if (body === undefined) return refuse(response, 413, "The body is above 1 MB.");
      if (route === graph) return answerGraph(subgraph, request, body, response);
      const { status, json } = await route.answer(searchParams, body);
      sendJson(response, status, json);
    },
  });
  return http;
}

async function answerHealth(
  options: ServeSubgraphOptions,
  isDraining: boolean,
  path: string,
  response: ServerResponse,
): Promise<void> {
  if (path === "/health/live") return sendJson(response, 200, { status: "live" });
  if (path !== "/health/ready") return refuse(response, 404, "Use /health/live or /health/ready.");
  if (isDraining) return sendJson(response, 503, { status: "draining" });
  const { isReady, parts } =
    options.health === undefined ? { isReady: true, parts: undefined } : await options.health();
  sendJson(response, isReady ? 200 : 503, { status: isReady ? "ready" : "not ready", parts });
}

async function answerGraph(
  subgraph: Subgraph,
  request: IncomingMessage,
  body: string,
  response: ServerResponse,
): Promise<void> {
  const parsed = parseBody(body);
  if (parsed === undefined) return refuse(response, 400, "Send JSON with a query.");
  faultPoint("subgraph.request.received");
  const answer = await subgraph.execute({ ...parsed, headers: pickHeaders(request) });
  faultPoint("subgraph.answer.before-send");
  sendJson(response, 200, answer);
}

async function callerOf(
  request: IncomingMessage,
  verify: (token: string) => Promise<string>,
): Promise<string | undefined> {
  const token = /^Bearer ([^\s]+)$/i.exec(request.headers.authorization ?? "")?.[1];
  return token === undefined ? undefined : verify(token).catch(() => undefined);
}

function refuse(response: ServerResponse, status: number, message: string): void {
  sendJson(response, status, { errors: [{ message }] });
}

function parseBody(body: string): Omit<SubgraphRequest, "headers"> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { query, variables, operationName } = value as Record<string, unknown>;
  if (typeof query !== "string") return undefined;
  return {
    query,
    variables: typeof variables === "object" && variables !== null ? (variables as Record<string, unknown>) : undefined,
    operationName: typeof operationName === "string" ? operationName : undefined,
  };
}

function pickHeaders(request: IncomingMessage): SubgraphHeaders {
  const read = (name: string): string | undefined => {
    const value = request.headers[name];
    return typeof value === "string" ? value : undefined;
  };
  return {
    authorization: read("authorization") ?? "",
    "x-florin-viewer": read("x-florin-viewer"),
    "x-correlation-id": read("x-correlation-id") ?? "none",
    "x-consistency-token": read("x-consistency-token"),
    "x-florin-read": read("x-florin-read"),
    "x-deadline-ms": read("x-deadline-ms"),
    "x-client-address": read("x-client-address"),
  };
}
