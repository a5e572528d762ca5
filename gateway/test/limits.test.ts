import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { getIntrospectionQuery } from "graphql";
import { startGraph, type RunningGraph } from "./running-graph.js";

let graph: RunningGraph;
const ada = { authorization: "Bearer ada" };
beforeAll(async () => {
  graph = await startGraph({ introspection: false });
  await graph.post({ query: "{ me { id } }" }, ada); // compiles the path once, so that what is measured is the refusal
});
afterAll(() => graph.stop(1_000));

const times = (count: number, make: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => make(index)).join(" ");
const nested = (depth: number) => `{ me ${"{ accounts { edges { node ".repeat(depth)}{ id }${" } } }".repeat(depth)} }`;
const fragmentBomb = `query { ...f0 } ${times(30, (i) => `fragment f${i} on Query { ...f${i + 1} ... { ...f${i + 1} } }`)} fragment f30 on Query { me { id } }`;

describe("documents that cost too much are refused quickly, with a word about the bound", () => {
  test.each([
    ["deep", nested(5), "levels"],
    ["many aliases", `{ ${times(16, (i) => `a${i}: __typename`)} }`, "aliases"],
    [
      "many root fields",
      `{ ${times(11, (i) => `...F${i}`)} } ${times(11, (i) => `fragment F${i} on Query { me { id } }`)}`,
      "root fields",
    ],
    [
      "two mutations",
      'mutation { logout login(input: { identifier: "a", password: "b" }) { expiresIn } }',
      "mutation field",
    ],
    ["many directives", `{ me { id ${"@include(if: true) ".repeat(6)} } }`, "directives"],
    ["many tokens", `{ ${"me ".repeat(2_001)} }`, "tokens"],
    ["one field again and again", `{ me { ${"id ".repeat(1_900)} } }`, "same name"],
    ["nested fragments that double", fragmentBomb, "selections"],
    [
      "many rows",
      `{ accounts(first: 100) { edges { node { transactions(first: 100) { edges { node { id } } } } } } }`,
      "cost more",
    ],
  ])("%s", async (_name, query, word) => {
    const tookMs: number[] = [];
    let answer = await graph.post({ query }, ada);
    for (let attempt = 0; attempt < 3; attempt++) {
      const startedAt = performance.now();
      answer = await graph.post({ query }, ada);
      tookMs.push(performance.now() - startedAt);
    }
    const { status, json } = answer;
    expect(json.errors![0]!.message).toContain(word);
    expect([status, json.errors![0]!.extensions["code"], json.data]).toEqual([400, "COST_LIMIT", undefined]);
    expect(Math.min(...tookMs)).toBeLessThan(50); // the quickest: other tests share this machine
    expect((await graph.post({ query: "{ me { id } }" }, ada)).json.data).toEqual({ me: { id: "usr_ada" } });
  });

  test("the page size counts when it comes as a variable", async () => {
    const query =
      "query($n: Int) { accounts(first: 20) { edges { node { transactions(first: $n) { edges { node { id } } } } } } }";
    const large = await graph.post({ query, variables: { n: 100 } }, ada);
    expect(large.json.errors![0]!.extensions["code"]).toBe("COST_LIMIT");
    const small = await graph.post({ query, variables: { n: 20 } }, ada);
    expect(small.json.errors).toBeUndefined();
  });

  test("ten levels, fifteen aliases and ten root fields are still taken", async () => {
    const query = `{ ${times(10, (i) => `a${i}: balances { accountSeq }`)} }`;
    expect((await graph.post({ query }, ada)).json.errors).toBeUndefined();
  });
});

describe("without introspection", () => {
  test("the schema is not told", async () => {
    const { status, json } = await graph.post({ query: getIntrospectionQuery() }, ada);
    expect(status).toBe(400);
    expect(json.data).toBeUndefined();
  });

  test("names that nearly exist are not suggested", async () => {
    const { text } = await graph.post({ query: "{ accont }" }, ada);
    expect(text).toContain("GRAPHQL_VALIDATION_FAILED");
    expect(text).not.toContain("Did you mean");
  });
});

describe("requests that cannot be read", () => {
  test.each([
    ["a batch", JSON.stringify([{ query: "{ __typename }" }]), 400],
    ["no JSON", "{", 400],
    ["an empty object", "{}", 400],
    ["an array as query", '{"query":[]}', 400],
    ["variables as text", '{"query":"{ __typename }","variables":"{}"}', 400],
    ["a syntax error", '{"query":"{"}', 400],
    ["a persisted query", '{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}', 200],
    ["a name that is not there", '{"query":"query A { __typename }","operationName":"B"}', 400],
    ["a body above 100 kB", JSON.stringify({ query: "{ __typename }", padding: "x".repeat(102_400) }), 413],
    ["a subscription", '{"query":"subscription { operationUpdated(id: \\"x\\") { id } }"}', 400],
  ])("%s gives errors in the shape of GraphQL", async (_name, body, status) => {
    const answer = await graph.post(body, ada);
    expect(answer.status).toBe(status);
    expect(answer.json.errors!.length).toBeGreaterThan(0);
    expect(answer.json.data).toBeUndefined();
    expect(["BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED"]).toContain(answer.json.errors![0]!.extensions["code"]);
  });

  test("other content types are refused, and so is a GET that a form could send for a mutation", async () => {
    const url = `${graph.url}/graphql`;
    expect(
      (
        await fetch(url, {
          method: "POST",
          headers: { "content-type": "text/plain" },
          body: '{"query":"{ __typename }"}',
        })
      ).status,
    ).toBe(415);
    const headers = { "apollo-require-preflight": "1" };
    expect((await fetch(`${url}?query=${encodeURIComponent("mutation { logout }")}`, { headers })).status).toBe(405);
    expect((await fetch(`${url}?query=%7B__typename%7D`)).status).toBe(400);
    expect((await fetch(`${url}?query=%7B__typename%7D`, { headers })).status).toBe(200);
    expect((await fetch(url, { method: "DELETE" })).status).toBe(405);
  });
});

test.each([
  ["/", 200, "text/html"],
  ["/explorer", 200, "text/html"],
  ["/explorer.js", 200, "text/javascript"],
  ["/explorer.css", 200, "text/css"],
  ["/health/live", 200, "application/json"],
  ["/health/ready", 200, "application/json"],
  ["/metrics", 200, "text/plain"],
  ["/.well-known/jwks.json", 200, "application/json"],
  ["/nothing", 404, "application/json"],
])("GET %s answers %i and is not kept by caches", async (path, status, type) => {
  const response = await fetch(`${graph.url}${path}`);
  await response.text();
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toContain(type);
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
});
