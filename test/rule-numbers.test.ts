import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

// Every rule of the ledger (docs/ledger.md) has a test that names it, so that whoever breaks one reads its number in the failure.

const root = new URL("../", import.meta.url);

/** Rule families of ledger.md §2.0–2.9, each with its last number; the golden vectors apart. */
const families = {
  MON: 4,
  INV: 5,
  PI: 6,
  CT: 9,
  PIB: 3,
  IDEM: 6,
  ORD: 3,
  BAL: 3,
  RES: 3,
  FLAG: 1,
  T: 8,
  FET: 6,
  HOOK: 7,
};
const goldenVectors = ["GV-1", "GV-2", "GV-6", "GV-8"];
const rules = [
  ...Object.entries(families).flatMap(([family, last]) =>
    Array.from({ length: last }, (_, place) => `${family}-${place + 1}`),
  ),
  ...goldenVectors,
];

/** What `it`, `test` and `describe` are called with; after `each` the name follows a closing bracket or a template. */
const NAME = /(?:\b(?:it|test|describe)|[)`])\(\s*(["'`])((?:\\.|(?!\1)[^\\])*)\1/gs;

function namesIn(source: string): readonly string[] {
  return [...source.matchAll(NAME)].map(([, , name]) => name ?? "");
}

function rulesIn(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.flatMap((name) => name.match(/(?<![A-Z0-9-])[A-Z]+-[0-9]+(?![0-9-])/g) ?? []));
}

const testFiles = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.test.ts"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .map((file) => new URL(file, root))
  .filter(({ pathname }) => pathname.endsWith(".test.ts") && !pathname.endsWith("/rule-numbers.test.ts"))
  .filter((file) => existsSync(file));

it.each([
  ['test("CT-3: the second settlement sees the first", () => {})', ["CT-3"]],
  ["describe('holds (INV-3, T-8)', () => {})", ["INV-3", "T-8"]],
  ['test.each([\n  ["a", f(1)],\n])("FET-2: %s", () => {})', ["FET-2"]],
  ["it(`MON-1: ${what} is no number`, () => {})", ["MON-1"]],
  ['// CT-4\nconst text = "CT-5"; expect(codes(text)).toBe("CT-6");', []],
  ['test("CT-10, and SHA-256-CT-1", () => {})', ["CT-10"]],
])("a rule is named by the name of a test and by nothing else: %j", (source, named) => {
  expect([...rulesIn(namesIn(source))]).toEqual(named);
});

it("every rule of the ledger has a test that names it: write one for those that are listed here", () => {
  const named = rulesIn(testFiles.flatMap((file) => namesIn(readFileSync(file, "utf8"))));
  expect(rules).toHaveLength(68);
  expect(rules.filter((rule) => !named.has(rule))).toEqual([]);
});
