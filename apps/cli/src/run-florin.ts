import { auditUsage, runAudit } from "./audit.js";
import { CommandFailure, misuse } from "./command-failure.js";
import { deadLettersUsage, runDeadLetters } from "./dead-letters.js";
import { invariantsUsage, runInvariants } from "./invariants.js";
import { linkedUsage, runLinked } from "./linked.js";
import type { Terminal } from "./terminal.js";
import { runWrites, writesUsage } from "./writes.js";

const USAGE = `florin <command>

${auditUsage}
${deadLettersUsage}
${invariantsUsage}
${linkedUsage}
${writesUsage}
Exit codes: 0 done · 1 could not be done · 2 asked for wrongly
`;

const commands = new Map([
  ["audit", runAudit],
  ["dead-letters", runDeadLetters],
  ["invariants", runInvariants],
  ["linked", runLinked],
  ["writes", runWrites],
]);

/** Runs one command; resolves with the exit code and never throws. */
export async function runFlorin(args: readonly string[], terminal: Terminal): Promise<number> {
  const [command, ...rest] = args;
  try {
    if (command === undefined || command === "help" || command === "--help") {
      terminal.write(USAGE);
      return command === undefined ? 2 : 0;
    }
    const run = commands.get(command);
    if (run === undefined) throw misuse(`There is no command ${command}. See: florin help`);
    await run(rest, terminal);
    return 0;
  } catch (error) {
    terminal.writeError(`${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof CommandFailure ? error.exitCode : 1;
  }
}
