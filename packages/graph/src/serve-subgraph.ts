import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Subgraph, SubgraphHeaders, SubgraphRequest } from "./subgraph.js";

const MAX_BODY_BYTES = 1_048_576;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;

export interface ServedSubgraph {
  readonly url: string;
  /** Takes no new requests, lets running ones end, and cuts what is left after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

/**
 * A subgraph behind `POST /graphql` for the gateway alone: never on a public address. Also `/health/live` and `/health/ready`.
 * Bodies above 1 MB are refused with 413.
 */
export async function serveSubgraph(
  subgraph: Subgraph,
  options: { readonly host: string; readonly port: number; readonly isReady?: () => Promise<boolean> },
): Promise<ServedSubgraph> {
  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    (req, res) => {
      answer(subgraph, options.isReady, req, res).catch(() => sendJson(res, 500, { errors: [{ message: "Failed." }] }));
    },
  );
  server.keepAliveTimeout = 65_000; // longer than the client keeps a connection, so that it never writes into a closing one
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${options.host}:${port}`,
    stop: (deadlineMs) =>
      new Promise((resolve) => {
        const cut = setTimeout(() => server.closeAllConnections(), deadlineMs);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

async function answer(
  subgraph: Subgraph,
  isReady: (() => Promise<boolean>) | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = request.url?.split("?")[0];
  if (path === "/health/live") return sendJson(response, 200, { status: "live" });
  if (path === "/health/ready") {
    const ready = isReady === undefined || (await isReady());
    return sendJson(response, ready ? 200 : 503, { status: ready ? "ready" : "not ready" });
  }
  if (path !== "/graphql") return sendJson(response, 404, { errors: [{ message: "Use POST /graphql." }] });
  if (request.method !== "POST") return sendJson(response, 405, { errors: [{ message: "Use POST." }] });
  const body = await readBody(request, MAX_BODY_BYTES);
  if (body === undefined) return sendJson(response, 413, { errors: [{ message: "The body is above 1 MB." }] });
  const parsed = parseBody(body);
  if (parsed === undefined) return sendJson(response, 400, { errors: [{ message: "Send JSON with a query." }] });
  sendJson(response, 200, await subgraph.execute({ ...parsed, headers: pickHeaders(request) }));
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
    "x-deadline-ms": read("x-deadline-ms"),
    "x-client-address": read("x-client-address"),
  };
}

/** The whole body as text, or undefined as soon as it passes `maxBytes`; the rest is not read into memory. */
export async function readBody(request: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.byteLength;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const text = JSON.stringify(value);
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
  });
  response.end(text);
}
