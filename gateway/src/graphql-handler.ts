/**
 * `GET|POST /graphql` through Apollo Server's request pipeline.
 *
 * Order: who calls → consistency token → shape of the document (before validation, which is what bombs attack) → Apollo Server:
 * parse, validate, `assertOperation` (variables, cost) → plan and execute → allow-list of errors → extensions.
 */
import { ApolloServer, HeaderMap, type ApolloServerPlugin, type HTTPGraphQLResponse } from "@apollo/server";
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
} from "@apollo/server/plugin/disabled";
import type { Sealer } from "@florin/auth";
import { createBoundedCache, toErrorExtensions } from "@florin/graph";
import { RequestError } from "@florin/kernel";
import type { Logger, Metrics } from "@florin/telemetry";
import { GraphQLError, parse } from "graphql";
import { assertOperation } from "./check-operation.js";
import type { FlorinGateway } from "./florin-gateway.js";
import { formatError } from "./format-error.js";
import type { Caller } from "./identify-caller.js";
import { assertShape, shapeLimits } from "./operation-shape.js";
import { createRequestContext, type GatewayContext } from "./request-context.js";

const CONSISTENCY_KIND = "consistency";
const SHAPES_KEPT = 1_000;
const MAX_VALIDATION_ERRORS = 5;

export interface GraphqlRequest {
  readonly method: string;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  /** With its question mark, or empty. */
  readonly search: string;
  readonly body: unknown;
  readonly correlationId: string;
  readonly clientAddress: string | undefined;
}

export interface GraphqlHandlerOptions {
  readonly gateway: FlorinGateway;
  readonly identifyCaller: (authorization: string | undefined, apiKey: string | undefined) => Promise<Caller>;
  readonly sealer: Sealer;
  readonly introspection: boolean;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface GraphqlHandler {
  handle(request: GraphqlRequest): Promise<HTTPGraphQLResponse>;
  stop(): Promise<void>;
}

type Context = GatewayContext & Record<string, unknown>;

export async function createGraphqlHandler(options: GraphqlHandlerOptions): Promise<GraphqlHandler> {
  const { gateway, logger } = options;
  const shapes = createBoundedCache<true>(SHAPES_KEPT);
  const server = new ApolloServer<Context>({
    gateway,
    introspection: options.introspection,
    hideSchemaDetailsFromClientErrors: !options.introspection,
    csrfPrevention: true,
    allowBatchedHttpRequests: false,
    persistedQueries: false,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    parseOptions: { maxTokens: shapeLimits.tokens },
    validationOptions: { maxErrors: MAX_VALIDATION_ERRORS },
    maxRecursiveSelections: shapeLimits.selections,
    formatError: (formatted, error) => formatError(formatted, error, undefined, logger),
    logger: quiet(logger),
    plugins: [
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginInlineTraceDisabled(),
      ApolloServerPluginCacheControlDisabled(),
      florinPlugin(options),
    ],
  });
  await server.start();

  async function createContext(request: GraphqlRequest): Promise<Context> {
    try {
      const { headers } = request;
      const caller = await options.identifyCaller(headers.get("authorization"), headers.get("x-api-key"));
      const consistency = openConsistencyToken(options.sealer, headers.get("x-consistency-token"));
      assertTextShape(queryOf(request));
      const { correlationId, clientAddress } = request;
      return createRequestContext({ ...caller, consistency, correlationId, clientAddress });
    } catch (error) {
      throw error instanceof RequestError ? toHttpError(error) : error;
    }
  }

  /** A document that does not parse is left to the server, which says where. */
  function assertTextShape(query: string | undefined): void {
    if (query === undefined || shapes.get(query) === true) return;
    let document;
    try {
      document = parse(query, { maxTokens: shapeLimits.tokens });
    } catch (error) {
      if (error instanceof GraphQLError && error.message.includes("tokens"))
        throw new RequestError(
          "COST_LIMIT",
          `The document has more than ${shapeLimits.tokens} tokens. Send less at once.`,
        );
      return;
    }
    assertShape(document);
    shapes.set(query, true);
  }

  return {
    async handle(request) {
      const { method, search, body } = request;
      const headers = new HeaderMap(request.headers);
      const httpGraphQLRequest = { method, headers, search, body };
      const answer = await server.executeHTTPGraphQLRequest({
        httpGraphQLRequest,
        context: () => createContext(request),
      });
      return (answer.status ?? 200) < 400 ? answer : withCorrelationId(answer, request.correlationId);
    },
    stop: () => server.stop(),
  };
}

function queryOf(request: GraphqlRequest): string | undefined {
  if (request.method === "GET") return new URLSearchParams(request.search).get("query") ?? undefined;
  const { body } = request;
  const query: unknown = typeof body === "object" && body !== null ? Reflect.get(body, "query") : undefined;
  return typeof query === "string" ? query : undefined;
}

/** Errors before execution carry a status: 401 for a credential that does not hold, 400 for what the client must change. */
function toHttpError(error: RequestError): GraphQLError {
  const status = { UNAUTHENTICATED: 401, RATE_LIMITED: 429, TEMPORARILY_UNAVAILABLE: 503, INTERNAL: 500 } as const;
  const known: Readonly<Record<string, number>> = status;
  const http = { status: known[error.code] ?? 400, headers: new HeaderMap() };
  if (error.code === "UNAUTHENTICATED") http.headers.set("www-authenticate", "Bearer");
  return new GraphQLError(error.message, { originalError: error, extensions: { ...toErrorExtensions(error), http } });
}

function openConsistencyToken(sealer: Sealer, token: string | undefined): string | undefined {
  if (token === undefined || token === "") return undefined;
  const opened = sealer.open(CONSISTENCY_KIND, token);
  if (opened !== undefined) return opened;
  throw new RequestError(
    "BAD_USER_INPUT",
    "The consistency token is not one of ours. Send it back unchanged, or leave it out.",
    {
      fields: [
        { path: "x-consistency-token", code: "TOKEN_INVALID", message: "Send it back unchanged, or leave it out." },
      ],
    },
  );
}

function florinPlugin(options: GraphqlHandlerOptions): ApolloServerPlugin<Context> {
  const duration = options.metrics.histogram({
    name: "florin_gateway_request_seconds",
    help: "Time to answer a GraphQL request over HTTP.",
    labelNames: ["operation", "status"],
  });
  return {
    requestDidStart: () =>
      Promise.resolve({
        didResolveOperation({ document, operation, request, contextValue }) {
          try {
            if (operation?.operation === "subscription")
              throw new RequestError(
                "BAD_USER_INPUT",
                "Subscriptions run over WebSocket at this path, protocol graphql-transport-ws.",
              );
            const { operationName, variables } = request;
            const { viewer } = contextValue;
            assertOperation(options.gateway.snapshot(), { document, operationName, variables, viewer });
          } catch (error) {
            throw error instanceof RequestError ? toHttpError(error) : error;
          }
          return Promise.resolve();
        },
        willSendResponse({ response, contextValue, operation, operationName }) {
          if (response.body.kind === "single") addExtensions(options.sealer, response.body.singleResult, contextValue);
          const hasErrors = response.body.kind === "single" && (response.body.singleResult.errors?.length ?? 0) > 0;
          const seconds = (performance.now() - contextValue.startedAt) / 1_000;
          const kind = operation?.operation ?? "unread";
          duration.observe({ operation: kind, status: hasErrors ? "error" : "ok" }, seconds);
          options.logger.info(
            {
              correlationId: contextValue.correlationId,
              operation: operationName ?? kind,
              principal: contextValue.viewer?.principal,
              durationMs: Math.round(seconds * 1_000),
              hasErrors,
            },
            "answered a GraphQL request",
          );
          return Promise.resolve();
        },
      }),
  };
}

interface SingleResult {
  errors?: readonly { readonly extensions?: Record<string, unknown> }[];
  extensions?: Record<string, unknown>;
}

/** `correlationId` always; a write also tells whether it is a replay and what a later read may ask to be reached. */
function addExtensions(sealer: Sealer, result: SingleResult, context: GatewayContext): void {
  const { outcome, correlationId } = context;
  const written = [...outcome.written].map(([area, position]) => `${area}=${position}`);
  result.extensions = {
    correlationId,
    ...(outcome.isReplay ? { idempotencyReplayed: true } : {}),
    ...(written.length > 0 ? { consistencyToken: sealer.seal(CONSISTENCY_KIND, written.join(";")) } : {}),
  };
  for (const error of result.errors ?? [])
    if (error.extensions !== undefined) error.extensions["correlationId"] = correlationId;
}

/** A request that is refused before it has a context passes no plugin; its answer carries the correlation id all the same. */
function withCorrelationId(answer: HTTPGraphQLResponse, correlationId: string): HTTPGraphQLResponse {
  if (answer.body.kind !== "complete") return answer;
  const result = JSON.parse(answer.body.string) as SingleResult;
  for (const error of result.errors ?? [])
    if (error.extensions !== undefined) error.extensions["correlationId"] = correlationId;
  result.extensions = { ...result.extensions, correlationId };
  return { ...answer, body: { kind: "complete", string: JSON.stringify(result) } };
}

/** Apollo Server logs every unexpected error itself; we log them with their correlation id, so its own lines are for its start. */
function quiet(logger: Logger) {
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: (message: unknown) => logger.warn({ detail: String(message) }, "Apollo Server warns"),
    error: (message: unknown) => logger.error({ detail: String(message) }, "Apollo Server failed"),
  };
}
