import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Viewer } from "@florin/auth";
import { RequestError, parseInstant } from "@florin/kernel";
import {
  connectService,
  connectSubgraph,
  createSubgraph,
  serveSubgraph,
  type ServedSubgraph,
  type Subgraph,
  type SubgraphContext,
  type SubgraphHeaders,
} from "../src/index.js";

const typeDefs = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@authenticated", "@requiresScopes"])
  scalar Decimal
  scalar DateTime
  type Query {
    open: String
    mine: String @authenticated
    staffOnly: String @requiresScopes(scopes: [["staff"], ["a", "b"]])
    echo(amount: Decimal!): Decimal
    at(time: DateTime!): DateTime
    never: String
    refused: String
    broken: String
    vault: Vault
  }
  type Mutation { pay(input: PayInput!): String }
  input PayInput { amount: Decimal! secret: String! }
  type Vault @key(fields: "id") @authenticated @requiresScopes(scopes: [["staff"]]) { id: ID! gold: Decimal }
`;
let vaultReads = 0;
const resolvers = {
  Query: {
    open: () => "open",
    mine: (_source: unknown, _args: unknown, context: SubgraphContext) => context.viewer!.principal,
    staffOnly: () => "staff",
    echo: (_source: unknown, args: { amount: string }) => args.amount,
    at: (_source: unknown, args: { time: bigint }) => args.time,
    never: () => new Promise(() => undefined),
    refused: () => {
      throw new RequestError("RATE_LIMITED", "Too many.", { retryAfterMs: 5 });
    },
    broken: () => {
      throw new Error("password=canary");
    },
    vault: () => {
      vaultReads++;
      return { id: "1" };
    },
  },
  Mutation: {
    pay: (_source: unknown, _args: unknown, context: SubgraphContext) => {
      context.florin.idempotencyReplayed = true;
      context.florin.written = { ledger: "7" };
      return "paid";
    },
  },
  Vault: { __resolveReference: (reference: object) => reference, gold: () => "12.5" },
};
const viewers: Record<string, Viewer> = {
  ada: { principal: "usr_ada", roles: ["CUSTOMER"], scopes: [], sessionId: "s", expiresAt: 9e9 },
  staff: { principal: "usr_staff", roles: ["STAFF"], scopes: ["staff"], sessionId: "s", expiresAt: 9e9 },
};
const logged: unknown[] = [];
const logger = { error: (details: object) => void logged.push(details) };
const subgraph = createSubgraph({
  name: "vaults",
  typeDefs,
  resolvers,
  verifyServiceToken: (token) => (token === "service" ? Promise.resolve() : Promise.reject(new Error("no"))),
  verifyViewer: (token) => (viewers[token] ? Promise.resolve(viewers[token]) : Promise.reject(new Error("no"))),
  buildContext: (base) => ({ ...base }),
  logger,
});
const headers = (viewer?: string, more: Partial<SubgraphHeaders> = {}): SubgraphHeaders => ({
  authorization: "Bearer service",
  "x-correlation-id": "cor-1",
  "x-florin-viewer": viewer,
  ...more,
});

let served: ServedSubgraph;
let overHttp: Subgraph;
beforeAll(async () => {
  served = await serveSubgraph(subgraph, {
    ...{ host: "127.0.0.1", port: 0, callers: ["gateway"], logger },
    verifyCaller: (token) => (token === "service" ? Promise.resolve("gateway") : Promise.reject(new Error("no"))),
  });
  overHttp = connectSubgraph(connectService({ name: "vaults", urls: [served.url] }));
});
afterAll(() => served.stop(1_000));

describe.each([
  ["in process", () => subgraph],
  ["over HTTP", () => overHttp],
])("a subgraph %s", (_name, the) => {
  test.each(["{ open }", "{ _service { sdl } }", "{ __schema { types { name } } }"])(
    "answers nothing without a service token: %s",
    async (query) => {
      const answer = await the().execute({ query, headers: headers("staff", { authorization: "Bearer stolen" }) });
      expect(answer.data).toBeUndefined();
      expect(answer.errors?.[0]?.extensions?.["code"]).toBe("SERVICE_UNAUTHENTICATED");
    },
  );

  test("nulls a field that the viewer may not see and answers the rest", async () => {
    const answer = await the().execute({ query: "{ open mine staffOnly }", headers: headers() });
    expect(answer.data).toEqual({ open: "open", mine: null, staffOnly: null });
    expect(answer.errors?.map((error) => [error.path, error.extensions?.["code"]])).toEqual([
      [["mine"], "UNAUTHENTICATED"],
      [["staffOnly"], "UNAUTHENTICATED"],
    ]);
    const ada = await the().execute({ query: "{ mine staffOnly }", headers: headers("ada") });
    expect(ada.data).toEqual({ mine: "usr_ada", staffOnly: null });
    expect(ada.errors?.[0]?.extensions?.["code"]).toBe("FORBIDDEN");
  });

  test("keeps a guarded type behind its scope through _entities, aliases and fragments alike", async () => {
    const query = `query($r: [_Any!]!) { _entities(representations: $r) { ...F } } fragment F on Vault { other: gold }`;
    const request = { query, variables: { r: [{ __typename: "Vault", id: "1" }] } };
    const ada = await the().execute({ ...request, headers: headers("ada") });
    expect(ada.data).toEqual({ _entities: [{ other: null }] });
    expect(ada.errors?.[0]?.extensions?.["code"]).toBe("FORBIDDEN");
    const staff = await the().execute({ ...request, headers: headers("staff") });
    expect(staff.data).toEqual({ _entities: [{ other: "12.5" }] });
  });

  test("does not run a resolver whose result the viewer may not see", async () => {
    const before = vaultReads;
    await the().execute({ query: "{ vault { id } }", headers: headers("ada") });
    expect(vaultReads).toBe(before);
  });

  test("refuses a viewer token that does not verify", async () => {
    const answer = await the().execute({ query: "{ open }", headers: headers("forged") });
    expect(answer.data).toBeUndefined();
    expect(answer.errors?.[0]?.extensions?.["code"]).toBe("UNAUTHENTICATED");
  });

  test.each(["12.5", 12.5, "1e3", "01", "", null])(
    "takes decimals as strings of the grammar only: %j",
    async (amount) => {
      const answer = await the().execute({
        query: "query($a: Decimal!) { echo(amount: $a) }",
        variables: { a: amount },
        headers: headers(),
      });
      if (amount === "12.5") expect(answer.data).toEqual({ echo: "12.5" });
      else expect(answer.errors?.[0]?.extensions?.["code"]).toBe("BAD_USER_INPUT");
    },
  );

  test.each(["{ echo(amount: 12.5) }", "{ echo(amount: 12) }"])("refuses number literals: %s", async (query) => {
    const answer = await the().execute({ query, headers: headers() });
    expect(answer.data).toBeUndefined();
    expect(answer.errors?.[0]?.message).toContain('Send a string such as "12.50"');
  });

  test("names each faulty field of the input and never repeats its value", async () => {
    const answer = await the().execute({
      query: "mutation($input: PayInput!) { pay(input: $input) }",
      variables: { input: { amount: 5, secret: { hidden: "canary" } } },
      headers: headers(),
    });
    expect(answer.errors?.[0]?.extensions?.["fields"]).toEqual([
      expect.objectContaining({ path: "input.amount", code: "AMOUNT_FORMAT" }),
      expect.objectContaining({ path: "input.secret", code: "TYPE_MISMATCH" }),
    ]);
    expect(JSON.stringify(answer)).not.toContain("canary");
  });

  test("keeps microseconds of a DateTime", async () => {
    const time = "2026-01-31T09:00:00.123456Z";
    const answer = await the().execute({
      query: "query($t: DateTime!) { at(time: $t) }",
      variables: { t: time },
      headers: headers(),
    });
    expect(answer.data).toEqual({ at: time });
    expect(parseInstant(time)! % 1_000_000n).toBe(123456n);
  });

  test("stops waiting when the caller's budget is spent", async () => {
    const answer = the().execute({ query: "{ never }", headers: headers(undefined, { "x-deadline-ms": "50" }) });
    const code = await answer.then(
      (response) => response.errors?.[0]?.extensions?.["code"],
      (error: RequestError) => error.code,
    );
    expect(code).toBe("TEMPORARILY_UNAVAILABLE");
  });

  test("tells request errors by code and hides unexpected ones behind the correlation id", async () => {
    const answer = await the().execute({ query: "{ refused broken }", headers: headers() });
    expect(answer.errors?.[0]?.extensions).toEqual({ code: "RATE_LIMITED", retryAfterMs: 5 });
    expect(answer.errors?.[1]?.extensions).toEqual({ code: "INTERNAL", correlationId: "cor-1" });
    expect(JSON.stringify(answer)).not.toContain("canary");
    expect(logged.length).toBeGreaterThan(0);
  });

  test("carries what a mutation wrote beside the data", async () => {
    const answer = await the().execute({
      query: 'mutation { pay(input: { amount: "1", secret: "" }) }',
      headers: headers(),
    });
    expect(answer.extensions?.florin).toEqual({ idempotencyReplayed: true, written: { ledger: "7" } });
  });
});

test("refuses bodies above 1 MB and anything but POST /graphql, and without a service token says nothing at all", async () => {
  const authorization = "Bearer service";
  const ask = (path: string, init: RequestInit = {}) => fetch(`${served.url}${path}`, init);
  const tooLarge = await ask("/graphql", { method: "POST", body: "x".repeat(1_048_577), headers: { authorization } });
  expect(tooLarge.status).toBe(413);
  expect((await ask("/graphql", { headers: { authorization } })).status).toBe(405);
  expect((await ask("/elsewhere", { headers: { authorization } })).status).toBe(404);
  expect((await ask("/health/ready")).status).toBe(200);
  for (const path of ["/graphql", "/elsewhere", "/metrics", "/"]) {
    expect((await ask(path)).status).toBe(401);
    expect((await ask(path, { headers: { authorization: "Bearer stolen" } })).status).toBe(401);
  }
});

test("a subgraph that is not there is TEMPORARILY_UNAVAILABLE", async () => {
  const gone = connectSubgraph(connectService({ name: "gone", urls: ["http://127.0.0.1:1"] }));
  await expect(gone.execute({ query: "{ open }", headers: headers() })).rejects.toMatchObject({
    code: "TEMPORARILY_UNAVAILABLE",
  });
});
