// Proves the architecture rules, then proves the rules still bite.
// A checker that silently reads nothing passes for ever: dependency-cruiser under a TypeScript 7 `typescript` package
// reports "0 modules, no violations" and exits 0. So every rule carries a fault that it must catch.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rmSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const roots = ["gateway", "subgraphs", "packages", "apps"];
const faults = [
  ["core-is-pure", "packages/kernel/src/fault.ts", 'import "node:fs";'],
  ["core-imports-nobody", "packages/kernel/src/fault.ts", 'import "@florin/db";'],
  ["verifier-stands-alone", "packages/audit/src/fault.ts", 'import "node:fs";'],
  ["db-knows-only-the-core", "packages/db/src/fault.ts", 'import "@florin/auth";'],
  ["auth-knows-nobody", "packages/auth/src/fault.ts", 'import "@florin/kernel";'],
  ["sql-lives-in-packages-db", "subgraphs/ledger/src/commands/fault.ts", 'import "postgres";'],
  ["linked-data-is-a-shape", "packages/linked-data/src/fault.ts", 'import "@florin/db";'],
  ["plaid-stands-behind-its-port", "subgraphs/accounts/src/fault.ts", 'import "plaid";'],
  ["simulator-is-a-stranger", "packages/plaid-simulator/src/fault.ts", 'import "@florin/kernel";'],
  ["gateway-is-thin", "gateway/src/fault.ts", 'import "@florin/db";'],
  ["subgraphs-are-strangers", "subgraphs/accounts/src/fault.ts", 'import "../../ledger/src/index.js";'],
  ["own-tables-only", "subgraphs/accounts/src/fault.ts", 'import "@florin/db/ledger";'],
  ["resolvers-translate", "subgraphs/ledger/src/resolvers/fault.ts", 'import type { Sql } from "@florin/db";'],
  ["commands-know-no-graphql", "subgraphs/ledger/src/commands/fault.ts", 'import "../resolvers/Mutation/deposit.js";'],
  [
    "through-the-door",
    "subgraphs/ledger/src/fault.ts",
    'import type { Sql } from "../../../packages/db/src/connect-database.js";',
  ],
  ["tests-stay-outside", "subgraphs/ledger/src/fault.ts", 'import "@florin/testkit";'],
  [
    "no-circular",
    "packages/db/src/fault.ts",
    'import type {} from "./fault2.js"; export {};',
    "packages/db/src/fault2.ts",
    'import "./fault.js"; export {};',
  ],
  ["no-orphans", "packages/db/src/fault.ts", "export const nobody = 1;"],
  ["no-undeclared", "packages/auth/src/fault.ts", 'import "semver";'], // installed at the root, declared by nobody
  ["no-unresolved", "packages/auth/src/fault.ts", 'import "leads-nowhere";'],
];

function cruise() {
  const args = ["--no-install", "depcruise", "--output-type", "json", ...roots];
  let json;
  try {
    json = execFileSync("npx", args, { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "ignore"] });
  } catch (error) {
    json = error.stdout;
  }
  return JSON.parse(json).summary;
}

const clean = cruise();
assert.ok(clean.totalCruised >= 15, `only ${clean.totalCruised} modules seen: the checker is blind`);
assert.deepEqual(
  clean.violations.map((v) => `${v.rule.name}: ${v.from} -> ${v.to}`),
  [],
);

// All at once, each in a file of its own: a run takes seconds, and there are twenty rules. A rule bites when it names its own file.
const planted = faults.map(([rule, ...files], number) => {
  const rename = (text) => text.replaceAll(/\bfault(2?)(?=\.(?:ts|js)\b)/g, `fault-${number}$1`);
  const pairs = [];
  for (let i = 0; i < files.length; i += 2) pairs.push([rename(files[i]), `${rename(files[i + 1])}\n`]);
  return { rule, pairs };
});
try {
  for (const [file, text] of planted.flatMap(({ pairs }) => pairs)) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  const fired = new Set(cruise().violations.map((v) => `${v.rule.name}: ${v.from}`));
  for (const { rule, pairs } of planted)
    assert.ok(
      pairs.some(([file]) => fired.has(`${rule}: ${file}`)),
      `${rule} did not fire for its fault ${pairs[0][0]}; fired: ${[...fired].join(", ")}`,
    );
} finally {
  for (const [file] of planted.flatMap(({ pairs }) => pairs)) rmSync(file, { force: true });
}
console.log(`${clean.totalCruised} modules clean; ${faults.length} rules bite`);
