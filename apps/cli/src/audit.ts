import { connectDatabase, type Database } from "@florin/db";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { exportBook } from "./audit-export.js";
import { proveSubject, parseSubject, verifyProofFile } from "./audit-prove.js";
import { verifyExportFile, verifyTables } from "./audit-verify.js";
import { misuse } from "./command-failure.js";
import type { Terminal } from "./terminal.js";

export const auditUsage = `florin audit export [--to FILE] [--with-free-text]
                                           the book's records, their links and checkpoints, as JSON lines
florin audit verify EXPORT | --live        chain, order, checkpoints and books, of a file with no server or of the tables
    --checkpoints FILE: kept elsewhere; a history that was rewritten whole does not fit them
florin audit prove ID [--export EXPORT] [--to FILE]
                                           that a transaction (txn_…), batch (pib_…), operation (op_…) or the last covered
                                           balance of an account (acct_…) is under a signed checkpoint
florin audit verify-proof PROOF --public-key KEY
    --public-key KEY: the verifier key or a file with it · --output json · --database-url URL of an owner, else DATABASE_URL
`;

const OPTIONS = {
  to: { type: "string" },
  "with-free-text": { type: "boolean" },
  live: { type: "boolean" },
  checkpoints: { type: "string" },
  export: { type: "string" },
  "public-key": { type: "string" },
  output: { type: "string" },
  "database-url": { type: "string" },
} as const;
/** Most statements read a page; the last one looks through the whole book. */
const DEADLINE_MS = 600_000;

/** Exit code 1: something does not verify, or cannot be proven. Changes nothing but the file of `--to`. */
export async function runAudit(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args);
  const [action, subject, ...extra] = positionals;
  if (extra.length > 0) throw misuse(`${extra[0]} is one argument too many.`);
  if (values.output !== undefined && values.output !== "json") throw misuse("--output takes json.");
  const isJson = values.output === "json";
  const verifierKey = await readKey(values["public-key"]);
  const inDatabase = async (work: (database: Database) => Promise<void>): Promise<void> => {
    const url = values["database-url"] ?? terminal.environment.databaseUrl;
    if (url === undefined) throw misuse("Say which database: --database-url postgres://… or DATABASE_URL.");
    const database = connectDatabase({
      url,
      applicationName: "florin-cli",
      maxConnections: 1,
      deadlineMs: DEADLINE_MS,
    });
    try {
      await work(database);
    } finally {
      await database.stop();
    }
  };
  switch (action) {
    case "export": {
      if (subject !== undefined) throw misuse(`To write to a file: --to ${subject}`);
      const { to } = values;
      return inDatabase((db) => exportBook(db, { to, withFreeText: values["with-free-text"] === true }, terminal));
    }
    case "verify": {
      const options = { checkpointsFile: values.checkpoints, verifierKey, isJson };
      if ((subject === undefined) !== (values.live === true)) throw misuse("Verify an export, or --live the tables.");
      if (subject !== undefined) return verifyExportFile(subject, options, terminal);
      return inDatabase((database) => verifyTables(database, options, terminal));
    }
    case "prove": {
      const wanted = parseSubject(subject);
      const { to } = values;
      if (values.export !== undefined) return proveSubject({ file: values.export }, wanted, to, terminal);
      return inDatabase((database) => proveSubject({ database }, wanted, to, terminal));
    }
    case "verify-proof":
      if (subject === undefined || verifierKey === undefined) throw misuse("Name the proof's file, and --public-key.");
      return verifyProofFile(subject, verifierKey, isJson, terminal);
    default:
      throw misuse(`${action ?? "audit alone"} is no action. Use export, verify, prove or verify-proof.`);
  }
}

function parseOptions(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw misuse(`${error instanceof Error ? error.message : String(error)} See: florin help`);
  }
}

/** The key itself has a plus sign, which few file names do. */
async function readKey(text: string | undefined): Promise<string | undefined> {
  if (text === undefined || text.includes("+")) return text;
  return (await readFile(text, "utf8")).trim();
}
