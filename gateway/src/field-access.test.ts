import { describe, expect, test } from "@jest/globals";
import type { Viewer } from "@florin/auth";
import { findRequirements } from "@florin/graph";
import { buildASTSchema, executeSync, getOperationAST, Kind, parse, print, type FragmentDefinitionNode } from "graphql";
import { keepReadableFields, restoreDeniedFields } from "./field-access.js";

const schema = buildASTSchema(
  parse(`
    directive @authenticated on FIELD_DEFINITION | OBJECT
    directive @requiresScopes(scopes: [[String!]!]!) on FIELD_DEFINITION | OBJECT
    interface Named { name: String! }
    type Person implements Named { name: String! salary: Int! @requiresScopes(scopes: [["hr"], ["a", "b"]]) nickname: String @authenticated }
    type Dog implements Named { name: String! }
    type Query { person: Person people: [Person!]! loose: [Person]! named: [Named!]! always: Person! }
  `),
);
const ann = { __typename: "Person", name: "Ann", salary: 5, nickname: "A" };
const rex = { __typename: "Dog", name: "Rex" };
const rows = { person: ann, people: [ann, ann], loose: [ann], named: [ann, rex], always: ann };

function run(query: string, viewer: Viewer | undefined) {
  const document = parse(query);
  const readable = keepReadableFields(schema, findRequirements(schema), document, viewer);
  const result = executeSync({ schema, document: readable.document, rootValue: rows });
  const fragments: Record<string, FragmentDefinitionNode> = {};
  for (const node of document.definitions)
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments[node.name.value] = node;
  const operation = getOperationAST(document)!;
  const data = JSON.parse(JSON.stringify(result.data)) as Record<string, unknown>;
  const restored = restoreDeniedFields(
    { schema, operation, fragments, variables: {}, denials: readable.denials },
    data,
  );
  return {
    sent: print(readable.document),
    data: restored.data,
    paths: restored.errors.map((error) => error.path?.join(".")),
  };
}

const someone = (...scopes: string[]): Viewer => ({
  ...{ principal: "usr_1", roles: ["CUSTOMER"], scopes, sessionId: undefined, expiresAt: 4e9 },
});

describe("fields that a viewer may not see", () => {
  test("become null with an error at their path, and are not asked for", () => {
    const { sent, data, paths } = run("{ person { name nick: nickname } }", undefined);
    expect(sent).not.toContain("nickname");
    expect(data).toEqual({ person: { name: "Ann", nick: null } });
    expect(paths).toEqual(["person.nick"]);
  });

  test.each([
    ["to a nullable field", "{ person { salary } }", { person: null }, ["person.salary"]],
    ["through a list of non-null items to the root", "{ people { name salary } }", null, ["people.0.salary"]],
    ["to a nullable item of a list", "{ loose { salary } }", { loose: [null] }, ["loose.0.salary"]],
    [
      "through a non-null field to the root",
      "{ always { ...S } } fragment S on Person { x: salary }",
      null,
      ["always.x"],
    ],
  ])("let the null rise %s when they are not nullable", (_where, query, data, paths) => {
    expect(run(query, someone())).toMatchObject({ data, paths });
  });

  test("are told apart by the type that an interface turns out to be", () => {
    const query = "{ named { name ... on Person { nickname } } }";
    expect(run(query, undefined)).toMatchObject({
      data: { named: [{ name: "Ann", nickname: null }, { name: "Rex" }] },
      paths: ["named.0.nickname"],
    });
  });

  test("stay when they are skipped", () => {
    expect(run("{ person { name salary @skip(if: true) } }", undefined)).toMatchObject({
      data: { person: { name: "Ann" } },
      paths: [],
    });
  });

  test.each([
    [["hr"], 5],
    [["a", "b"], 5],
    [["a"], undefined],
  ])("scopes %j are an OR of ANDs", (scopes, salary) => {
    const { data } = run("{ person { salary } }", someone(...scopes));
    expect(data).toEqual({ person: salary === undefined ? null : { salary } });
  });
});
