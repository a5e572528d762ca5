import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectDatabase, migrate, type Database } from "@florin/db";
import { removeOwnedDirectories, startLocalPostgres, type LocalPostgres } from "@florin/local-postgres";
import { giveAsIn, takeBaseBackup } from "./base-backup.js";
import { eventually } from "./eventually.js";
import { killTree } from "./process-tree.js";
import { createEmptyDatabase } from "./test-database.js";

/**
 * A primary and a streaming standby, both real servers of this machine, and the hands that break them.
 *
 * Start: primary → database `florin`, migrated → slot `florin_standby` → base backup → standby → synchronous replication, if asked
 * for, and a wait until the standby has caught up. About 3 s. Both servers carry the same configuration, as in production, so a
 * standby that is promoted would wait for a synchronous standby of its own: whoever promotes it clears that first.
 */
export interface PostgresPairOptions {
  /** "on": COMMIT waits until the standby has flushed. "remote_apply": until it shows it. "off": it does not wait for the standby. */
  readonly synchronous: "on" | "remote_apply" | "off";
  /** fsync and full pages as in production. Off by default: a killed process loses nothing that the kernel has. */
  readonly isDurable?: boolean | undefined;
  readonly standbySettings?: Readonly<Record<string, string>> | undefined;
}

export interface PairedServer {
  /** Of the superuser and the database `florin`, this server alone. */
  readonly url: string;
  readonly port: number;
}

export interface PostgresPair {
  readonly primary: PairedServer;
  readonly standby: PairedServer;
  /** Both hosts in one URL, the first primary first. */
  readonly url: string;
  /** As when its machine is lost: the postmaster and all its children get SIGKILL. */
  killPrimary(): Promise<void>;
  /** The same for the standby, promoted or not. */
  killStandby(): Promise<void>;
  /** The standby stops receiving and stays up; `attachStandby` lets it go on. */
  detachStandby(): Promise<void>;
  attachStandby(): Promise<void>;
  /** Clears synchronous_standby_names on the standby (it must be able to write alone) and makes it the primary. */
  promote(): Promise<void>;
  /** The old primary comes back as if nothing had happened, as the primary that it was: what fencing must survive. */
  restartOldPrimaryUnfenced(): Promise<void>;
  /** Watches the primary by TCP and promotes the standby when three probes in a row fail. */
  superviseFailover(options?: { readonly intervalMs?: number }): FailoverSupervisor;
  stop(): Promise<void>;
}

export interface FailoverSupervisor {
  /** Milliseconds of `performance.now()`; rejects when `stop` came first, or the promotion failed. */
  readonly done: Promise<{ readonly detectedAt: number; readonly promotedAt: number }>;
  stop(): void;
}

const PREFIX = "florin-test-pair-";
const DATABASE = "florin";
const STANDBY = "florin_standby";
const CATCH_UP_MS = 30_000;
let made = 0;

export async function startPostgresPair(options: PostgresPairOptions): Promise<PostgresPair> {
  await removeOwnedDirectories(tmpdir(), PREFIX);
  const base = join(tmpdir(), `${PREFIX}${process.pid}-${++made}`);
  const directories = { primary: `${base}-primary`, standby: `${base}-standby` };
  const settings = settingsOf(options);
  const running = new Map<"primary" | "standby", LocalPostgres>();
  const start = async (which: "primary" | "standby", port?: number): Promise<LocalPostgres> => {
    const server = await startServer(directories[which], port, {
      ...settings,
      ...(which === "standby" ? options.standbySettings : {}),
    });
    running.set(which, server);
    return server;
  };
  const stop = async (): Promise<void> => {
    await Promise.all([...running.values()].map((server) => server.stop("immediate")));
    for (const directory of Object.values(directories)) await rm(directory, { recursive: true, force: true });
  };
  try {
    const first = await start("primary");
    const primaryUrl = await createEmptyDatabase(first.url, DATABASE);
    await migrate(primaryUrl);
    await asSuperuser(primaryUrl, async ({ sql }) => {
      await sql`select pg_create_physical_replication_slot(${STANDBY}, true)`;
    });
    const conninfo = await makeStandbyDirectory(primaryUrl, directories, options);
    const second = await start("standby");
    await waitUntilStreaming(primaryUrl);
    if (options.synchronous !== "off") await switchToSynchronous(primaryUrl);
    return assemblePair({ first, second, primaryUrl, conninfo, start, running, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Parts {
  readonly first: LocalPostgres;
  readonly second: LocalPostgres;
  readonly primaryUrl: string;
  readonly conninfo: string;
  readonly running: ReadonlyMap<"primary" | "standby", LocalPostgres>;
  start(which: "primary" | "standby", port?: number): Promise<LocalPostgres>;
  stop(): Promise<void>;
}

function assemblePair({ first, second, primaryUrl, conninfo, running, start, stop }: Parts): PostgresPair {
  const standbyUrl = withPort(primaryUrl, second.port);
  const supervisors = new Set<FailoverSupervisor>();
  const promote = () => asSuperuser(standbyUrl, promoteServer);
  const kill = async (server: LocalPostgres): Promise<void> => {
    await killTree(server.pid);
    await server.ended;
  };
  return {
    primary: { url: primaryUrl, port: first.port },
    standby: { url: standbyUrl, port: second.port },
    url: primaryUrl.replace(/(127\.0\.0\.1:\d+)/, `$1,127.0.0.1:${second.port}`),
    killPrimary: () => kill(running.get("primary") ?? first),
    killStandby: () => kill(second),
    detachStandby: async () => {
      await configure(standbyUrl, "primary_conninfo", "");
      await asSuperuser(standbyUrl, ({ sql }) =>
        eventually(async () => (await countReceivers(sql)) === 0, CATCH_UP_MS),
      );
    },
    attachStandby: () => configure(standbyUrl, "primary_conninfo", conninfo),
    promote,
    restartOldPrimaryUnfenced: async () => void (await start("primary", first.port)),
    superviseFailover: (more = {}) => {
      const supervisor = superviseFailover(first.port, promote, more.intervalMs ?? 200);
      supervisors.add(supervisor);
      return supervisor;
    },
    stop: async () => {
      for (const supervisor of supervisors) supervisor.stop();
      await stop();
    },
  };
}

function settingsOf({ synchronous, isDurable = false }: PostgresPairOptions): Record<string, string> {
  return {
    synchronous_commit: synchronous === "remote_apply" ? "remote_apply" : "on",
    wal_retrieve_retry_interval: "100ms",
    ...(isDurable ? {} : { fsync: "off", full_page_writes: "off" }),
  };
}

function startServer(
  directory: string,
  port: number | undefined,
  settings: Readonly<Record<string, string>>,
): Promise<LocalPostgres> {
  return startLocalPostgres({
    dataDirectory: directory,
    fallbackDirectory: directory,
    binariesCacheDirectory: join(tmpdir(), "florin-binaries"),
    logFile: join(directory, "postgresql.log"),
    settings,
    port,
  });
}

/** Returns the standby's primary_conninfo, password included. */
async function makeStandbyDirectory(
  primaryUrl: string,
  { primary, standby }: { readonly primary: string; readonly standby: string },
  { synchronous }: PostgresPairOptions,
): Promise<string> {
  await mkdir(standby, { recursive: true });
  await giveAsIn(primary, standby);
  await takeBaseBackup(primaryUrl, join(primary, "pgdata"), join(standby, "pgdata"));
  await copyFile(join(primary, "password"), join(standby, "password"));
  await giveAsIn(join(primary, "password"), join(standby, "password"));
  const { username, password, port } = new URL(primaryUrl);
  const conninfo = `host=127.0.0.1 port=${port} user=${username} password=${decodeURIComponent(password)} application_name=${STANDBY} connect_timeout=5`;
  const written = {
    "standby.signal": "",
    // In this file and not on the command line, so that ALTER SYSTEM can change them.
    "postgresql.auto.conf": [
      `primary_conninfo = '${conninfo}'`,
      `primary_slot_name = '${STANDBY}'`,
      ...(synchronous === "off" ? [] : [`synchronous_standby_names = '${STANDBY}'`]),
      "",
    ].join("\n"),
  };
  for (const [name, text] of Object.entries(written)) {
    const file = join(standby, "pgdata", name);
    await writeFile(file, text, { mode: 0o600 });
    await giveAsIn(primary, file);
  }
  return conninfo;
}

async function waitUntilStreaming(primaryUrl: string): Promise<void> {
  await asSuperuser(primaryUrl, ({ sql }) =>
    eventually(async () => {
      const rows = await sql`
        select from pg_stat_replication where application_name = ${STANDBY} and state = 'streaming'
          and pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn) = 0`;
      return rows.count === 1;
    }, CATCH_UP_MS),
  );
}

async function switchToSynchronous(primaryUrl: string): Promise<void> {
  await configure(primaryUrl, "synchronous_standby_names", STANDBY);
  await asSuperuser(primaryUrl, ({ sql }) =>
    eventually(
      async () => (await sql`select from pg_stat_replication where sync_state = 'sync'`).count === 1,
      CATCH_UP_MS,
    ),
  );
}

async function configure(url: string, name: string, value: string): Promise<void> {
  await asSuperuser(url, async ({ sql }) => {
    await sql.unsafe(`alter system set ${name} = '${value.replaceAll("'", "''")}'`);
    await sql`select pg_reload_conf()`;
  });
}

/** Alone, the new primary has no synchronous standby: with the name still set, every COMMIT would wait for ever. */
async function promoteServer({ sql }: Database): Promise<void> {
  await sql.unsafe("alter system set synchronous_standby_names = ''");
  await sql`select pg_reload_conf()`;
  const [row] = await sql<{ promoted: boolean }[]>`select pg_promote(true, 60) as promoted`;
  if (row?.promoted !== true) throw new Error("The standby was not promoted within 60 s; its log says why.");
}

async function countReceivers(sql: Database["sql"]): Promise<number> {
  return (await sql`select from pg_stat_wal_receiver`).count;
}

async function asSuperuser<T>(url: string, work: (database: Database) => Promise<T>): Promise<T> {
  const database = connectDatabase({ url, applicationName: "florin-pair", maxConnections: 1, deadlineMs: 60_000 });
  try {
    return await work(database);
  } finally {
    await database.stop();
  }
}

const FAILURES_TO_PROMOTE = 3;
const PROBE_MS = 500;

function superviseFailover(port: number, promote: () => Promise<void>, intervalMs: number): FailoverSupervisor {
  let isStopped = false;
  const pause = () => new Promise((resolve) => setTimeout(resolve, intervalMs).unref());
  const run = async (): Promise<{ detectedAt: number; promotedAt: number }> => {
    for (let failures = 0; failures < FAILURES_TO_PROMOTE;) {
      await pause();
      if (isStopped) throw new Error("The failover supervisor was stopped; nothing was promoted.");
      failures = (await acceptsTcp(port)) ? 0 : failures + 1;
    }
    const detectedAt = performance.now();
    await promote();
    return { detectedAt, promotedAt: performance.now() };
  };
  const done = run();
  done.catch(() => undefined); // whoever waits for it hears of it
  return { done, stop: () => void (isStopped = true) };
}

function acceptsTcp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ port, host: "127.0.0.1", timeout: PROBE_MS });
    const settle = (accepts: boolean) => {
      socket.destroy();
      resolve(accepts);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
    socket.once("timeout", () => settle(false));
  });
}

function withPort(url: string, port: number): string {
  const changed = new URL(url);
  changed.port = String(port);
  return changed.href;
}
