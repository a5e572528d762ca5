/**
 * Runs what a subscription selects, for one event, through the federation planner.
 *
 * The planner splits a subscription into `primary` (the virtual subgraph `events`) and `rest` (ordinary entity fetches). Here
 * both run as one query plan: `primary` is answered from the event, which carries keys only, and `rest` goes to the subgraphs
 * with the subscriber's own token, so every subgraph authorises every event again. A context lives for one event.
 *
 * Costs: a plan is made once per document and snapshot (20-50 ms) and kept, at most 500 per snapshot.
 */
import { setTimeout as pause } from "node:timers/promises";
import { buildOperationContext, executeQueryPlan, type ServiceMap } from "@apollo/gateway";
import { operationFromDocument, type Schema } from "@apollo/federation-internals";
import type { PlanNode, QueryPlan, QueryPlanner } from "@apollo/query-planner";
import type { GatewayGraphQLRequestContext, GatewaySchemaHash } from "@apollo/server-gateway-interface";
import { InMemoryLRUCache } from "@apollo/utils.keyvaluecache";
import {
  execute,
  getOperationAST,
  GraphQLError,
  parse,
  type DocumentNode,
  type FormattedExecutionResult,
  type GraphQLFormattedError,
  type GraphQLSchema,
} from "graphql";
import type { Viewer } from "@florin/auth";
import { withDeadline } from "./event-feed.js";
import { LiveQueryError } from "./live-error.js";
import type { RootValue } from "./live-events.js";

/** One composed graph, never changed after it was built. */
export interface LiveSnapshot {
  /** The public schema as graphql-js has it. */
  readonly schema: GraphQLSchema;
  /** The public schema as the planner has it. */
  readonly api: Schema;
  /** The supergraph with its join directives. */
  readonly full: GraphQLSchema;
  readonly planner: QueryPlanner;
  readonly services: ServiceMap;
}

/** On whose behalf something runs. Lives as long as a socket. */
export interface LiveCaller {
  readonly viewer: Viewer | undefined;
  readonly accessToken: string | undefined;
  readonly clientAddress: string | undefined;
}

export interface LiveLogger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface LiveOperation {
  readonly snapshot: LiveSnapshot;
  readonly document: DocumentNode;
  readonly text: string;
  readonly operationName: string | undefined;
  /** Coerced, with the defaults of the operation. */
  readonly variables: Readonly<Record<string, unknown>>;
}

export interface ExecutorOptions {
  /**
   * A fresh context for one event: what the data sources need, with a deadline of its own.
   * `consistency`: what subgraphs must have reached, as `ledger=123`, so that no replica answers with the state before the event.
   */
  readonly createContext: (
    caller: LiveCaller,
    consistency?: string,
  ) => { readonly correlationId: string } & Record<string, unknown>;
  /** The gateway's allow-list: what a client may read of an error. */
  readonly formatErrors: (errors: readonly GraphQLError[], correlationId: string) => readonly GraphQLFormattedError[];
  readonly logger: LiveLogger;
  readonly deadlineMs: number;
}

const PLANS_PER_SNAPSHOT = 500;
const RETRY_PAUSES_MS = [100, 500];

interface Planned {
  readonly plan: QueryPlan;
  /** The parsed text of the primary fetch; the planner writes one per plan. */
  readonly primaries: Map<string, DocumentNode>;
}

export class LiveExecutor {
  readonly #options: ExecutorOptions;
  readonly #plans = new WeakMap<LiveSnapshot, Map<string, Planned>>();
  readonly #cache = new InMemoryLRUCache({ maxSize: 1 });

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  /** Plans ahead, so that a document the planner refuses is refused when it is subscribed. */
  prepare(operation: LiveOperation): void {
    this.#planFor(operation);
  }

  /** Answers the operation; `root` is what the virtual subgraph knows of the event. Never throws. */
  async run(
    operation: LiveOperation,
    caller: LiveCaller,
    root: RootValue,
    consistency?: string,
  ): Promise<FormattedExecutionResult> {
    const context = this.#options.createContext(caller, consistency);
    const extensions = { correlationId: context.correlationId };
    try {
      const work = this.#execute(operation, context, root);
      const { data, errors = [] } = await withDeadline(work, this.#options.deadlineMs);
      if (errors.length === 0) return { data: data ?? null, extensions };
      const found = errors.map((error) => (error instanceof GraphQLError ? error : toGraphqlError(error)));
      return { errors: this.#options.formatErrors(found, context.correlationId), data: data ?? null, extensions };
    } catch (error) {
      if (!(error instanceof LiveQueryError)) {
        this.#options.logger.error(
          { err: error, correlationId: context.correlationId },
          "a live query could not be executed",
        );
      }
      const told = error instanceof LiveQueryError ? [error.toJSON()] : [internalError(context.correlationId)];
      return { data: null, errors: told, extensions };
    }
  }

  /**
   * As `run`, but tries again for a moment when a subgraph is away. undefined when it stayed away or nobody is left who asks;
   * subscribers are then told to resume, and lose nothing.
   */
  async runPatiently(
    operation: LiveOperation,
    root: RootValue,
    pickCaller: () => LiveCaller | undefined,
    consistency?: string,
  ): Promise<FormattedExecutionResult | undefined> {
    for (let attempt = 0; ; attempt++) {
      const caller = pickCaller();
      if (caller === undefined) return undefined;
      const result = await this.run(operation, caller, root, consistency);
      // A caller that left meanwhile may have lost its token: others must not be answered with its refusal.
      const isOrphaned = result.errors !== undefined && pickCaller() !== caller;
      if (!isOrphaned && !isUnavailable(result)) return result;
      const wait = RETRY_PAUSES_MS[attempt];
      if (wait === undefined) return undefined;
      await pause(wait);
    }
  }

  async #execute(operation: LiveOperation, context: Record<string, unknown>, root: RootValue) {
    const { snapshot, document, operationName } = operation;
    const planned = this.#planFor(operation);
    const services: ServiceMap = { ...snapshot.services, events: eventsSource(snapshot, planned, root) };
    const operationContext = buildOperationContext({
      schema: snapshot.schema,
      operationDocument: document,
      ...(operationName === undefined ? {} : { operationName }),
    });
    const requestContext = this.#requestContext(operation, context);
    return executeQueryPlan(planned.plan, services, requestContext, operationContext, snapshot.full, snapshot.api);
  }

  #requestContext(operation: LiveOperation, context: Record<string, unknown>): GatewayGraphQLRequestContext {
    const { snapshot, document, text, operationName, variables } = operation;
    const ast = getOperationAST(document, operationName);
    if (ast === null || ast === undefined) throw new Error("a live query without an operation was accepted");
    const { logger } = this.#options;
    const say = (message?: unknown): void => logger.warn({}, String(message));
    return {
      request: { query: text, variables: { ...variables }, ...(operationName === undefined ? {} : { operationName }) },
      logger: { debug: () => undefined, info: () => undefined, warn: say, error: say },
      schema: snapshot.schema,
      schemaHash: "" as GatewaySchemaHash,
      context,
      cache: this.#cache,
      queryHash: "",
      document,
      source: text,
      operationName: operationName ?? null,
      operation: ast,
      metrics: {},
      overallCachePolicy: undefined,
    };
  }

  #planFor(operation: LiveOperation): Planned {
    const { snapshot, document, text, operationName } = operation;
    let plans = this.#plans.get(snapshot);
    if (plans === undefined) this.#plans.set(snapshot, (plans = new Map()));
    const key = JSON.stringify([text, operationName ?? null]);
    let planned = plans.get(key);
    if (planned === undefined) {
      const named = operationName === undefined ? {} : { operationName };
      const plan = snapshot.planner.buildQueryPlan(operationFromDocument(snapshot.api, document, named));
      planned = { plan: asQueryPlan(plan), primaries: new Map() };
    }
    plans.delete(key); // the most recent at the end, the oldest first to go
    plans.set(key, planned);
    for (const oldest of plans.keys()) {
      if (plans.size <= PLANS_PER_SNAPSHOT) break;
      plans.delete(oldest);
    }
    return planned;
  }
}

function asQueryPlan(plan: QueryPlan): QueryPlan {
  if (plan.node?.kind !== "Subscription") return plan;
  const { primary, rest } = plan.node;
  const nodes: PlanNode[] = rest === undefined ? [primary] : [primary, rest];
  return { kind: "QueryPlan", node: { kind: "Sequence", nodes } };
}

/** The virtual subgraph, for one event: graphql-js picks the selected keys out of the root value. */
function eventsSource(snapshot: LiveSnapshot, planned: Planned, root: RootValue): ServiceMap[string] {
  return {
    async process({ request }) {
      const text = request.query ?? "";
      let document = planned.primaries.get(text);
      if (document === undefined) planned.primaries.set(text, (document = parse(text)));
      const answer = await execute({
        schema: snapshot.schema,
        document,
        rootValue: root,
        variableValues: request.variables,
      });
      return { data: answer.data ?? null, ...(answer.errors ? { errors: answer.errors } : {}) };
    },
  };
}

function toGraphqlError(error: { readonly message: string; readonly extensions?: object | undefined }): GraphQLError {
  return new GraphQLError(error.message, { extensions: { ...error.extensions } });
}

function internalError(correlationId: string): GraphQLFormattedError {
  const message = "Something went wrong here; quote the correlation id.";
  return { message, extensions: { code: "INTERNAL", correlationId } };
}

/** Worth another try a moment later; anything else would fail the same way again. */
function isUnavailable(result: FormattedExecutionResult): boolean {
  if (result.data !== null && result.data !== undefined) return false;
  return (result.errors ?? []).some((error) => error.extensions?.["code"] === "TEMPORARILY_UNAVAILABLE");
}
