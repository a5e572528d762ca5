import {
  getArgumentValues,
  getOperationAST,
  getVariableValues,
  GraphQLError,
  Kind,
  OperationTypeNode,
  parse,
  validate,
  visit,
  type DocumentNode,
  type FieldNode,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql";
import { badInput } from "./live-error.js";
import type { LiveOperation, LiveSnapshot } from "./live-execution.js";

/** What graphql-transport-ws carries in `subscribe`. */
export interface SubscribeRequest {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
}

export interface ReadOperation extends LiveOperation {
  /** The subscription's one root field. */
  readonly field: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** The variable that carries only the resume cursor: no part of what the operation answers. */
  readonly cursorVariable: string | undefined;
}

const MAX_TOKENS = 2000;
const MAX_ERRORS = 5;

/** Reads and validates; the errors instead when it is not a subscription of this graph. Never throws for a client's mistake. */
export function readOperation(
  snapshot: LiveSnapshot,
  request: SubscribeRequest,
): ReadOperation | readonly GraphQLError[] {
  let document: DocumentNode;
  try {
    document = parse(request.query, { maxTokens: MAX_TOKENS });
  } catch (error) {
    return [withCode("GRAPHQL_PARSE_FAILED", error)];
  }
  const operationName = request.operationName ?? undefined;
  const ast = getOperationAST(document, operationName);
  if (ast === null || ast === undefined) {
    return [refusal("The document must hold the operation to run; with several, name it in operationName.")];
  }
  if (ast.operation !== OperationTypeNode.SUBSCRIPTION) {
    return [refusal("Only subscriptions run over WebSocket. Send queries and mutations by POST to /graphql.")];
  }
  const faults = validate(snapshot.schema, document, undefined, { maxErrors: MAX_ERRORS });
  if (faults.length > 0) return faults.map((fault) => withCode("GRAPHQL_VALIDATION_FAILED", fault));
  return readRoot(snapshot, document, ast, request);
}

function readRoot(
  snapshot: LiveSnapshot,
  document: DocumentNode,
  ast: OperationDefinitionNode,
  request: SubscribeRequest,
): ReadOperation | readonly GraphQLError[] {
  const inputs = { ...request.variables };
  const coerced = getVariableValues(snapshot.schema, ast.variableDefinitions ?? [], inputs, { maxErrors: MAX_ERRORS });
  if (coerced.errors !== undefined) return coerced.errors.map((fault) => withCode("BAD_USER_INPUT", fault));
  const root = rootField(document, ast.selectionSet);
  const definition = root && snapshot.schema.getSubscriptionType()?.getFields()[root.name.value];
  if (root === undefined || definition === undefined) {
    return [refusal("A subscription selects exactly one field, without @skip or @include on it.")];
  }
  let args: Record<string, unknown>;
  try {
    args = getArgumentValues(definition, root, coerced.coerced);
  } catch (error) {
    return [withCode("BAD_USER_INPUT", error)];
  }
  return {
    snapshot,
    document,
    text: request.query,
    operationName: request.operationName ?? undefined,
    variables: coerced.coerced,
    field: root.name.value,
    args,
    cursorVariable: cursorVariable(document, root),
  };
}

/** The ids of the accounts that are asked for; undefined: all of the viewer's own. */
export function readAccountIds(args: Readonly<Record<string, unknown>>): readonly string[] | undefined {
  const ids = args["accountIds"];
  if (ids === undefined || ids === null || !Array.isArray(ids)) return undefined;
  if (ids.length === 0) throw badInput("accountIds", "EMPTY", "name at least one account, or leave the argument out.");
  if (ids.length > 100)
    throw badInput("accountIds", "TOO_MANY", "at most 100 accounts; open another subscription for more.");
  return [...new Set(ids.map(String))];
}

/** The same for equal operations, whatever the order of their variables. */
export function canonicalVariables(operation: ReadOperation): string {
  const { [operation.cursorVariable ?? ""]: _cursor, ...others } = operation.variables;
  return JSON.stringify(sorted(others));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

function rootField(document: DocumentNode, selections: SelectionSetNode, depth = 0): FieldNode | undefined {
  const only = selections.selections[0];
  if (only === undefined || selections.selections.length !== 1 || depth > 10) return undefined;
  if ((only.directives ?? []).some(({ name }) => name.value === "skip" || name.value === "include")) return undefined;
  if (only.kind === Kind.FIELD) return only;
  if (only.kind === Kind.INLINE_FRAGMENT) return rootField(document, only.selectionSet, depth + 1);
  const fragment = document.definitions.find(
    (definition) => definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === only.name.value,
  );
  return fragment?.kind === Kind.FRAGMENT_DEFINITION
    ? rootField(document, fragment.selectionSet, depth + 1)
    : undefined;
}

/** Only when nothing else uses it: a variable that also fills another argument does change the answer. */
function cursorVariable(document: DocumentNode, root: FieldNode): string | undefined {
  const value = root.arguments?.find(({ name }) => name.value === "after")?.value;
  if (value?.kind !== Kind.VARIABLE) return undefined;
  const name = value.name.value;
  let mentions = 0;
  visit(document, {
    Variable(node) {
      if (node.name.value === name) mentions++;
    },
  });
  return mentions === 2 ? name : undefined; // its definition and the argument
}

function refusal(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: "BAD_REQUEST" } });
}

function withCode(code: string, fault: unknown): GraphQLError {
  if (!(fault instanceof GraphQLError)) throw fault;
  const { message, nodes, source, positions } = fault;
  return new GraphQLError(message, { nodes, source, positions, extensions: { code } });
}
