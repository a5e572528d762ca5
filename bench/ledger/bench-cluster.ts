import { execFileSync } from "node:child_process";
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { connectDatabase, type Database } from "@florin/db";
import { removeOwnedDirectories, startLocalPostgres } from "@florin/local-postgres";

/** PostgreSQL as `npm start` has it: durable, with data checksums, its own defaults otherwise. In the temporary directory. */
export interface BenchCluster {
  /** Of the postmaster: its processes are its children. */
  readonly pid: number;
  /** As the superuser, on the database `postgres`. */
  readonly admin: Database;
  /** Of the superuser, password included: not for output. */
  urlOf(database: string): string;
  /** A clone of `template` when it is given; nobody may be connected to that. */
  createDatabase(name: string, template?: string): Promise<string>;
  /** Dirty pages of one series are not written in the time of the next. */
  checkpoint(): Promise<void>;
  stop(): Promise<void>;
}

const PREFIX = "florin-bench-";
/** One statement of a preload, or a rule over ten million rows. */
export const LONG_MS = 60 * 60_000;

export async function startBenchCluster(settings: Readonly<Record<string, string>>): Promise<BenchCluster> {
  await removeOwnedDirectories(tmpdir(), PREFIX);
  const dataDirectory = join(tmpdir(), `${PREFIX}${process.pid}`);
  const server = await startLocalPostgres({
    dataDirectory,
    fallbackDirectory: dataDirectory,
    binariesCacheDirectory: join(tmpdir(), "florin-binaries"),
    logFile: join(dataDirectory, "postgresql.log"),
    settings,
  });
  const admin = connectDatabase({
    url: server.url,
    applicationName: "florin-bench",
    maxConnections: 2,
    deadlineMs: LONG_MS,
  });
  const urlOf = (database: string): string => {
    const url = new URL(server.url);
    url.pathname = `/${database}`;
    return url.href;
  };
  return {
    pid: server.pid,
    admin,
    urlOf,
    createDatabase: async (name, template = "template1") => {
      await admin.sql.unsafe(`create database ${name} template ${template} strategy file_copy`);
      return urlOf(name);
    },
    checkpoint: async () => {
      await admin.sql`checkpoint`;
    },
    stop: async () => {
      await admin.stop();
      await server.stop("fast");
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

/** What ran, on what, and how it was set: without it a figure says nothing. */
export interface BenchSetting {
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string>>;
  readonly machine: Readonly<Record<string, string | number>>;
  /** What was measured: sources with their types stripped as the build strips them, never a stale build. */
  readonly code: string;
}

const TOLD_SETTINGS = [
  "fsync",
  "synchronous_commit",
  "full_page_writes",
  "data_checksums",
  "wal_level",
  "shared_buffers",
  "max_wal_size",
  "autovacuum",
  "jit",
];

export async function describeSetting(cluster: BenchCluster): Promise<BenchSetting> {
  const { sql } = cluster.admin;
  const rows = await sql<{ name: string; value: string }[]>`
    select name, current_setting(name) as value from pg_settings where name = any(${TOLD_SETTINGS}) order by name`;
  const [version] = await sql<{ version: string }[]>`select split_part(version(), ' on ', 1) as version`;
  const settings = Object.fromEntries(rows.map(({ name, value }) => [name, value]));
  for (const name of ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"])
    if (settings[name] !== "on") throw new Error(`the server runs with ${name}=${settings[name]}; a bench needs it on`);
  const [cpu] = cpus();
  return {
    versions: { postgres: version?.version ?? "unknown", node: process.version, commit: commitOfTree() },
    settings,
    machine: { cpu: cpu?.model ?? "unknown", cores: cpus().length, syncsPerSecond: measureSyncs() },
    code: "src through scripts/register-typescript.mjs: types stripped by swc with the options of the build",
  };
}

/** With a plus when the tree has changes that are not committed. */
function commitOfTree(): string {
  const git = (...words: string[]): string =>
    execFileSync("git", words, { cwd: import.meta.dirname, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  try {
    const isClean = git("status", "--porcelain", "--untracked-files=no").trim() === "";
    return `${git("rev-parse", "--short", "HEAD").trim()}${isClean ? "" : "+"}`;
  } catch {
    return "unknown";
  }
}

/** How often this disk takes 8 kB for good, one after the other: what bounds a commit of one transfer. A third of a second. */
function measureSyncs(): number {
  const path = join(tmpdir(), `${PREFIX}${process.pid}`, "sync-probe");
  const file = openSync(path, "w");
  const block = Buffer.alloc(8_192, 1);
  try {
    const begun = performance.now();
    let count = 0;
    for (; performance.now() - begun < 333; count++) {
      writeSync(file, block, 0, block.length, 0);
      fdatasyncSync(file);
    }
    return Math.round((count * 1_000) / (performance.now() - begun));
  } finally {
    closeSync(file);
  }
}

/**
 * CPU microseconds that PostgreSQL's processes have used so far: the postmaster, its children, and children that have ended, which the
 * postmaster's account keeps. NaN where there is no /proc.
 */
export function postgresCpuMicros(postmaster: number, listProcesses: () => readonly string[]): number {
  const TICK_MICROS = 10_000;
  let ticks = 0;
  try {
    for (const pid of listProcesses()) {
      const fields = statFields(pid);
      if (fields === undefined) continue; // ended between the listing and the reading
      const own = Number(fields[11]) + Number(fields[12]);
      if (Number(pid) === postmaster) ticks += own + Number(fields[13]) + Number(fields[14]);
      else if (Number(fields[1]) === postmaster) ticks += own;
    }
  } catch {
    return Number.NaN;
  }
  return ticks * TICK_MICROS;
}

function statFields(pid: string): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
