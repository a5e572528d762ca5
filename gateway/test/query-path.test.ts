import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { connectService, connectSubgraph } from "@florin/graph";
import { sealer, seen, startGraph, type RunningGraph } from "./running-graph.js";

let graph: RunningGraph;
beforeAll(async () => {
  graph = await startGraph({ introspection: true });
});
afterAll(() => graph.stop(1_000));
beforeEach(() => {
  seen.headers.length = seen.queries.length = seen.representations.length = 0;
});

const ada = { authorization: "Bearer ada" };
const staff = { authorization: "Bearer staff" };
const edges = (fields: string) => `{ edges { node { ${fields} } } }`;

describe("the whole contract with three subgraphs over HTTP", () => {
  test.each([
    ["{ me { id fullName } }", { me: { id: "usr_ada", fullName: "Ada" } }],
    ['{ account(id: "a1") { id name status } }', { account: { id: "a1", name: "Account a1", status: "OPEN" } }],
    [
      '{ account(id: "a1") { name balance { available { amount currency } } } }',
      { account: { name: "Account a1", balance: { available: { amount: "10.00", currency: "USD" } } } },
    ],
    [
      `{ accounts ${edges("id balance { accountSeq asOf }")} }`,
      {
        accounts: {
          edges: ["a1", "a2"].map((id) => ({
            node: { id, balance: { accountSeq: "4", asOf: "2026-01-31T09:00:00.123456Z" } },
          })),
        },
      },
    ],
    [
      "{ balances { account { name } available { amount } } }",
      { balances: ["a1", "a2"].map((id) => ({ account: { name: `Account ${id}` }, available: { amount: "10.00" } })) },
    ],
    [
      'query Q { a: account(id: "a1") { ...F } b: account(id: "a2") { ...F } } fragment F on Account { id }',
      { a: { id: "a1" }, b: { id: "a2" } },
    ],
    [
      '{ account(id: "a1") { id @skip(if: true) ... @include(if: true) { name } } }',
      { account: { name: "Account a1" } },
    ],
    ['{ account(id: "a1") { __typename parameters } }', { account: { __typename: "Account", parameters: {} } }],
    ["{ me { id kyc { status } } }", { me: { id: "usr_ada", kyc: null } }],
    ["{ __typename }", { __typename: "Query" }],
    [
      'mutation { login(input: { identifier: "x", password: "y" }) { accessToken user { id } } }',
      { login: { accessToken: "token-x", user: { id: "usr_ada" } } },
    ],
  ])("answers %s", async (query, data) => {
    const { status, json } = await graph.post({ query }, ada);
    expect(json.errors).toBeUndefined();
    expect({ status, data: json.data }).toEqual({ status: 200, data });
  });

  test("asks for each entity once, however many rows point at it", async () => {
    const rows = edges("account { name }");
    const { json } = await graph.post({ query: `{ accounts { edges { node { transactions ${rows} } } } }` }, ada);
    const names = JSON.stringify(json.data).match(/Account a1/g);
    expect(names).toHaveLength(4);
    expect(seen.representations.at(-1)).toBe(1);
  });

  test("hands service token, viewer token, correlation id and deadline to every subgraph", async () => {
    await graph.post(
      { query: '{ account(id: "a1") { balance { accountSeq } } }' },
      { ...ada, "x-correlation-id": "cor-12345" },
    );
    expect(seen.headers.map((headers) => headers["subgraph"])).toEqual(["accounts", "ledger"]);
    expect(seen.headers[1]).toMatchObject({
      authorization: "Bearer service-for-ledger",
      "x-florin-viewer": "ada",
      "x-correlation-id": "cor-12345",
    });
    expect(Number(seen.headers[0]!["x-deadline-ms"])).toBeLessThanOrEqual(2_000);
  });

  test("tells a write's replay and position, and takes the position back on a read", async () => {
    const query = `mutation { deposit(input: { accountId: "a1", amount: { amount: "1.00", currency: "USD" }, idempotencyKey: "k" }) { operation { id status } } }`;
    const { json, headers } = await graph.post({ query }, ada);
    expect(json.data).toEqual({ deposit: { operation: { id: "op_1", status: "COMPLETED" } } });
    expect(json.extensions).toMatchObject({ idempotencyReplayed: true });
    expect(json.extensions!["correlationId"]).toBe(headers.get("x-correlation-id"));
    const token = json.extensions!["consistencyToken"] as string;
    expect(sealer.open("consistency", token)).toBe("ledger=42");
    await graph.post({ query: "{ balances { accountSeq } }" }, { ...ada, "x-consistency-token": token });
    expect(seen.headers.at(-1)).toMatchObject({ "x-consistency-token": "ledger=42" });
    const forged = await graph.post(
      { query: "{ balances { accountSeq } }" },
      { ...ada, "x-consistency-token": `${token}x` },
    );
    expect([forged.status, forged.json.errors![0]!.extensions["code"]]).toEqual([400, "BAD_USER_INPUT"]);
  });

  test.each([
    ["hangs", '{ operation(id: "op_1") { id } me { fullName } }', { operation: null, me: { fullName: "Ada" } }],
    ["is not there", '{ transfer(id: "t") { id } me { fullName } }', { transfer: null, me: { fullName: "Ada" } }],
  ])("answers the rest when one subgraph %s", async (_what, query, data) => {
    const { json } = await graph.post({ query }, ada);
    expect(json.data).toEqual(data);
    expect(json.errors!.map((error) => error.extensions["code"])).toEqual(["TEMPORARILY_UNAVAILABLE"]);
    expect(json.errors![0]!.extensions["retryAfterMs"]).toBeGreaterThan(0);
  });
});

describe("authorization directives", () => {
  test.each([
    ["{ x: trialBalance { isBalanced } me { id } }", null],
    [
      '{ internalAccount(code: "CASH_IN", currency: "USD") { id } me { id } }',
      { internalAccount: null, me: { id: "usr_ada" } },
    ],
    [
      'query { ...A me { id } } fragment A on Query { y: internalAccount(code: "X", currency: "USD") { id } }',
      { y: null, me: { id: "usr_ada" } },
    ],
    ['{ ... on Query { ... { internalAccount(code: "X", currency: "USD") { id } } } }', { internalAccount: null }],
  ])("null a field without its scope and never fetch it: %s", async (query, data) => {
    const { json } = await graph.post({ query }, ada);
    expect(json.data).toEqual(data);
    expect(json.errors!.map((error) => error.extensions["code"])).toEqual(["FORBIDDEN"]);
    expect(seen.queries.join()).not.toMatch(/internalAccount|trialBalance/);
    const allowed = await graph.post({ query }, staff);
    expect(allowed.json.errors).toBeUndefined();
  });

  test("a field that is skipped by a variable is no error", async () => {
    const query = 'query($s: Boolean!) { internalAccount(code: "X", currency: "USD") @skip(if: $s) { id } me { id } }';
    const { json } = await graph.post({ query, variables: { s: true } }, ada);
    expect(json).toMatchObject({ data: { me: { id: "usr_ada" } } });
    expect(json.errors).toBeUndefined();
  });

  test("nobody's mutation is not run", async () => {
    const before = seen.mutations;
    const query = `mutation { deposit(input: { accountId: "a1", amount: { amount: "1.00", currency: "USD" }, idempotencyKey: "k" }) { operation { id } } }`;
    const { json } = await graph.post({ query });
    expect(json.data).toBeNull();
    expect(json.errors![0]).toMatchObject({ path: ["deposit"], extensions: { code: "UNAUTHENTICATED" } });
    expect(seen.mutations).toBe(before);
  });

  test.each(["{ _service { sdl } }", "{ _entities(representations: []) { __typename } }"])(
    "the public graph has no %s",
    async (query) => {
      const { status, json } = await graph.post({ query }, staff);
      expect([status, json.errors![0]!.extensions["code"]]).toEqual([400, "GRAPHQL_VALIDATION_FAILED"]);
    },
  );

  test("a subgraph asked directly refuses by itself", async () => {
    const ledger = connectSubgraph(connectService({ name: "ledger", urls: [graph.served.ledger.url] }));
    const query = "{ trialBalance { isBalanced } }";
    const base = { "x-correlation-id": "c", "x-florin-viewer": "ada" };
    const stranger = await ledger.execute({ query, headers: { ...base, authorization: "Bearer ada" } });
    expect(stranger).toMatchObject({ errors: [{ extensions: { code: "SERVICE_UNAUTHENTICATED" } }] });
    const service = await ledger.execute({ query, headers: { ...base, authorization: "Bearer service-for-ledger" } });
    expect(service.errors?.[0]?.extensions?.["code"]).toBe("FORBIDDEN");
  });

  test.each(["Bearer gone", "Bearer ", "Basic YTpi", "Bearer florin_sk_unknown"])(
    "a credential that does not hold is 401: %s",
    async (authorization) => {
      const { status, json, headers } = await graph.post({ query: "{ __typename }" }, { authorization });
      expect([status, json.errors![0]!.extensions["code"]]).toEqual([401, "UNAUTHENTICATED"]);
      expect(json.errors![0]!.extensions["correlationId"]).toBe(headers.get("x-correlation-id"));
      expect(json.extensions!["correlationId"]).toBe(headers.get("x-correlation-id"));
    },
  );

  test("an API key works in either header", async () => {
    const query = 'query { internalAccount(code: "CASH_IN", currency: "USD") { id } }';
    const forms: Record<string, string>[] = [
      { "x-api-key": "florin_sk_good" },
      { authorization: "Bearer florin_sk_good" },
    ];
    for (const headers of forms)
      expect((await graph.post({ query }, headers)).json.data).toEqual({ internalAccount: { id: "internal" } });
  });
});

describe("errors", () => {
  test("what was not meant for clients stays inside, whole in the log", async () => {
    const { text, json } = await graph.post({ query: '{ account(id: "broken") { id } }' }, ada);
    expect(text).not.toMatch(/canary|hunter2|10\.0\.0\.7|stack|serviceName|accounts"/);
    expect(json.errors![0]).toMatchObject({ path: ["account"], extensions: { code: "INTERNAL" } });
    expect(json.errors![0]!.extensions["correlationId"]).toBe(json.extensions!["correlationId"]);
    expect(graph.logLines.join()).toContain("a resolver failed");
  });

  test("what was meant for clients arrives with its code", async () => {
    const { json } = await graph.post({ query: '{ account(id: "foreign") { id } }' }, ada);
    expect(json.data).toEqual({ account: null });
    expect(json.errors![0]).toMatchObject({
      message: expect.stringContaining("Check the id"),
      extensions: { code: "NOT_FOUND" },
    });
  });

  test("faulty variables are told by field, without their values", async () => {
    const query = "mutation D($input: DepositInput!) { deposit(input: $input) { operation { id } } }";
    const input = { accountId: "a1", amount: { amount: 12.5, currency: "canary" }, idempotencyKey: "k" };
    const { status, json, text } = await graph.post({ query, variables: { input } }, ada);
    expect([status, json.errors![0]!.extensions["code"]]).toEqual([400, "BAD_USER_INPUT"]);
    expect(json.errors![0]!.extensions["fields"]).toEqual([
      expect.objectContaining({ path: "input.amount.amount", code: "AMOUNT_FORMAT" }),
      expect.objectContaining({ path: "input.amount.currency", code: "CURRENCY_UNKNOWN" }),
    ]);
    expect(text).not.toContain("canary");
  });
});
