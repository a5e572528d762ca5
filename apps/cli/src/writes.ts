import { connectDatabase, type Database } from "@florin/db";
import { findOpenHalt, haltWrites, listWriteHalts, resumeWrites, type WriteHaltEntry } from "@florin/db/ledger";
import { formatInstant } from "@florin/kernel";
import { parseArgs } from "node:util";
import { userInfo } from "node:os";
import { CommandFailure, misuse } from "./command-failure.js";
import { formatTable } from "./table.js";
import type { Terminal } from "./terminal.js";

export const writesUsage = `florin writes status                        does the ledger take writes? and every halt and resume so far
florin writes halt   --reason TEXT          no money moves until they are resumed; reads go on
florin writes resume --reason TEXT          after a halt by the auditor: say what was found and done
    --by NAME: who does it, else this login · --database-url URL of an owner, else DATABASE_URL
`;

const MAIN_BOOK = 1;
const HISTORY_LIMIT = 50;
const OPTIONS = { reason: { type: "string" }, by: { type: "string" }, "database-url": { type: "string" } } as const;

/** Exit code 1: what was asked for is so already. Throws CommandFailure, having changed nothing. */
export async function runWrites(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args);
  const [action, ...extra] = positionals;
  if (extra.length > 0) throw misuse(`${extra[0]} is one argument too many.`);
  const work = planAction(action, values, terminal);
  const url = values["database-url"] ?? terminal.environment.databaseUrl;
  if (url === undefined) throw misuse("Say which database: --database-url postgres://… or DATABASE_URL.");
  const database = connectDatabase({ url, applicationName: "florin-cli", maxConnections: 2 });
  try {
    await work(database);
  } finally {
    await database.stop();
  }
}

function parseOptions(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw misuse(`${error instanceof Error ? error.message : String(error)} See: florin help`);
  }
}

function planAction(
  action: string | undefined,
  options: { readonly reason?: string | undefined; readonly by?: string | undefined },
  terminal: Terminal,
): (database: Database) => Promise<void> {
  if (action === "status") return (database) => tellStatus(database, terminal);
  if (action !== "halt" && action !== "resume")
    throw misuse(`${action ?? "writes alone"} is no action. Use status, halt or resume.`);
  const reason = options.reason?.trim() ?? "";
  if (reason === "") throw misuse("Say why with --reason: whoever looks at the book later reads it.");
  const by = options.by?.trim() ?? userInfo().username;
  if (by === "") throw misuse("--by takes a name.");
  return action === "halt"
    ? (database) => halt(database, { reason, by }, terminal)
    : (database) => resume(database, { reason, by }, terminal);
}

interface Order {
  readonly reason: string;
  readonly by: string;
}

async function halt(database: Database, order: Order, terminal: Terminal): Promise<void> {
  if (!(await haltWrites(database, MAIN_BOOK, order)))
    throw new CommandFailure(1, "Writes are halted already. See: florin writes status");
  terminal.write("Writes are halted. Callers are told TEMPORARILY_UNAVAILABLE; reads go on.\n");
}

async function resume(database: Database, order: Order, terminal: Terminal): Promise<void> {
  const open = await findOpenHalt(database.sql, MAIN_BOOK);
  if (open === undefined || !(await resumeWrites(database, MAIN_BOOK, order)))
    throw new CommandFailure(1, "Writes are not halted; there is nothing to resume.");
  terminal.write("Writes are resumed.\n");
  if (open.rule !== null)
    terminal.write("What the halt had found does not halt them again. Check all of it: florin invariants\n");
}

async function tellStatus(database: Database, terminal: Terminal): Promise<void> {
  const entries = await listWriteHalts(database.sql, MAIN_BOOK, HISTORY_LIMIT);
  terminal.write(entries[0]?.action === "HALT" ? "Writes are HALTED.\n" : "Writes are taken.\n");
  if (entries.length === 0) return;
  terminal.write(`\n${formatTable(["ENTRY", "WHAT", "AT", "BY", "WHY"], entries.map(toRow))}`);
  const findings = entries[0]?.action === "HALT" ? entries[0].findings : [];
  if (findings.length === 0) return;
  const rows = findings.map(({ sentence, who, what }) => [sentence, who, what]);
  terminal.write(`\n${formatTable(["should hold", "where", "what stands there"], rows)}`);
}

function toRow({ entry, action, at, by, reason }: WriteHaltEntry): string[] {
  return [String(entry), action, formatInstant(at).slice(0, 19), by, reason];
}
