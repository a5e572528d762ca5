import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { ServiceMap } from "@apollo/gateway";
import { ROUTER_SUPPORTED_SUPERGRAPH_FEATURES, Supergraph } from "@apollo/federation-internals";
import { QueryPlanner } from "@apollo/query-planner";
import { buildSubgraphSchema } from "@apollo/subgraph";
import { execute, GraphQLError, parse, type GraphQLSchema } from "graphql";
import type { LiveSnapshot } from "../../src/live/live-execution.js";

type Resolvers = Parameters<typeof buildSubgraphSchema>[0] extends infer Modules
  ? Modules extends { resolvers?: infer R }
    ? NonNullable<R>
    : never
  : never;

/** What the canned subgraphs know, and a count of what they were asked. */
export interface SmallWorld {
  /** principal -> the accounts it may see */
  readonly owners: Map<string, ReadonlySet<string>>;
  readonly operations: Map<string, { owner: string; status: string }>;
  /** Logins at institutions, by id. */
  readonly items: Map<string, { owner: string; status: string; isHidden?: boolean }>;
  readonly fetches: { accounts: number; ledger: number };
  /** Held fetches of the ledger wait for this. */
  gate: Promise<void>;
  isLedgerDown: boolean;
  /** The code with which the next fetch of the ledger is refused. */
  failOnce: string | undefined;
}

/** What the executor's context of these tests holds. */
function principalOf(context: unknown): string {
  const principal = typeof context === "object" && context !== null && "principal" in context && context.principal;
  return typeof principal === "string" ? principal : "";
}

const read = (path: string): string => readFileSync(fileURLToPath(new URL(path, import.meta.url)), "utf8");

/** Everything of the checked-in supergraph that no world changes. */
const graph = readGraph();

function readGraph(): Omit<LiveSnapshot, "services"> {
  const supergraph = Supergraph.build(read("../../supergraph.graphql"), {
    supportedFeatures: ROUTER_SUPPORTED_SUPERGRAPH_FEATURES,
    validateSupergraph: false,
  });
  const api = supergraph.apiSchema();
  return {
    schema: api.toGraphQLJSSchema(),
    api,
    full: supergraph.schema.toGraphQLJSSchema(),
    planner: new QueryPlanner(supergraph),
  };
}

/** The checked-in supergraph over two subgraphs in this process that answer from `world`. */
export function createSmallGraph(world: SmallWorld): LiveSnapshot {
  const services: ServiceMap = {
    accounts: answering(subgraph("accounts", accountsResolvers(world)), () => {
      world.fetches.accounts++;
    }),
    ledger: answering(subgraph("ledger", ledgerResolvers(world)), async () => {
      world.fetches.ledger++;
      await world.gate;
      const code = world.failOnce;
      world.failOnce = undefined;
      if (code !== undefined) throw new GraphQLError("refused", { extensions: { code } });
      if (world.isLedgerDown) throw new GraphQLError("away", { extensions: { code: "TEMPORARILY_UNAVAILABLE" } });
    }),
  };
  return { ...graph, services };
}

const typeDefsOf = {
  accounts: parse(read("../../../subgraphs/accounts/schema.graphql")),
  ledger: parse(read("../../../subgraphs/ledger/schema.graphql")),
};

function subgraph(name: keyof typeof typeDefsOf, resolvers: Resolvers): GraphQLSchema {
  return buildSubgraphSchema({ typeDefs: typeDefsOf[name], resolvers });
}

function answering(schema: GraphQLSchema, before: () => void | Promise<void>): ServiceMap[string] {
  return {
    async process({ request, context }) {
      try {
        await before();
      } catch (error) {
        if (error instanceof GraphQLError) return { data: null, errors: [error] };
        throw error;
      }
      const answer = await execute({
        schema,
        document: parse(request.query ?? ""),
        variableValues: request.variables,
        contextValue: context,
      });
      // As from HTTP: plain JSON, without the prototypes of this process.
      return JSON.parse(JSON.stringify(answer));
    },
  };
}

const seesAccount = (world: SmallWorld, context: unknown, id: string): boolean =>
  world.owners.get(principalOf(context))?.has(id) ?? false;

function notFound(): never {
  throw new GraphQLError("not there", { extensions: { code: "NOT_FOUND" } });
}

function accountsResolvers(world: SmallWorld): Resolvers {
  const itemsOf = (owner: string) =>
    [...world.items].filter(([, item]) => item.owner === owner && item.isHidden !== true).map(([id]) => ({ id }));
  const mayRead = (owner: string, context: unknown): boolean =>
    principalOf(context) === owner || principalOf(context) === "usr_staff";
  return {
    Query: {
      virtualAccount: (_: unknown, { id }: { id?: string | null }, context: unknown) => {
        const owner = id?.replace("vac_", "usr_") ?? principalOf(context);
        if (!mayRead(owner, context)) return notFound();
        const items = itemsOf(owner);
        return items.length === 0 ? null : { id: owner.replace("usr_", "vac_"), items };
      },
      account: (_: unknown, { id }: { id: string }, context: unknown) =>
        seesAccount(world, context, id) ? { id } : notFound(),
    },
    LinkedItem: {
      __resolveReference({ id }: { id: string }, context: unknown) {
        const item = world.items.get(id);
        return item !== undefined && mayRead(item.owner, context) ? { id, status: item.status } : notFound();
      },
    },
    Account: {
      __resolveReference: ({ id }: { id: string }) => ({ id }),
      name: ({ id }: { id: string }) => `account ${id}`,
    },
  };
}

function ledgerResolvers(world: SmallWorld): Resolvers {
  const operation = (id: string, context: unknown) => {
    const found = world.operations.get(id);
    return found?.owner === principalOf(context) ? { id, status: found?.status } : notFound();
  };
  const money = ({ accountSeq }: { accountSeq: string }) => ({ amount: `${accountSeq}.00`, currency: "USD" });
  return {
    Query: { operation: (_: unknown, { id }: { id: string }, context: unknown) => operation(id, context) },
    Operation: {
      __resolveReference: ({ id }: { id: string }, context: unknown) => operation(id, context),
    },
    AccountBalance: {
      __resolveReference: (key: { accountSeq: string; account: { id: string } }, context: unknown) =>
        seesAccount(world, context, key.account.id) ? key : notFound(),
      available: money,
    },
    Transaction: {
      __resolveReference: ({ id }: { id: string }) => ({ id }),
      amount: () => ({ amount: "5.00", currency: "USD" }),
    },
  };
}
