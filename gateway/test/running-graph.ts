import { readFile } from "node:fs/promises";
import { composeServices } from "@apollo/composition";
import { AuthError, createSealer, type Viewer } from "@florin/auth";
import {
  connectService,
  connectSubgraph,
  createSubgraph,
  serveSubgraph,
  type ServedSubgraph,
  type Subgraph,
  type SubgraphContext,
} from "@florin/graph";
import { RequestError } from "@florin/kernel";
import { createLogger, createMetrics } from "@florin/telemetry";
import { parse } from "graphql";
import { startGateway, type RunningGateway } from "../src/index.js";

/** Rows that every test of the query path reads: two accounts, four transactions, canned by subgraph. */
export const viewers: Readonly<Record<string, Viewer>> = {
  ada: { principal: "usr_ada", roles: ["CUSTOMER"], scopes: [], sessionId: "ses_1", expiresAt: 4e9 },
  staff: {
    principal: "usr_st",
    roles: ["STAFF"],
    scopes: ["staff", "ledger:read"],
    sessionId: "ses_2",
    expiresAt: 4e9,
  },
};

export const seen = {
  representations: [] as number[],
  headers: [] as Readonly<Record<string, unknown>>[],
  queries: [] as string[],
  mutations: 0,
};

const money = (amount: string) => ({ amount, currency: "USD" });
const at = "2026-01-31T09:00:00.123456Z";
const account = (id: string) => ({ __typename: "Account", id });
const named = (id: string) => ({ id, name: `Account ${id}`, status: "OPEN", currency: "USD", parameters: {} });
const page = <Node extends { id: string }>(nodes: Node[]) => ({
  edges: nodes.map((node) => ({ cursor: node.id, node })),
  pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
  totalCount: null,
});
const balance = (id: string) => ({
  account: { id },
  ...{ available: money("10.00"), committed: money("10.00"), pendingIn: money("0.00"), pendingOut: money("0.00") },
  ...{ accountSeq: 4n, asOf: at },
});
const transaction = (id: string, accountId: string) => ({
  ...{ id, account: account(accountId), type: "DEPOSIT", direction: "CREDIT", amount: money("5.00") },
  ...{ status: "POSTED", valueAt: at, bookedAt: at, accountSeq: "1", batchId: "pib_1" },
});

const accountsResolvers = {
  Query: {
    me: (_s: unknown, _a: unknown, context: SubgraphContext) => ({ id: context.viewer!.principal }),
    accounts: () => page([named("a1"), named("a2")]),
    account: (_s: unknown, { id }: { id: string }) => {
      if (id === "foreign")
        throw new RequestError("NOT_FOUND", "No account with this id that you may see. Check the id.");
      if (id === "broken") throw new Error("canary: postgres://florin:hunter2@10.0.0.7/ledger relation app.secret");
      return named(id);
    },
  },
  User: { __resolveReference: (user: object) => user, fullName: () => "Ada", createdAt: () => at },
  Account: { __resolveReference: (reference: { id: string }) => named(reference.id) },
  Mutation: {
    login: (_s: unknown, { input }: { input: { identifier: string } }) => ({
      ...{ accessToken: `token-${input.identifier}`, refreshToken: "r", expiresIn: 600, user: { id: "usr_ada" } },
    }),
  },
};

const ledgerResolvers = {
  Query: {
    internalAccount: () => account("internal"),
    trialBalance: () => ({ isBalanced: true, at, knownAt: at, rows: [] }),
    balances: () => [balance("a1"), balance("a2")],
    operation: () => new Promise(() => undefined),
  },
  Account: {
    __resolveReference: (reference: object) => reference,
    balance: ({ id }: { id: string }) => balance(id),
    transactions: ({ id }: { id: string }) => page([transaction(`${id}-t1`, "a1"), transaction(`${id}-t2`, "a1")]),
  },
  Mutation: {
    deposit: (_s: unknown, _a: unknown, context: SubgraphContext) => {
      seen.mutations++;
      context.florin.idempotencyReplayed = true;
      context.florin.written = { ledger: "42" };
      return { operation: { id: "op_1", type: "DEPOSIT", status: "COMPLETED", stage: "DONE", createdAt: at } };
    },
  },
};

const complianceResolvers = {
  Query: { auditCheckpoint: () => null },
  User: { __resolveReference: () => ({ kyc: null }) },
};

function verifyViewer(token: string): Promise<Viewer> {
  const viewer = viewers[token];
  return viewer === undefined
    ? Promise.reject(new AuthError("EXPIRED", "The access token has expired. Refresh the session."))
    : Promise.resolve(viewer);
}

function recording(subgraph: Subgraph): Subgraph {
  return {
    name: subgraph.name,
    execute(request) {
      seen.queries.push(request.query);
      seen.headers.push({ subgraph: subgraph.name, ...request.headers });
      const representations = request.variables?.["representations"];
      if (Array.isArray(representations)) seen.representations.push(representations.length);
      return subgraph.execute(request);
    },
  };
}

export interface RunningGraph extends RunningGateway {
  readonly served: Readonly<Record<"accounts" | "ledger" | "compliance", ServedSubgraph>>;
  readonly logLines: readonly string[];
  post(body: unknown, headers?: Record<string, string>): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // The shape is what each test asserts.
  readonly json: {
    data?: Record<string, unknown> | null;
    errors?: { message: string; path?: unknown[]; extensions: Record<string, unknown> }[];
    extensions?: Record<string, unknown>;
  };
}

export const sealer = createSealer(new Uint8Array(32).fill(7));
const contractFiles = ["accounts", "compliance", "gateway", "ledger", "notifications", "payments", "portfolio"];

/** The whole contract composed; accounts, ledger and compliance served over HTTP with canned rows; the gateway before them. */
export async function startGraph(options: { readonly introspection: boolean }): Promise<RunningGraph> {
  const logLines: string[] = [];
  const logger = createLogger({
    name: "test",
    level: "debug",
    destination: { write: (line) => void logLines.push(line) },
  });
  const texts = await Promise.all(
    contractFiles.map((name) => readFile(new URL(`../../schema/contract/${name}.graphql`, import.meta.url), "utf8")),
  );
  const composed = composeServices(
    contractFiles.map((name, index) => ({ name, url: `florin://${name}`, typeDefs: parse(texts[index]!) })),
  );
  if (composed.supergraphSdl === undefined) throw new Error(composed.errors.map((error) => error.message).join("\n"));

  const serve = (name: string, resolvers: object) => {
    const verifyServiceToken = (token: string) =>
      token === `service-for-${name}` ? Promise.resolve() : Promise.reject(new Error("not a service"));
    const typeDefs = texts[contractFiles.indexOf(name)]!;
    const buildContext = (base: SubgraphContext) => base;
    const subgraph = createSubgraph({
      name,
      typeDefs,
      resolvers,
      verifyServiceToken,
      verifyViewer,
      buildContext,
      logger,
    });
    return serveSubgraph(subgraph, {
      ...{ host: "127.0.0.1", port: 0, callers: ["gateway"], logger },
      verifyCaller: async (token) => verifyServiceToken(token).then(() => "gateway"),
    });
  };
  const served = {
    accounts: await serve("accounts", accountsResolvers),
    ledger: await serve("ledger", ledgerResolvers),
    compliance: await serve("compliance", complianceResolvers),
  };
  const connected = Object.entries(served).map(([name, { url }]) => [
    name,
    recording(connectSubgraph(connectService({ name, urls: [url] }))),
  ]);
  const gateway = await startGateway({
    ...{ host: "127.0.0.1", port: 0, supergraph: composed.supergraphSdl, introspection: options.introspection },
    subgraphs: Object.fromEntries(connected) as Record<string, Subgraph>,
    serviceTokens: { tokenFor: (audience) => Promise.resolve(`service-for-${audience}`) },
    verifyViewer,
    exchangeApiKey: (key) =>
      key === "florin_sk_good"
        ? Promise.resolve({ accessToken: "staff", expiresInSeconds: 600 })
        : Promise.reject(new RequestError("UNAUTHENTICATED", "unknown")),
    jwks: () => Promise.resolve({ keys: [] }),
    ...{ sealer, logger, metrics: createMetrics({ processMetrics: false }) },
    readiness: () => Promise.resolve({ isReady: true }),
    landingPage: "<h1>Florin</h1>",
  });
  return {
    ...gateway,
    served,
    logLines,
    async post(body, headers = {}) {
      const response = await fetch(`${gateway.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, json: JSON.parse(text) as Answer["json"] };
    },
    async stop(deadlineMs) {
      await gateway.stop(deadlineMs);
      await Promise.all(Object.values(served).map((subgraph) => subgraph.stop(deadlineMs)));
    },
  };
}
