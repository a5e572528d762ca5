/**
 * Bounds on the shape of a document, before it is validated: validation itself is what a deep, wide or repetitive document
 * attacks. Needs no schema. Every fragment is measured once; spreads add up, so ten nested fragments cost ten steps, not 2^10.
 */
import { RequestError } from "@florin/kernel";
import {
  Kind,
  OperationTypeNode,
  visit,
  type DocumentNode,
  type FragmentDefinitionNode,
  type SelectionSetNode,
} from "graphql";

export const shapeLimits = {
  tokens: 2_000,
  depth: 10,
  aliases: 15,
  queryFields: 10,
  mutationFields: 1,
  directives: 5,
  /** Of one response name in one selection: the overlap rule compares each with each. */
  repetitions: 10,
  selections: 5_000,
} as const;

interface Measure {
  readonly depth: number;
  readonly selections: number;
  readonly rootFields: number;
}

function tooMuch(what: string, limit: number): RequestError {
  return new RequestError("COST_LIMIT", `The operation has more than ${limit} ${what}. Ask for less at once.`);
}

/** Throws COST_LIMIT naming the bound that is passed. */
export function assertShape(document: DocumentNode): void {
  assertCounts(document);
  const measureOf = createMeasure(document);
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const measure = measureOf(definition.selectionSet);
    if (measure.depth > shapeLimits.depth) throw tooMuch("levels", shapeLimits.depth);
    if (measure.selections > shapeLimits.selections) throw tooMuch("selections", shapeLimits.selections);
    const isMutation = definition.operation === OperationTypeNode.MUTATION;
    const limit = isMutation ? shapeLimits.mutationFields : shapeLimits.queryFields;
    if (measure.rootFields > limit) throw tooMuch(isMutation ? "mutation field" : "root fields", limit);
  }
}

function assertCounts(document: DocumentNode): void {
  let aliases = 0;
  visit(document, {
    enter(node) {
      if ("directives" in node && (node.directives?.length ?? 0) > shapeLimits.directives)
        throw tooMuch("directives on one place", shapeLimits.directives);
      if (node.kind === Kind.FIELD && node.alias !== undefined && ++aliases > shapeLimits.aliases)
        throw tooMuch("aliases", shapeLimits.aliases);
      if (node.kind === Kind.SELECTION_SET) assertRepetitions(node);
    },
  });
}

function assertRepetitions(set: SelectionSetNode): void {
  const counts = new Map<string, number>();
  for (const selection of set.selections) {
    if (selection.kind !== Kind.FIELD) continue;
    const key = (selection.alias ?? selection.name).value;
    const count = (counts.get(key) ?? 0) + 1;
    if (count > shapeLimits.repetitions) throw tooMuch("fields of the same name in one place", shapeLimits.repetitions);
    counts.set(key, count);
  }
}

function createMeasure(document: DocumentNode): (set: SelectionSetNode) => Measure {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  const known = new Map<string, Measure>();
  const nothing: Measure = { depth: 0, selections: 0, rootFields: 0 };

  function ofFragment(name: string): Measure {
    const found = known.get(name);
    if (found !== undefined) return found;
    const fragment = fragments.get(name);
    known.set(name, nothing); // a cycle ends here; validation refuses it with its own words
    const measure = fragment === undefined ? nothing : measureOf(fragment.selectionSet);
    known.set(name, measure);
    return measure;
  }

  function measureOf(set: SelectionSetNode): Measure {
    let depth = 0;
    let selections = 0;
    let rootFields = 0;
    for (const selection of set.selections) {
      selections += 1;
      if (selection.kind === Kind.FIELD) {
        const isMeta = selection.name.value.startsWith("__"); // introspection is deep by nature and switched off elsewhere
        const inner = selection.selectionSet === undefined ? nothing : measureOf(selection.selectionSet);
        depth = Math.max(depth, isMeta ? 1 : inner.depth + 1);
        selections += inner.selections;
        rootFields += isMeta ? 0 : 1;
        continue;
      }
      const inner =
        selection.kind === Kind.FRAGMENT_SPREAD ? ofFragment(selection.name.value) : measureOf(selection.selectionSet);
      depth = Math.max(depth, inner.depth);
      selections += inner.selections;
      rootFields += inner.rootFields;
    }
    return { depth, selections, rootFields };
  }
  return measureOf;
}
