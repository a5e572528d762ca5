import { assertInput } from "@florin/kernel";

export const DEFAULT_PAGE_SIZE = 20;
export const MAX_PAGE_SIZE = 100;

export interface PageArguments {
  readonly first: number;
  readonly after: string | undefined;
}

/** `first` defaults to 20 and is 1 to 100. Throws BAD_USER_INPUT naming `first`. */
export function parsePageArguments(given: {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
}): PageArguments {
  const first = given.first ?? DEFAULT_PAGE_SIZE;
  if (first < 1 || first > MAX_PAGE_SIZE)
    assertInput([
      { path: "first", code: "PAGE_SIZE", message: `Ask for 1 to ${MAX_PAGE_SIZE} at once, then page on with after.` },
    ]);
  return { first, after: given.after ?? undefined };
}

export interface Connection<Node> {
  readonly edges: readonly { readonly cursor: string; readonly node: Node }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
  readonly totalCount: number | null;
}

/** From rows that were read with a limit of `first + 1`: the extra row only tells that there is a next page. */
export function toConnection<Node>(
  rows: readonly Node[],
  page: PageArguments,
  cursorOf: (node: Node) => string,
  totalCount: number | null = null,
): Connection<Node> {
  const edges = rows.slice(0, page.first).map((node) => ({ cursor: cursorOf(node), node }));
  return {
    edges,
    pageInfo: {
      hasNextPage: rows.length > page.first,
      hasPreviousPage: page.after !== undefined,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
    totalCount,
  };
}
