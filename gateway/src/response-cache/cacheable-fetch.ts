import { createBoundedCache } from "@florin/graph";
import { Kind, parse, type DocumentNode, type SelectionNode } from "graphql";

/** The subgraphs of which something is cached; each is also the area whose events say that it has changed. */
export const cachedAreas = ["accounts", "portfolio"] as const;
export type CachedArea = (typeof cachedAreas)[number];

interface Cacheable {
  readonly fields: readonly string[];
  readonly entities: readonly string[];
}

/**
 * What institutions say of linked accounts: their balances and holdings. It changes a few times a day, and each change is an event.
 *
 * Never in this list: anything in which our own money is counted (the ledger's fields; netWorth, cashFlow and spendingByCategory of
 * portfolio), because money held here is read where it is kept.
 */
const cacheable: Readonly<Record<CachedArea, Cacheable>> = {
  accounts: {
    fields: ["virtualAccount", "linkedAccounts", "linkedAccount", "linkedItem"],
    entities: ["LinkedAccount"],
  },
  portfolio: { fields: ["investments", "liabilities"], entities: ["LinkedAccount"] },
};

const TEXTS_KEPT = 1_000;

/** undefined: nothing of this subgraph is cached. */
export function cachedArea(subgraph: string): CachedArea | undefined {
  return cachedAreas.find((area) => area === subgraph);
}

/** May the answer to this text be kept? Texts are the planner's own, so there are few; each is read once. */
export function createFetchFilter(): (area: CachedArea, query: string) => boolean {
  const known = createBoundedCache<boolean>(TEXTS_KEPT);
  return (area, query) => {
    const key = `${area} ${query}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const answer = isCacheable(cacheable[area], parse(query));
    known.set(key, answer);
    return answer;
  };
}

function isCacheable({ fields, entities }: Cacheable, document: DocumentNode): boolean {
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  const [only] = operations;
  if (only === undefined || operations.length !== 1 || only.operation !== "query") return false;
  return only.selectionSet.selections.every((selection) => {
    if (selection.kind !== Kind.FIELD) return false;
    if (selection.name.value !== "_entities") return fields.includes(selection.name.value);
    return selection.selectionSet?.selections.every((one) => isEntity(entities, one)) ?? false;
  });
}

function isEntity(entities: readonly string[], selection: SelectionNode): boolean {
  const type = selection.kind === Kind.INLINE_FRAGMENT ? selection.typeCondition?.name.value : undefined;
  return type !== undefined && entities.includes(type);
}
