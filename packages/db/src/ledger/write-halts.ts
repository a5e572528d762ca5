import type { Instant } from "@florin/kernel";
import type { Database, Sql, Transaction } from "../connect-database.js";

/**
 * Halts of a book's writes (docs/invariants.md): `ledger.write_halt` holds halts and resumes in turn, and the book takes no new record while
 * the last entry is a halt. The database refuses such a commit by itself (`WRITES_HALTED`), whatever a writer's memory says.
 */
export interface WriteHaltEntry {
  /** Of the book, from 1, without a gap. */
  readonly entry: number;
  readonly action: "HALT" | "RESUME";
  /** Of a halt by the auditor: the sentence of the broken rule. */
  readonly rule: string | null;
  readonly findings: readonly HaltFinding[];
  readonly reason: string;
  readonly by: string;
  readonly at: Instant;
}

/** A row that broke a rule, as the auditor told it. */
export interface HaltFinding {
  readonly sentence: string;
  readonly who: string;
  readonly what: string;
}

/** SQLSTATE of a commit that met an open halt: nothing of it has happened. */
export const WRITES_HALTED = "FL005";
/** Told when an entry is written. A hint: the table is the truth. */
export const WRITE_HALT_CHANNEL = "florin_ledger_halt";

const columns = (sql: Sql | Transaction) => sql`entry, action, rule, findings, reason, by, at`;

/** The halt that is open. undefined: the book takes writes. One probe of the primary key. */
export async function findOpenHalt(sql: Sql | Transaction, bookId: number): Promise<WriteHaltEntry | undefined> {
  const [last] = await sql<WriteHaltEntry[]>`
    select ${columns(sql)} from ledger.write_halt where book_id = ${bookId} order by entry desc limit 1`;
  return last?.action === "HALT" ? last : undefined;
}

/** Newest first. */
export async function listWriteHalts(
  sql: Sql | Transaction,
  bookId: number,
  limit: number,
): Promise<readonly WriteHaltEntry[]> {
  return await sql<WriteHaltEntry[]>`
    select ${columns(sql)} from ledger.write_halt where book_id = ${bookId} order by entry desc limit ${limit}`;
}

/** @returns false: the book was halted already, and nothing was written. */
export async function haltWrites(
  database: Database,
  bookId: number,
  halt: {
    readonly rule?: string | undefined;
    readonly findings?: readonly HaltFinding[] | undefined;
    readonly reason: string;
    readonly by: string;
  },
): Promise<boolean> {
  return await append(database, bookId, { ...halt, action: "HALT", findings: halt.findings ?? [] });
}

/** As the database's owner: the ledger's own role is refused. @returns false: the book was not halted. */
export async function resumeWrites(
  database: Database,
  bookId: number,
  resume: { readonly reason: string; readonly by: string },
): Promise<boolean> {
  return await append(database, bookId, { ...resume, action: "RESUME", findings: [] });
}

/** Two at the same moment: the second waits for the first one's key, finds its turn taken, and is told that there is nothing to do. */
async function append(
  database: Database,
  bookId: number,
  entry: {
    readonly action: WriteHaltEntry["action"];
    readonly rule?: string | undefined;
    readonly findings: readonly HaltFinding[];
    readonly reason: string;
    readonly by: string;
  },
): Promise<boolean> {
  const { action, rule = null, findings, reason, by } = entry;
  return await database.transaction(async (tx) => {
    const rows = await tx`
      insert into ledger.write_halt (book_id, entry, action, rule, findings, reason, by)
      select ${bookId}, coalesce(max(entry), 0) + 1, ${action}, ${rule}, ${JSON.stringify(findings)}::text::jsonb, ${reason}, ${by}
      from ledger.write_halt where book_id = ${bookId}
      having coalesce((array_agg(action order by entry desc))[1], 'RESUME') <> ${action}
      on conflict (book_id, entry) do nothing
      returning 1`;
    if (rows.length === 0) return false;
    await tx`select pg_notify(${WRITE_HALT_CHANNEL}, '')`;
    return true;
  });
}
