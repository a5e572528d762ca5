import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

// Rules of our own that no tool can check; each message says what to do instead.

const root = new URL("../", import.meta.url);
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "" && !file.includes("__generated__"));
const text = (file: string): string => readFileSync(new URL(file, root), "utf8");
const sources = files.filter((file) => /^(packages|subgraphs|gateway|apps)\/.*\.ts$/.test(file));
const shipped = sources.filter((file) => file.includes("/src/") && !file.endsWith(".test.ts"));

function offenders(among: readonly string[], pattern: RegExp): string[] {
  return among.flatMap((file) =>
    text(file)
      .split("\n")
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 100)}`] : [])),
  );
}

it("sees the sources it judges", () => {
  expect(shipped.length).toBeGreaterThan(40);
});

it("has no file named for nothing: name it for what a newcomer would type", () => {
  expect(files.filter((file) => /(^|\/)(utils?|helpers?|common|misc|types)\.(ts|mjs)$/.test(file))).toEqual([]);
});

it("leaves nothing for later: finish it, or open an issue", () => {
  const marker = new RegExp(["TO" + "DO", "FIX" + "ME"].map((word) => `\\b${word}\\b`).join("|"));
  expect(offenders(sources, marker)).toEqual([]);
});

it("switches no check off: mend the type instead", () => {
  expect(offenders(sources, /@ts-(ignore|nocheck)|as unknown as|\bas any[;,)]/)).toEqual([]);
  // In a test it is an assertion about types: that the line below does not compile. Elsewhere it is a check switched off.
  expect(offenders(shipped, /@ts-expect-error/)).toEqual([]);
});

it("runs every test that it has: delete a test or mend it, never skip it", () => {
  expect(offenders(sources, /\b(it|test|describe)\.(only|skip|todo)\(|\bx(it|describe)\(/)).toEqual([]);
});

it("never makes a number of money: keep the bigint or the decimal string (MON-1)", () => {
  expect(offenders(shipped, /\bparseFloat\(|\bNumber\([^)]*([aA]mount|[bB]alance|[mM]oney|Minor)/)).toEqual([]);
});

it("imports the SQL driver in packages/db alone: add a named function there", () => {
  expect(
    offenders(
      shipped.filter((file) => !file.startsWith("packages/db/")),
      /from "(postgres|pg|drizzle-orm)/,
    ),
  ).toEqual([]);
});

it("gives every mutation a command and a test that names it", () => {
  const tests = sources.filter((file) => /\/test\/|\.test\.ts$/.test(file)).map(text);
  const missing: string[] = [];
  for (const area of ["accounts", "ledger"]) {
    const schema = text(`subgraphs/${area}/schema.graphql`);
    const mutations = /type Mutation \{([^}]*)\}/.exec(schema)?.[1] ?? "";
    for (const [, name] of mutations.matchAll(/^\s+(\w+)[(:]/gm)) {
      const kebab = name!.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      // In a file of its name, or under its name in a file of commands that are alike.
      const commands = `subgraphs/${area}/src/commands/`;
      const isExported = new RegExp(`^export (const|async function) ${name!}\\b`, "m");
      const inFile = (file: string) => file.startsWith(commands) && isExported.test(text(file));
      if (!files.includes(`${commands}${kebab}.ts`) && !files.some(inFile))
        missing.push(`${name}: no ${commands}${kebab}.ts, and no file there that exports it`);
      if (!tests.some((body) => body.includes(name!))) missing.push(`${name}: no test names it`);
    }
  }
  expect(missing).toEqual([]);
});

it("speaks of the project alone: no path of a machine, no registry host, no address in the lockfile", () => {
  const readable = files.filter((file) => /\.(ts|mjs|cjs|md|json|yml|sql|graphql)$/.test(file));
  expect(
    offenders(
      readable.filter((file) => file !== "test/tidy.test.ts"),
      /\/work\/(main|shared)|\/root\/|registry\.npmjs/,
    ),
  ).toEqual([]);
  expect(text("package-lock.json")).not.toMatch(/"resolved": "http/);
});
