/**
 * Our own GatewayInterface around Apollo's planner and executor (never `new ApolloGateway`: it refuses supergraphs with
 * authorization directives, changes its schema in steps and repeats entity representations).
 *
 * One immutable snapshot per supergraph: schemas, planner, data sources and plans belong together and are swapped as one. A request
 * keeps the snapshot whose schema it was validated against. Planning costs 20-50 ms and is kept per (document, operation, what
 * the viewer may not see), at most 1000 plans.
 */
import { buildOperationContext, executeQueryPlan, type GraphQLDataSource, type ServiceMap } from "@apollo/gateway";
import {
  operationFromDocument,
  ROUTER_SUPPORTED_SUPERGRAPH_FEATURES,
  Supergraph,
  type Schema,
} from "@apollo/federation-internals";
import { QueryPlanner, type QueryPlan } from "@apollo/query-planner";
import type {
  GatewayExecutionResult,
  GatewayGraphQLRequestContext,
  GatewayInterface,
  GatewaySchemaLoadOrUpdateCallback,
} from "@apollo/server-gateway-interface";
import {
  createBoundedCache,
  findRequirements,
  scalarResolvers,
  type BoundedCache,
  type Requirement,
} from "@florin/graph";
import { buildASTSchema, GraphQLError, isScalarType, parse, type DocumentNode, type GraphQLSchema } from "graphql";
import { keepReadableFields, restoreDeniedFields, type ReadableDocument } from "./field-access.js";
import type { GatewayContext } from "./request-context.js";

const PLANS_KEPT = 1_000;

/** One composed graph, never changed after it was built. */
export interface Snapshot {
  readonly sdl: string;
  /** The public schema as the planner has it. */
  readonly api: Schema;
  /** The public schema as graphql-js has it, with our scalars. */
  readonly schema: GraphQLSchema;
  /** The supergraph with its join directives, as the executor wants it. */
  readonly full: GraphQLSchema;
  /** The supergraph with the directives of its definitions: requirements and costs are read from it. */
  readonly annotated: GraphQLSchema;
  readonly planner: QueryPlanner;
  readonly services: ServiceMap;
  readonly requirements: ReadonlyMap<string, Requirement>;
  readonly plans: BoundedCache<PlannedOperation>;
}

interface PlannedOperation {
  readonly plan: QueryPlan;
  readonly readable: ReadableDocument;
}

export function buildSnapshot(sdl: string, dataSourceFor: (subgraph: string) => GraphQLDataSource): Snapshot {
  const supergraph = Supergraph.build(sdl, { supportedFeatures: ROUTER_SUPPORTED_SUPERGRAPH_FEATURES });
  const api = supergraph.apiSchema();
  const annotated = buildASTSchema(parse(sdl), { assumeValid: true, assumeValidSDL: true });
  const names = supergraph.subgraphsMetadata().map((subgraph) => subgraph.name);
  return {
    sdl,
    api,
    schema: withScalars(api.toGraphQLJSSchema()),
    full: supergraph.schema.toGraphQLJSSchema(),
    annotated,
    planner: new QueryPlanner(supergraph),
    services: Object.fromEntries(names.map((name) => [name, dataSourceFor(name)])),
    requirements: findRequirements(annotated),
    plans: createBoundedCache(PLANS_KEPT),
  };
}

/** A JSON number for a Decimal is refused at the door, with the path of the field, before anything is planned. */
function withScalars(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    const ours = scalarResolvers[type.name];
    if (ours === undefined || !isScalarType(type)) continue;
    type.parseValue = ours.parseValue;
    type.parseLiteral = ours.parseLiteral;
  }
  return schema;
}

export class FlorinGateway implements GatewayInterface {
  readonly #listeners = new Set<GatewaySchemaLoadOrUpdateCallback>();
  /** Requests that were validated against an older schema end on that schema's snapshot. */
  readonly #bySchema = new WeakMap<GraphQLSchema, Snapshot>();
  #current: Snapshot;

  constructor(snapshot: Snapshot) {
    this.#current = snapshot;
    this.#bySchema.set(snapshot.schema, snapshot);
  }

  snapshot(): Snapshot {
    return this.#current;
  }

  /** The snapshot that a schema belongs to: what was validated against it runs on it. */
  snapshotOf(schema: GraphQLSchema): Snapshot {
    return this.#bySchema.get(schema) ?? this.#current;
  }

  update(next: Snapshot): void {
    this.#current = next;
    this.#bySchema.set(next.schema, next);
    for (const listener of this.#listeners) this.#tell(listener);
  }

  onSchemaLoadOrUpdate(listener: GatewaySchemaLoadOrUpdateCallback): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  load(): Promise<{ executor: (context: GatewayGraphQLRequestContext) => Promise<GatewayExecutionResult> }> {
    for (const listener of this.#listeners) this.#tell(listener);
    return Promise.resolve({
      executor: (context) => executeOperation(this.snapshotOf(context.schema), context),
    });
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  #tell(listener: GatewaySchemaLoadOrUpdateCallback): void {
    listener({ apiSchema: this.#current.schema, coreSupergraphSdl: this.#current.sdl });
  }
}

/** Runs one validated query or mutation: leave out what the viewer may not see, plan (or recall), fetch, put the nulls back. */
export async function executeOperation(
  snapshot: Snapshot,
  request: GatewayGraphQLRequestContext,
): Promise<GatewayExecutionResult> {
  const operationName = request.request.operationName ?? undefined;
  if ((request.operation as unknown) === undefined)
    return {
      errors: [new GraphQLError("Name the operation to run in operationName; the document has none of this name.")],
    };
  const { plan, readable } = planFor(snapshot, request, operationName);
  const result = await executeQueryPlan(
    plan,
    snapshot.services,
    request,
    contextOf(snapshot, readable.document, operationName),
    snapshot.full,
    snapshot.api,
  );
  const completed = completeResult(result);
  if (readable.denials.size === 0 || completed.data === null || completed.data === undefined) return completed;
  const { operation, fragments } = contextOf(snapshot, request.document, operationName);
  const variables = request.request.variables ?? {};
  const { denials } = readable;
  const restored = restoreDeniedFields(
    { schema: snapshot.schema, operation, fragments, variables, denials },
    completed.data,
  );
  const errors = [...(completed.errors ?? []), ...restored.errors];
  return { data: restored.data, ...(errors.length === 0 ? {} : { errors }) };
}

function contextOf(snapshot: Snapshot, operationDocument: DocumentNode, operationName: string | undefined) {
  const named = operationName === undefined ? {} : { operationName };
  return buildOperationContext({ schema: snapshot.schema, operationDocument, ...named });
}

/** A null where the schema promises a value, without an error that says why, must not look like an answer. */
function completeResult(result: GatewayExecutionResult): GatewayExecutionResult {
  const repairs = result.extensions?.["valueCompletion"];
  const { extensions: _extensions, ...rest } = result;
  if (!Array.isArray(repairs) || repairs.length === 0) return rest;
  const errors = repairs.map((repair: { path?: readonly (string | number)[] }) => {
    const path = repair.path === undefined ? {} : { path: repair.path };
    return new GraphQLError("A value that the schema promises is missing.", {
      ...path,
      extensions: { code: "INTERNAL" },
    });
  });
  return { ...rest, errors };
}

function planFor(
  snapshot: Snapshot,
  request: GatewayGraphQLRequestContext,
  operationName: string | undefined,
): PlannedOperation {
  const { viewer } = request.context as GatewayContext;
  const access = viewer === undefined ? "anonymous" : [...viewer.scopes].sort().join(" ");
  const key = `${request.queryHash}|${operationName ?? ""}|${access}`;
  const known = snapshot.plans.get(key);
  if (known !== undefined && known.readable.denials.size === 0) return known;
  // Denials are told by node of this request's own document, so a plan with some is only good for the same parsed document.
  const readable = keepReadableFields(snapshot.schema, snapshot.requirements, request.document, viewer);
  const named = operationName === undefined ? {} : { operationName };
  const plan =
    known?.plan ?? snapshot.planner.buildQueryPlan(operationFromDocument(snapshot.api, readable.document, named));
  const planned = { plan, readable };
  snapshot.plans.set(key, planned);
  return planned;
}
