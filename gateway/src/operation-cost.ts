/**
 * What an operation would cost to answer, from the schema and the variables that came with it, before anything is planned.
 *
 * An entity costs 1, a value object on it 0, an element of a plain list 1; `@cost(weight:)` overrides. A connection counts
 * `first` times what stands below its `edges` (20 when absent); a plain list counts `@listSize(assumedSize:)`, the length of the list argument
 * that it was asked with, or 10. Fragments count wherever they are spread.
 */
import { DEFAULT_PAGE_SIZE } from "@florin/graph";
import {
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  valueFromASTUntyped,
  type ConstDirectiveNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql";

export const MAX_COST = 1_000;
const ASSUMED_LIST_SIZE = 10;

function directiveArgument(
  nodes: readonly ConstDirectiveNode[] | undefined,
  directive: string,
  argument: string,
): unknown {
  const node = nodes?.find((candidate) => candidate.name.value === directive);
  const value = node?.arguments?.find((candidate) => candidate.name.value === argument)?.value;
  return value === undefined ? undefined : valueFromASTUntyped(value);
}

function weightOf(type: GraphQLNamedType): number {
  const directives = type.astNode?.directives;
  const weight = directiveArgument(directives, "cost", "weight");
  if (weight !== undefined) return Number(weight);
  const isEntity = directiveArgument(directives, "join__type", "key") !== undefined;
  return isEntity ? 1 : 0;
}

/** @param full the supergraph's schema, whose directives say what is an entity. Stops counting as soon as `MAX_COST` is passed. */
export function estimateCost(
  full: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): number {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  const ofFragments = new Map<string, number>();

  function costOf(set: SelectionSetNode, type: GraphQLNamedType | undefined, pageSize: number): number {
    let cost = 0;
    for (const selection of set.selections) {
      if (cost > MAX_COST) return cost;
      if (selection.kind === Kind.FIELD) cost += costOfField(selection, type, pageSize);
      else if (selection.kind === Kind.INLINE_FRAGMENT) {
        const narrowed =
          selection.typeCondition === undefined ? type : full.getType(selection.typeCondition.name.value);
        cost += costOf(selection.selectionSet, narrowed, pageSize);
      } else cost += costOfSpread(selection.name.value, pageSize);
    }
    return cost;
  }

  function costOfSpread(name: string, pageSize: number): number {
    const key = `${name}*${pageSize}`;
    const known = ofFragments.get(key);
    if (known !== undefined) return known;
    ofFragments.set(key, 0);
    const fragment = fragments.get(name);
    if (fragment === undefined) return 0;
    const cost = costOf(fragment.selectionSet, full.getType(fragment.typeCondition.name.value), pageSize);
    ofFragments.set(key, cost);
    return cost;
  }

  function costOfField(node: FieldNode, parent: GraphQLNamedType | undefined, pageSize: number): number {
    if (node.name.value.startsWith("__")) return 0;
    const field = isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[node.name.value] : undefined;
    if (field === undefined) return 0;
    const type = getNamedType(field.type);
    const isList = isListType(getNullableType(field.type));
    const explicit = directiveArgument(field.astNode?.directives, "cost", "weight");
    const isEdges = node.name.value === "edges";
    const own =
      explicit === undefined
        ? Math.max(weightOf(type), isList && !isEdges && isCompositeType(type) ? 1 : 0)
        : Number(explicit);
    const first = field.args.some((argument) => argument.name === "first");
    const innerPage = first ? Math.max(1, numberArgument(node, "first") ?? DEFAULT_PAGE_SIZE) : DEFAULT_PAGE_SIZE;
    const inner = node.selectionSet === undefined ? 0 : costOf(node.selectionSet, type, innerPage);
    if (!isList) return own + inner;
    return (own + inner) * (isEdges ? pageSize : listSize(node, field.astNode?.directives));
  }

  function argumentValue(node: FieldNode, name: string): unknown {
    const argument = node.arguments?.find((candidate) => candidate.name.value === name);
    return argument === undefined ? undefined : valueFromASTUntyped(argument.value, withDefaults);
  }

  function numberArgument(node: FieldNode, name: string): number | undefined {
    const value = argumentValue(node, name);
    return typeof value === "number" ? value : undefined;
  }

  function listSize(node: FieldNode, directives: readonly ConstDirectiveNode[] | undefined): number {
    const assumed = directiveArgument(directives, "listSize", "assumedSize");
    if (typeof assumed === "number") return assumed;
    const lengths = (node.arguments ?? []).map((argument) => {
      const value = valueFromASTUntyped(argument.value, withDefaults);
      return Array.isArray(value) ? value.length : 0;
    });
    return Math.max(ASSUMED_LIST_SIZE, ...lengths);
  }

  const defaults = (operation.variableDefinitions ?? []).flatMap((definition) =>
    definition.defaultValue === undefined
      ? []
      : [[definition.variable.name.value, valueFromASTUntyped(definition.defaultValue)] as const],
  );
  const withDefaults = { ...Object.fromEntries(defaults), ...variables };
  const root = full.getRootType(operation.operation) ?? undefined;
  return costOf(operation.selectionSet, root, DEFAULT_PAGE_SIZE);
}
