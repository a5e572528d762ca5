import { readFileSync } from "node:fs";
import {
  Kind,
  parse,
  print,
  type DefinitionNode,
  type FieldDefinitionNode,
  type InputValueDefinitionNode,
} from "graphql";

// The public graph is a contract (schema/contract): what a subgraph ships may be less than it for now, and later more, but
// what it ships of it has exactly the contract's names, types and arguments.

type Member = FieldDefinitionNode | InputValueDefinitionNode;

function read(path: string): Map<string, Map<string, string>> {
  const document = parse(readFileSync(new URL(`../${path}`, import.meta.url), "utf8"));
  const types = new Map<string, Map<string, string>>();
  for (const definition of document.definitions) {
    const name = nameOf(definition);
    if (name !== undefined) types.set(name, new Map([...(types.get(name) ?? []), ...membersOf(definition)]));
  }
  return types;
}

function nameOf(definition: DefinitionNode): string | undefined {
  return "name" in definition ? definition.name?.value : undefined;
}

function membersOf(definition: DefinitionNode): [string, string][] {
  if ("values" in definition) return (definition.values ?? []).map((value) => [value.name.value, "enum value"]);
  if (!("fields" in definition)) return [];
  return ((definition.fields ?? []) as readonly Member[]).map((field) => [field.name.value, signature(field)]);
}

function signature(field: Member): string {
  const inputs = field.kind === Kind.FIELD_DEFINITION ? (field.arguments ?? []) : [];
  const args = inputs.map((argument) => `${argument.name.value}: ${print(argument.type)}`).sort();
  const auth = (field.directives ?? []).filter((directive) =>
    ["authenticated", "requiresScopes"].includes(directive.name.value),
  );
  return `(${args.join(", ")}): ${print(field.type)} ${auth.map(print).sort().join(" ")}`;
}

describe.each([
  ["accounts", "subgraphs/accounts/schema.graphql", "schema/contract/accounts.graphql"],
  ["ledger", "subgraphs/ledger/schema.graphql", "schema/contract/ledger.graphql"],
  ["portfolio", "subgraphs/portfolio/schema.graphql", "schema/contract/portfolio.graphql"],
  ["the gateway's virtual subgraph", "gateway/schema.graphql", "schema/contract/gateway.graphql"],
])("the schema of %s", (_area, ours, contract) => {
  const shipped = read(ours);
  const promised = read(contract);

  it("ships something of the contract", () => {
    expect(shipped.size).toBeGreaterThan(3);
  });

  it.each([...shipped.keys()])("has %s exactly as the contract has it", (type) => {
    const expected = promised.get(type);
    expect(expected).toBeDefined();
    for (const [member, text] of shipped.get(type) ?? [])
      expect(`${member}${text}`).toBe(`${member}${expected?.get(member)}`);
  });
});
