import { areas } from "@florin/kernel";
import { checkInvariants, connectDatabase, type InvariantReport } from "@florin/db";
import { parseArgs } from "node:util";
import { CommandFailure, misuse } from "./command-failure.js";
import { formatTable } from "./table.js";
import type { Terminal } from "./terminal.js";

export const invariantsUsage = `florin invariants [--at-rest]     checks all rules of docs/invariants.md over all areas, in one snapshot
    --at-rest adds the rules that hold when nothing is under way · --database-url URL of an owner, else DATABASE_URL
`;

/** One rule may read the whole book; the server is asked to give it up after this. */
const RULE_TIMEOUT_MS = 600_000;
const MAX_FINDINGS = 20;

/** Throws CommandFailure (exit code 1) when a rule is broken or could not be checked to its end. Changes nothing. */
export async function runInvariants(args: readonly string[], terminal: Terminal): Promise<void> {
  const values = parseOptions(args);
  const url = values["database-url"] ?? terminal.environment.databaseUrl;
  if (url === undefined) throw misuse("Say which database: --database-url postgres://… or DATABASE_URL.");
  const database = connectDatabase({
    url,
    applicationName: "florin-cli",
    maxConnections: 1,
    deadlineMs: RULE_TIMEOUT_MS + 5_000,
  });
  try {
    const report = await checkInvariants(database, {
      areas,
      isAtRest: values["at-rest"] === true,
      maxFindings: MAX_FINDINGS,
      timeoutMs: RULE_TIMEOUT_MS,
    });
    tell(report, terminal);
  } finally {
    await database.stop();
  }
}

function tell({ findings, unchecked, checked }: InvariantReport, terminal: Terminal): void {
  terminal.write(`${checked} rules checked, ${findings.length} findings, ${unchecked.length} rules not checked\n`);
  if (findings.length > 0) {
    const rows = findings.map(({ invariant, sentence, who, what }) => [invariant, sentence, who, what]);
    terminal.write(`\n${formatTable(["rule", "should hold", "where", "what stands there"], rows)}`);
  }
  if (unchecked.length > 0) {
    const rows = unchecked.map(({ invariant, sentence, reason }) => [invariant, sentence, reason]);
    terminal.write(`\n${formatTable(["not checked", "should hold", "why"], rows)}`);
  }
  if (findings.length + unchecked.length > 0)
    throw new CommandFailure(1, "The books are not known to be in order. What each rule means: docs/invariants.md");
}

function parseOptions(args: readonly string[]) {
  try {
    const options = { "at-rest": { type: "boolean" }, "database-url": { type: "string" } } as const;
    return parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    throw misuse(error instanceof Error ? error.message : String(error));
  }
}
