/**
 * Plaid's bodies, checked against what the `plaid` package itself publishes. Two passes: the schema as it is, open to members that
 * it does not name, as Plaid's are; and the strict one, in which an object has the members of its type and no other at any
 * depth. The simulator must pass both: what it invents, an application would come to rely on.
 *
 * The schemas are made from plaid's own .d.ts at test time (a few seconds) and kept in the system's directory for
 * temporary files under a name that is the hash of all they depend on.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv, type ErrorObject, type SchemaObject, type ValidateFunction } from "ajv";

/** One way in which a body differs from its type; `keyword` is that of JSON Schema (`enum`, `required`, `type`, …). */
export interface SchemaProblem {
  /** Where, with numbers of lists as `*`, so that the same slip in many rows reads as one. */
  readonly path: string;
  readonly keyword: string;
  readonly says: string;
}

export interface PlaidSchemas {
  /** The names of all types that have a schema. */
  readonly names: readonly string[];
  /** What Plaid's own readers would object to. */
  problems(type: string, body: unknown): SchemaProblem[];
  /** And what is in the body without being in the type. */
  strictProblems(type: string, body: unknown): SchemaProblem[];
}

const here = dirname(fileURLToPath(import.meta.url));

export function loadPlaidSchemas(): PlaidSchemas {
  const definitions = readDefinitions();
  const open = validators(definitions);
  const closed = validators(withoutOtherMembers(definitions));
  return {
    names: Object.keys(definitions),
    problems: (type, body) => problemsOf(open(type), body),
    strictProblems: (type, body) => problemsOf(closed(type), body),
  };
}

type Definitions = Record<string, SchemaObject>;

function readDefinitions(): Definitions {
  const require = createRequire(import.meta.url);
  const types = join(dirname(require.resolve("plaid/package.json")), "dist", "api.d.ts");
  const generator = join(here, "generate-plaid-schemas.mjs");
  const hash = createHash("sha256");
  for (const source of [types, generator, require.resolve("ts-json-schema-generator/package.json")]) {
    hash.update(readFileSync(source));
  }
  const kept = join(tmpdir(), `florin-plaid-schemas-${hash.digest("hex").slice(0, 32)}.json`);
  if (!existsSync(kept))
    execFileSync(process.execPath, [generator, types, kept], { timeout: 120_000, stdio: "inherit" });
  const { definitions }: { definitions: Definitions } = JSON.parse(readFileSync(kept, "utf8"));
  return definitions;
}

/** Every object that names its members may have no others; maps, which name none, stay open. */
function withoutOtherMembers<T>(schema: T): T {
  if (Array.isArray(schema)) return schema.map(withoutOtherMembers) as T;
  if (typeof schema !== "object" || schema === null) return schema;
  const closed = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, withoutOtherMembers(value)]));
  const namesMembers = "properties" in schema && typeof schema.properties === "object" && "type" in schema;
  return (namesMembers ? { ...closed, additionalProperties: false } : closed) as T;
}

function validators(definitions: Definitions): (type: string) => ValidateFunction {
  const ajv = new Ajv({ allErrors: true, strict: false });
  ajv.addSchema({ $id: "plaid", definitions });
  return (type) => {
    const validate = ajv.getSchema(`plaid#/definitions/${type}`);
    if (validate === undefined) throw new Error(`plaid has no type ${type}: add it to generate-plaid-schemas.mjs`);
    return validate;
  };
}

function problemsOf(validate: ValidateFunction, body: unknown): SchemaProblem[] {
  if (validate(body) === true) return [];
  const problems = new Map<string, SchemaProblem>();
  for (const error of validate.errors ?? []) {
    const problem = toProblem(error);
    problems.set(JSON.stringify(problem), problem);
  }
  // "This or null" failed: what is wrong with this is news, that it is not null is none.
  const told = [...problems.values()];
  const news = told.filter(({ keyword, says }) => keyword !== "anyOf" && says !== "must be null");
  return news.length > 0 ? news : told;
}

function toProblem({ instancePath, keyword, message = "", params }: ErrorObject): SchemaProblem {
  const path = instancePath.replace(/\/\d+(?=\/|$)/g, "/*");
  const other: unknown = params["additionalProperty"];
  return { path, keyword, says: typeof other === "string" ? `${message}: ${other}` : message };
}
