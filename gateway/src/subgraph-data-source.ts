/**
 * How the plan's fetches reach a subgraph, in this process or over HTTP alike.
 *
 * Per fetch: equal entity representations go once and the answer is copied out again (the executor writes into what it gets, so
 * repeats are clones); a deadline of 2 s or of what is left of the request; service token, viewer token and correlation id as
 * headers; `extensions.florin` is taken up; what may be cached is taken from the response cache, where there is one. A subgraph that fails or hangs gives TEMPORARILY_UNAVAILABLE at its own fields, and
 * the rest of the answer stands.
 */
import type { GraphQLDataSource } from "@apollo/gateway";
import type { GatewayGraphQLResponse } from "@apollo/server-gateway-interface";
import { RequestError } from "@florin/kernel";
import {
  internalError,
  toErrorExtensions,
  type FlorinExtensions,
  type Subgraph,
  type SubgraphErrorJson,
} from "@florin/graph";
import type { ResponseCache } from "./response-cache/index.js";
import { READ_BUDGET_MS, WRITE_BUDGET_MS, type GatewayContext } from "./request-context.js";

const FETCH_DEADLINE_MS = 2_000;
const RETRY_AFTER_MS = 1_000;

type ProcessOptions = Parameters<GraphQLDataSource["process"]>[0];

export interface ServiceTokenSource {
  /** A token of the gateway for the subgraph of this name. */
  tokenFor(audience: string): Promise<string>;
}

export interface FailureLogger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export function createSubgraphDataSource(
  subgraph: Subgraph,
  serviceTokens: ServiceTokenSource,
  logger: FailureLogger,
  cache?: ResponseCache,
): GraphQLDataSource {
  return {
    async process(options: ProcessOptions): Promise<GatewayGraphQLResponse> {
      const context = options.context as GatewayContext;
      const unique = dedupeRepresentations(options.request.variables);
      try {
        const response = await fetchInTime({ subgraph, serviceTokens, cache }, options, unique.variables, context);
        const told = response.extensions?.florin;
        collectOutcome(context, told);
        const principal = context.viewer?.principal;
        if (principal !== undefined && told?.written !== undefined) cache?.noteWrites(principal, told.written);
        const data = unique.spread(response.data);
        const errors = response.errors?.map((error) => toGatewayError(error, unique.firstIndexOf));
        return { ...(data === undefined ? {} : { data }), ...(errors === undefined ? {} : { errors }) };
      } catch (error) {
        return { data: null, errors: [toFailure(error, subgraph.name, context.correlationId, logger)] };
      }
    },
  };
}

interface Upstream {
  readonly subgraph: Subgraph;
  readonly serviceTokens: ServiceTokenSource;
  readonly cache: ResponseCache | undefined;
}

async function fetchInTime(
  { subgraph, serviceTokens, cache }: Upstream,
  options: ProcessOptions,
  variables: Record<string, unknown> | undefined,
  context: GatewayContext,
) {
  const query = options.request.query ?? "";
  if (isWrite(query)) context.outcome.hasMutated = true;
  const budgetMs = Math.floor(budgetFor(query, context));
  if (budgetMs < 1) throw new Error("the request's budget is spent");
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${budgetMs} ms`)), budgetMs);
  });
  const send = async (consistency: string | undefined) =>
    subgraph.execute({
      query,
      variables,
      operationName: options.request.operationName ?? undefined,
      headers: {
        authorization: `Bearer ${await serviceTokens.tokenFor(subgraph.name)}`,
        "x-florin-viewer": context.viewerToken,
        "x-correlation-id": context.correlationId,
        "x-consistency-token": consistency,
        "x-florin-read": context.outcome.hasMutated ? "primary" : undefined,
        "x-deadline-ms": String(budgetMs),
        "x-client-address": context.clientAddress,
      },
    });
  const call =
    cache === undefined
      ? send(context.consistency)
      : cache.answer({ subgraph: subgraph.name, query, variables, context, budgetMs }, send);
  try {
    return await Promise.race([call, late]);
  } finally {
    clearTimeout(timer);
  }
}

function budgetFor(query: string, context: GatewayContext): number {
  const left = context.startedAt + (isWrite(query) ? WRITE_BUDGET_MS : READ_BUDGET_MS) - performance.now();
  return isWrite(query) ? left : Math.min(left, FETCH_DEADLINE_MS);
}

function isWrite(query: string): boolean {
  return query.startsWith("mutation");
}

function collectOutcome(context: GatewayContext, told: FlorinExtensions | undefined): void {
  if (told === undefined) return;
  if (told.idempotencyReplayed === true) context.outcome.isReplay = true;
  for (const [area, position] of Object.entries(told.written ?? {})) {
    const reached = BigInt(position);
    const known = context.outcome.written.get(area);
    if (known === undefined || known < reached) context.outcome.written.set(area, reached);
  }
}

interface UniqueRepresentations {
  readonly variables: Record<string, unknown> | undefined;
  /** Where the n-th sent representation stood first in the plan's own list. */
  firstIndexOf(sentIndex: number): number;
  spread(data: Record<string, unknown> | null | undefined): Record<string, unknown> | null | undefined;
}

/** 100 transactions of 3 accounts ask for 3 accounts, not for 100. */
export function dedupeRepresentations(variables: Record<string, unknown> | undefined): UniqueRepresentations {
  const representations = variables?.["representations"];
  if (!Array.isArray(representations)) return { variables, firstIndexOf: (index) => index, spread: (data) => data };
  const indexByKey = new Map<string, number>();
  const unique: unknown[] = [];
  const firsts: number[] = [];
  const sentIndexes = representations.map((representation: unknown, index) => {
    const key = JSON.stringify(representation);
    const known = indexByKey.get(key);
    if (known !== undefined) return known;
    indexByKey.set(key, unique.length);
    firsts.push(index);
    return unique.push(representation) - 1;
  });
  return {
    variables: { ...variables, representations: unique },
    firstIndexOf: (sentIndex) => firsts[sentIndex] ?? sentIndex,
    spread(data) {
      const entities = data?.["_entities"];
      if (!Array.isArray(entities)) return data;
      const used = new Set<number>();
      const spread = sentIndexes.map((sent) => {
        if (used.has(sent)) return structuredClone(entities[sent]) as unknown;
        used.add(sent);
        return entities[sent] as unknown;
      });
      return { ...data, _entities: spread };
    },
  };
}

function toGatewayError(error: SubgraphErrorJson, firstIndexOf: (sent: number) => number) {
  const [root, index, ...rest] = error.path ?? [];
  const path = root === "_entities" && typeof index === "number" ? [root, firstIndexOf(index), ...rest] : error.path;
  return {
    message: error.message,
    ...(path === undefined ? {} : { path }),
    extensions: { ...error.extensions, code: publicCode(error.extensions?.["code"]) },
  };
}

/** What a client sent was validated here; a subgraph that finds a plan's own fetch invalid shows a fault of ours. */
function publicCode(code: unknown): string {
  const isOurFault = typeof code !== "string" || code.startsWith("GRAPHQL_") || code === "SERVICE_UNAUTHENTICATED";
  return isOurFault ? "INTERNAL" : code;
}

function toFailure(error: unknown, subgraph: string, correlationId: string, logger: FailureLogger): SubgraphErrorJson {
  if (error instanceof RequestError) {
    logger.warn({ err: error, subgraph, correlationId }, "a subgraph did not answer");
    return { message: error.message, extensions: toErrorExtensions(error) };
  }
  if (!(error instanceof Error)) return internalError(correlationId);
  logger.warn({ err: error, subgraph, correlationId }, "a subgraph did not answer");
  return {
    message: "A part of the system does not answer just now. Send the same request again, with the same key.",
    extensions: { code: "TEMPORARILY_UNAVAILABLE", retryAfterMs: RETRY_AFTER_MS },
  };
}
