import { temporarilyUnavailable } from "@florin/kernel";
import { readBody } from "./serve-subgraph.js";
import type { Subgraph, SubgraphResponse } from "./subgraph.js";

const DEFAULT_BUDGET_MS = 2_000;
const MAX_RESPONSE_BYTES = 16 * 1_048_576;

/**
 * A subgraph in another process, with the same shape as one in this process. Connections are kept alive and reused.
 * Throws RequestError TEMPORARILY_UNAVAILABLE when it cannot be reached, answers too late, too much, or not in JSON.
 */
export function connectSubgraph(options: { readonly name: string; readonly url: string }): Subgraph {
  const endpoint = new URL("/graphql", options.url);
  return {
    name: options.name,
    async execute({ headers, ...body }) {
      const budgetMs = Number.parseInt(headers["x-deadline-ms"] ?? "", 10) || DEFAULT_BUDGET_MS;
      try {
        const response = await fetch(endpoint, {
          method: "POST",
          headers: { "content-type": "application/json", ...definedOnly(headers) },
          body: JSON.stringify(body),
          signal: AbortSignal.timeout(budgetMs),
          redirect: "error",
        });
        const text = response.body === null ? "" : await readBody(response.body, MAX_RESPONSE_BYTES);
        if (!response.ok || text === undefined) throw new Error(`answered ${response.status}`);
        return JSON.parse(text) as SubgraphResponse;
      } catch (error) {
        const failure = temporarilyUnavailable(1_000, `A part of the system does not answer just now. Send it again.`);
        failure.cause = error;
        throw failure;
      }
    },
  };
}

function definedOnly(headers: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
