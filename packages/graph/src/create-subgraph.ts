/**
 * A subgraph from its schema and resolvers.
 *
 * Order of one request: service token (nothing is answered without it, `_service` and `_entities` included) → viewer token →
 * parse and validate (once per text, then from a bounded cache) → variables → execute under the caller's deadline → errors by code.
 * Authorization directives of the schema stand on the resolvers themselves, so no path through `_entities` goes round them.
 */
import { buildSubgraphSchema } from "@apollo/subgraph";
import type { Viewer } from "@florin/auth";
import { areas, RequestError, temporarilyUnavailable, type Area } from "@florin/kernel";
import {
  execute,
  getOperationAST,
  GraphQLError,
  parse,
  validate,
  type DocumentNode,
  type ExecutionResult,
  type GraphQLSchema,
} from "graphql";
import { enforceRequirements } from "./authorization.js";
import { createBoundedCache } from "./bounded-cache.js";
import {
  findVariableFaults,
  internalError,
  serviceTokenRefused,
  toErrorExtensions,
  toErrorJson,
} from "./request-errors.js";
import { scalarResolvers } from "./scalars.js";
import type { Subgraph, SubgraphErrorJson, SubgraphRequest, SubgraphResponse } from "./subgraph.js";

const DEFAULT_BUDGET_MS = 2_000;
const MAX_BUDGET_MS = 15_000;
const DOCUMENTS_KEPT = 1_000;
const MAX_QUERY_TOKENS = 10_000;

/** Structural, so that a pino logger fits. */
export interface ErrorLogger {
  error(details: object, message: string): void;
}

/** What every resolver is given; a subgraph adds its own readers and commands in `buildContext`. */
export interface SubgraphContext {
  readonly viewer: Viewer | undefined;
  readonly correlationId: string;
  /** Outbox positions that this read must have reached. */
  readonly consistency: ReadonlyMap<Area, bigint>;
  /** A mutation, or something that comes after one in the same operation: what it reads may decide about money. */
  readonly mustReadPrimary: boolean;
  /** On the scale of `performance.now()`. */
  readonly deadlineAt: number;
  /** Of the client as the gateway saw it; for rate limits of log-ins. */
  readonly clientAddress: string | undefined;
  /** Set by resolvers of mutations; travels to the client beside the data. */
  readonly florin: { idempotencyReplayed?: boolean; written?: Record<string, string> };
}

export interface SubgraphOptions<Context extends SubgraphContext> {
  readonly name: string;
  readonly typeDefs: string | DocumentNode;
  /** Resolver map by type and field; scalars of the contract are added here. */
  readonly resolvers: object;
  /** Throws when the token is not one for this subgraph. */
  readonly verifyServiceToken: (token: string) => Promise<unknown>;
  /** Throws when the token is not a viewer's. */
  readonly verifyViewer: (token: string) => Promise<Viewer>;
  readonly buildContext: (base: SubgraphContext) => Context | Promise<Context>;
  /**
   * What an error that no resolver meant to show means to the client, such as a lost database connection: try again. Undefined, and by
   * default: INTERNAL.
   */
  readonly toRequestError?: (error: unknown) => RequestError | undefined;
  readonly logger: ErrorLogger;
}

interface Prepared {
  readonly document: DocumentNode;
  readonly errors: readonly GraphQLError[];
}

export function createSubgraph<Context extends SubgraphContext>(options: SubgraphOptions<Context>): Subgraph {
  const schema = buildSchema(options.typeDefs, options.resolvers);
  const documents = createBoundedCache<Prepared>(DOCUMENTS_KEPT);

  function prepare(query: string): Prepared {
    const known = documents.get(query);
    if (known !== undefined) return known;
    const document = parse(query, { maxTokens: MAX_QUERY_TOKENS });
    const prepared = { document, errors: validate(schema, document) };
    documents.set(query, prepared);
    return prepared;
  }

  async function run(
    request: SubgraphRequest,
    viewer: Viewer | undefined,
    budgetMs: number,
  ): Promise<SubgraphResponse> {
    const correlationId = request.headers["x-correlation-id"];
    const prepared = prepare(request.query);
    if (prepared.errors.length > 0) return { errors: prepared.errors.map(toValidationError) };
    const operation = getOperationAST(prepared.document, request.operationName);
    if (!operation) return badRequest("No operation of this name in the document.");
    const faults = findVariableFaults(schema, operation, request.variables ?? {});
    if (faults.length > 0) return badRequest("The variables do not fit the operation.", { fields: faults });

    const florin: SubgraphContext["florin"] = {};
    const contextValue = await options.buildContext({
      viewer,
      correlationId,
      consistency: parseConsistency(request.headers["x-consistency-token"]),
      mustReadPrimary: operation.operation === "mutation" || request.headers["x-florin-read"] === "primary",
      deadlineAt: performance.now() + budgetMs,
      clientAddress: request.headers["x-client-address"],
      florin,
    });
    const result: ExecutionResult = await execute({
      schema,
      document: prepared.document,
      operationName: request.operationName,
      variableValues: request.variables,
      contextValue,
    });
    // buildContext may have spread the base into a new object; what resolvers set is read from the object they saw.
    return toResponse(result, contextValue.florin, correlationId);
  }

  function toResponse(
    result: ExecutionResult,
    florin: SubgraphContext["florin"],
    correlationId: string,
  ): SubgraphResponse {
    const logUnexpected = (error: unknown) =>
      options.logger.error({ err: error, correlationId, subgraph: options.name }, "a resolver failed");
    const errors = result.errors?.map((error) =>
      toErrorJson(error, correlationId, logUnexpected, options.toRequestError),
    );
    const isTold = florin.idempotencyReplayed !== undefined || florin.written !== undefined;
    return {
      ...(result.data === undefined ? {} : { data: result.data }),
      ...(errors === undefined ? {} : { errors }),
      ...(isTold ? { extensions: { florin } } : {}),
    };
  }

  return {
    name: options.name,
    async execute(request) {
      const correlationId = request.headers["x-correlation-id"];
      try {
        await options.verifyServiceToken(bearer(request.headers.authorization) ?? "");
      } catch {
        return { errors: [serviceTokenRefused(options.name)] };
      }
      try {
        const viewerToken = bearer(request.headers["x-florin-viewer"]);
        const viewer = viewerToken === undefined ? undefined : await verifiedViewer(options.verifyViewer, viewerToken);
        const budgetMs = parseBudget(request.headers["x-deadline-ms"]);
        return await withDeadline(run(request, viewer, budgetMs), budgetMs);
      } catch (error) {
        const told = error instanceof RequestError ? error : options.toRequestError?.(error);
        if (told !== undefined) return { errors: [{ message: told.message, extensions: toErrorExtensions(told) }] };
        if (error instanceof GraphQLError) return { errors: [toValidationError(error)] };
        options.logger.error({ err: error, correlationId, subgraph: options.name }, "a request failed");
        return { errors: [internalError(correlationId)] };
      }
    },
  };
}

function buildSchema(typeDefs: string | DocumentNode, resolvers: object): GraphQLSchema {
  const document = typeof typeDefs === "string" ? parse(typeDefs) : typeDefs;
  const declared = document.definitions.flatMap((definition) =>
    definition.kind === "ScalarTypeDefinition" ? [definition.name.value] : [],
  );
  const scalars = Object.fromEntries(
    declared.flatMap((name) => (scalarResolvers[name] === undefined ? [] : [[name, scalarResolvers[name]]])),
  );
  const schema = buildSubgraphSchema({ typeDefs: document, resolvers: { ...scalars, ...resolvers } });
  enforceRequirements(schema);
  return schema;
}

/** Tokens travel with or without the word Bearer. */
function bearer(header: string | undefined): string | undefined {
  return header === undefined || header === "" ? undefined : header.replace(/^Bearer /i, "");
}

async function verifiedViewer(verify: (token: string) => Promise<Viewer>, token: string): Promise<Viewer> {
  try {
    return await verify(token);
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new RequestError("UNAUTHENTICATED", "The access token is not valid any more. Refresh it and send again.");
  }
}

function parseBudget(text: string | undefined): number {
  const budgetMs = text === undefined ? DEFAULT_BUDGET_MS : Number.parseInt(text, 10);
  return Number.isFinite(budgetMs) ? Math.min(Math.max(budgetMs, 1), MAX_BUDGET_MS) : DEFAULT_BUDGET_MS;
}

/** `ledger=123;accounts=45`, already opened and verified by the gateway. Anything else is a bug of ours, and refused. */
function parseConsistency(text: string | undefined): ReadonlyMap<Area, bigint> {
  const positions = new Map<Area, bigint>();
  if (text === undefined || text === "") return positions;
  for (const part of text.split(";")) {
    const match = /^([a-z]+)=(\d{1,18})$/.exec(part);
    const area = areas.find((known) => known === match?.[1]);
    if (match === null || area === undefined)
      throw new RequestError("BAD_USER_INPUT", "The consistency token cannot be read. Leave it out.");
    positions.set(area, BigInt(match[2]!));
  }
  return positions;
}

/** The work goes on behind a passed deadline (a commit cannot be called back); only the answer stops waiting for it. */
async function withDeadline(work: Promise<SubgraphResponse>, budgetMs: number): Promise<SubgraphResponse> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(temporarilyUnavailable(1_000)), budgetMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function toValidationError(error: GraphQLError): SubgraphErrorJson {
  return { message: error.message, extensions: { code: "GRAPHQL_VALIDATION_FAILED" } };
}

function badRequest(message: string, more: object = {}): SubgraphResponse {
  return { errors: [{ message, extensions: { code: "BAD_USER_INPUT", ...more } }] };
}
