import { temporarilyUnavailable } from "@florin/kernel";
import { serviceTokenRefused } from "./request-errors.js";
import type { ServiceClient } from "./service-client.js";
import type { Subgraph, SubgraphResponse } from "./subgraph.js";

const DEFAULT_BUDGET_MS = 2_000;
const UNAUTHORIZED = 401;

/**
 * A subgraph in other processes, with the same shape as one in this process.
 * Throws RequestError TEMPORARILY_UNAVAILABLE when none can be reached, or one answers too late, too much, or not in JSON.
 */
export function connectSubgraph(client: ServiceClient): Subgraph {
  return {
    name: client.name,
    async execute({ headers, ...body }) {
      const { status, text } = await client.call({
        method: "POST",
        path: "/graphql",
        headers: { "content-type": "application/json", ...definedOnly(headers) },
        body: JSON.stringify(body),
        budgetMs: Number.parseInt(headers["x-deadline-ms"] ?? "", 10) || DEFAULT_BUDGET_MS,
        // Plans begin with the operation's kind or with a brace; what is not seen to be a query is taken for a mutation.
        isRead: /^\s*(query\b|\{)/.test(body.query),
      });
      if (status === UNAUTHORIZED) return { errors: [serviceTokenRefused(client.name)] };
      try {
        if (status !== 200) throw new Error(`answered ${status}`);
        return JSON.parse(text) as SubgraphResponse;
      } catch (error) {
        const failure = temporarilyUnavailable(1_000, "A part of the system does not answer just now. Send it again.");
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
