/**
 * `@authenticated` and `@requiresScopes` at the public door.
 *
 * Before planning: fields that the viewer may not see leave the document, so nothing of them is ever fetched or run.
 * After execution: each of them is put back as null with an error at its path; where its type is not nullable, the null rises
 * to the nearest nullable parent, as GraphQL demands. Whether a field may be seen depends on (type, field) alone, so fragments
 * are rewritten once each, never expanded. A selection that lost a field carries `__florin_type` until it is put back.
 */
import type { Viewer } from "@florin/auth";
import { findDenial, toErrorExtensions, type Requirement } from "@florin/graph";
import type { RequestError } from "@florin/kernel";
import {
  getDirectiveValues,
  getNamedType,
  getNullableType,
  GraphQLError,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  isAbstractType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  TypeInfo,
  visit,
  visitWithTypeInfo,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql";

const TYPE_ALIAS = "__florin_type";
const typeMarker: FieldNode = {
  kind: Kind.FIELD,
  alias: { kind: Kind.NAME, value: TYPE_ALIAS },
  name: { kind: Kind.NAME, value: "__typename" },
};

export interface ReadableDocument {
  readonly document: DocumentNode;
  /** By the field nodes of the original document. */
  readonly denials: ReadonlyMap<FieldNode, RequestError>;
}

export function keepReadableFields(
  schema: GraphQLSchema,
  requirements: ReadonlyMap<string, Requirement>,
  document: DocumentNode,
  viewer: Viewer | undefined,
): ReadableDocument {
  const denials = new Map<FieldNode, RequestError>();
  const types = new TypeInfo(schema);
  const lostPerSet: number[] = [];
  const pruned = visit(
    document,
    visitWithTypeInfo(types, {
      Field(node) {
        const requirement = requirements.get(`${types.getParentType()?.name ?? ""}.${node.name.value}`);
        const denial = requirement === undefined ? undefined : findDenial(requirement, viewer);
        if (denial === undefined) return undefined;
        denials.set(node, denial);
        lostPerSet[lostPerSet.length - 1]! += 1;
        return null;
      },
      SelectionSet: {
        enter() {
          lostPerSet.push(0);
        },
        leave(node) {
          const lost = lostPerSet.pop() ?? 0;
          return lost === 0 ? undefined : { ...node, selections: [typeMarker, ...node.selections] };
        },
      },
    }),
  );
  return { document: denials.size === 0 ? document : pruned, denials };
}

export interface Restoration {
  readonly schema: GraphQLSchema;
  readonly operation: OperationDefinitionNode;
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly denials: ReadonlyMap<FieldNode, RequestError>;
}

type Path = readonly (string | number)[];

/** The data as the original operation asks for it, with a null and an error for every field that was left out. */
export function restoreDeniedFields(
  restoration: Restoration,
  data: Record<string, unknown>,
): { readonly data: Record<string, unknown> | null; readonly errors: readonly GraphQLError[] } {
  const errors: GraphQLError[] = [];
  const told = new Set<FieldNode>();
  const { schema, operation, fragments, variables, denials } = restoration;

  function restoreObject(
    value: Record<string, unknown>,
    staticType: GraphQLObjectType | undefined,
    sets: readonly SelectionSetNode[],
    path: Path,
  ): Record<string, unknown> | null {
    const marker = value[TYPE_ALIAS];
    const named = typeof marker === "string" ? schema.getType(marker) : staticType;
    const type = isObjectType(named) ? named : undefined;
    const fields = new Map<string, FieldNode[]>();
    for (const set of sets) collect(set, type, fields);
    const out: Record<string, unknown> = {};
    let isRisen = false;
    for (const [key, nodes] of fields) {
      const first = nodes[0]!;
      const fieldType = type?.getFields()[first.name.value]?.type;
      const denial = denials.get(first);
      if (denial !== undefined) {
        tell(first, denial, [...path, key]);
        if (fieldType !== undefined && isNonNullType(fieldType)) isRisen = true;
        out[key] = null;
        continue;
      }
      if (!Object.hasOwn(value, key)) continue;
      out[key] = fieldType === undefined ? value[key] : restoreValue(value[key], fieldType, nodes, [...path, key]);
      if (out[key] === null && fieldType !== undefined && isNonNullType(fieldType)) isRisen = true;
    }
    return isRisen ? null : out;
  }

  function restoreValue(value: unknown, type: GraphQLOutputType, nodes: readonly FieldNode[], path: Path): unknown {
    if (value === null || value === undefined) return null;
    const nullable = getNullableType(type);
    if (isListType(nullable) && Array.isArray(value)) {
      const items = value.map((item, index) => restoreValue(item, nullable.ofType, nodes, [...path, index]));
      return isNonNullType(nullable.ofType) && items.includes(null) ? null : items;
    }
    const sets = nodes.flatMap((node) => (node.selectionSet === undefined ? [] : [node.selectionSet]));
    if (sets.length === 0) return value;
    const named = getNamedType(type);
    return restoreObject(value as Record<string, unknown>, isObjectType(named) ? named : undefined, sets, path);
  }

  function collect(set: SelectionSetNode, type: GraphQLObjectType | undefined, into: Map<string, FieldNode[]>): void {
    for (const selection of set.selections) {
      if (getDirectiveValues(GraphQLSkipDirective, selection, variables)?.["if"] === true) continue;
      if (getDirectiveValues(GraphQLIncludeDirective, selection, variables)?.["if"] === false) continue;
      if (selection.kind === Kind.FIELD) {
        const key = (selection.alias ?? selection.name).value;
        const nodes = into.get(key);
        if (nodes === undefined) into.set(key, [selection]);
        else nodes.push(selection);
        continue;
      }
      const fragment = selection.kind === Kind.FRAGMENT_SPREAD ? fragments[selection.name.value] : selection;
      if (fragment !== undefined && applies(fragment.typeCondition?.name.value, type))
        collect(fragment.selectionSet, type, into);
    }
  }

  function applies(condition: string | undefined, type: GraphQLObjectType | undefined): boolean {
    if (condition === undefined || type === undefined || condition === type.name) return true;
    const named = schema.getType(condition);
    return isAbstractType(named) && schema.isSubType(named, type);
  }

  /** Once per place in the document: a thousand rows do not make a thousand errors. */
  function tell(node: FieldNode, denial: RequestError, path: Path): void {
    if (told.has(node)) return;
    told.add(node);
    errors.push(new GraphQLError(denial.message, { path, extensions: toErrorExtensions(denial) }));
  }

  const root = schema.getRootType(operation.operation) ?? undefined;
  return { data: restoreObject(data, root, [operation.selectionSet], []), errors };
}
