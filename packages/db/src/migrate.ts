import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { currencyCodes, minorDigits } from "@florin/kernel";
import { connectDatabase, type Database, type Transaction } from "./connect-database.js";

/** From src and from dist alike: both are one level below the package. */
const MIGRATIONS = fileURLToPath(new URL("../migrations", import.meta.url));
/** Later ones use what earlier ones made. */
const AREAS = ["platform", "accounts", "ledger", "portfolio"] as const;
const FILE_NAME = /^\d{6}-[a-z0-9-]+\.sql$/;
/** A migration may rewrite a table; nothing else is allowed to take so long. */
const DEADLINE_MS = 10 * 60_000;
const LOCK = 7_306_086_967_001n;

interface MigrationFile {
  readonly area: string;
  readonly name: string;
  readonly text: string;
  readonly sha256: string;
}

export interface MigrateOptions {
  /** As in `connectDatabase`: a start is when an old primary that came back would be migrated. */
  readonly timelineFile?: string | undefined;
  readonly onProgress?: ((migration: string) => void) | undefined;
}

/**
 * Brings a database to the newest form: every file of migrations/<area>/NNNNNN-*.sql that is not recorded yet, in order, each in
 * a transaction of its own; then the reference data that follow from the kernel's tables. Several processes may call it at once:
 * an advisory lock lets one through at a time, and the others find nothing left to do.
 *
 * Throws when an applied file has changed since: a migration is never edited after it ran anywhere, a new one corrects it.
 */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<{ readonly applied: string[] }> {
  const files = (await Promise.all(AREAS.map(readArea))).flat();
  const database = connectDatabase({
    url,
    timelineFile: options.timelineFile,
    applicationName: "florin-migrate",
    maxConnections: 2,
    deadlineMs: DEADLINE_MS,
  });
  try {
    // The lock lives in a transaction of its own connection, so it is gone when this process is, without a clean-up.
    return await database.transaction(async (lock) => {
      await lock`set local idle_in_transaction_session_timeout = 0`;
      await lock`select pg_advisory_xact_lock(${LOCK})`;
      const applied = await applyMissing(database, files, options.onProgress);
      await database.transaction(seedReferenceData);
      return { applied };
    });
  } finally {
    await database.stop();
  }
}

async function readArea(area: string): Promise<MigrationFile[]> {
  const directory = join(MIGRATIONS, area);
  const names = (await readdir(directory).catch(() => [])).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(
    names.map(async (name) => {
      if (!FILE_NAME.test(name)) throw new Error(`${area}/${name}: name it like 000001-what-it-does.sql`);
      const text = await readFile(join(directory, name), "utf8");
      return { area, name, text, sha256: createHash("sha256").update(text).digest("hex") };
    }),
  );
}

async function applyMissing(
  database: Database,
  files: readonly MigrationFile[],
  onProgress: MigrateOptions["onProgress"],
): Promise<string[]> {
  const { sql } = database;
  // `public` by name: a login called florin would look into the schema of its own name first, once that exists.
  await sql`
    create table if not exists public.florin_migration (
      area text not null, name text not null, sha256 text not null,
      applied_at timestamptz not null default clock_timestamp(), primary key (area, name))`;
  const recorded = await sql<{ area: string; name: string; sha256: string }[]>`
    select area, name, sha256 from public.florin_migration`;
  const sha256ByFile = new Map(recorded.map((row) => [`${row.area}/${row.name}`, row.sha256]));
  const applied: string[] = [];
  for (const file of files) {
    const path = `${file.area}/${file.name}`;
    const before = sha256ByFile.get(path);
    if (before === file.sha256) continue;
    if (before !== undefined) {
      throw new Error(
        `Migration ${path} has changed since it was applied. Restore it, and put the change into a new file.`,
      );
    }
    await database.transaction((tx) => applyFile(tx, file, path));
    applied.push(path);
    onProgress?.(path);
  }
  return applied;
}

async function applyFile(tx: Transaction, file: MigrationFile, path: string): Promise<void> {
  try {
    await tx.unsafe(file.text);
  } catch (error) {
    throw new Error(`Migration ${path} failed: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  await tx`insert into public.florin_migration (area, name, sha256) values (${file.area}, ${file.name}, ${file.sha256})`;
}

/** Currencies have one source, the kernel; each area takes what it needs from there when something is new. */
async function seedReferenceData(tx: Transaction): Promise<void> {
  const digits = currencyCodes.map(minorDigits);
  await tx`
    insert into florin.currency (code, minor_digits)
    select * from unnest(${currencyCodes as readonly string[] as string[]}::text[], ${digits}::smallint[])
    on conflict (code) do update set minor_digits = excluded.minor_digits
      where currency.minor_digits <> excluded.minor_digits`;
  for (const area of ["ledger", "accounts"]) {
    const seed = `${area}.seed_reference_data()`;
    const [found] = await tx<{ exists: boolean }[]>`select to_regprocedure(${seed}) is not null as exists`;
    if (found?.exists === true) await tx.unsafe(`select ${seed}`);
  }
}
