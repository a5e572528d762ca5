import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { prepareBinaries } from "./binaries.js";
import {
  claimDirectory,
  clusterFiles,
  ensureCluster,
  readIfThere,
  serverEnvironment,
  SUPERUSER,
  type ClusterFiles,
} from "./cluster-directory.js";
import { LocalPostgresError } from "./local-postgres-error.js";
import { canEnter, findServerUser, type ServerUser } from "./server-user.js";
import type { Whereabouts } from "./whereabouts.js";

/**
 * A PostgreSQL server as a child of this process.
 *
 * Start, in this order: find a user that may run it → binaries that this user can reach → a data directory that it can reach
 * (else the fallback) → stop what a killed run left there → initdb once → server on 127.0.0.1, no Unix socket → wait until its
 * own status line says ready. About 0.3 s, and 1 s more the first time.
 *
 * The server ends with us: `stop()`, an exit of this process (SIGINT to the child), and when this process is killed without a
 * word, a shell that waits on a pipe of ours sends the same signal. What survives even that is stopped by the next start.
 */
export interface LocalPostgresOptions {
  /** Found again by the next start. Created when missing. */
  readonly dataDirectory: string;
  /** Where data go when the server's user cannot reach `dataDirectory` (root, checkout under a 0700 home). Default /var/lib/florin/<hash>. */
  readonly fallbackDirectory?: string | undefined;
  /** Where the binaries are copied when the server's user cannot reach node_modules. Default: beside the fallback. */
  readonly binariesCacheDirectory?: string | undefined;
  readonly logFile: string;
  /** PostgreSQL settings over our defaults. Durable (`fsync=on`) unless said otherwise. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** A fixed port: taken means an error. Without it a free one is chosen and remembered. */
  readonly port?: number | undefined;
}

/** smart waits for clients, fast ends their sessions, immediate is a crash with recovery at the next start. */
export type StopMode = "smart" | "fast" | "immediate";

export interface LocalPostgres {
  /** Of the superuser and the database `postgres`, password included: not for logs. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly whereabouts: Whereabouts;
  /** Resolves when the server has ended, whoever ended it. */
  readonly ended: Promise<void>;
  stop(mode?: StopMode): Promise<void>;
}

const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 30_000;
const PORT_ATTEMPTS = 10;
const POLL_MS = 10;
const MAX_LOG_BYTES = 10 * 1024 * 1024;
const signals = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT" } as const;

export async function startLocalPostgres(options: LocalPostgresOptions): Promise<LocalPostgres> {
  const user = await findServerUser();
  const asked = resolve(options.dataDirectory);
  const fallback =
    options.fallbackDirectory ?? join("/var/lib/florin", createHash("sha256").update(asked).digest("hex").slice(0, 16));
  const isReachable = await canEnter(user, dirname(asked));
  const files = clusterFiles(isReachable ? asked : resolve(fallback));
  if (!isReachable && !(await canEnter(user, dirname(files.directory)))) {
    throw new LocalPostgresError(
      `User ${user.name}, who must run PostgreSQL, can enter neither ${asked} nor ${files.directory}. Start Florin as a normal user, or from a directory that ${user.name} can enter.`,
    );
  }
  const cache = resolve(options.binariesCacheDirectory ?? join(dirname(resolve(fallback)), "binaries"));
  const binaries = await prepareBinaries(user, cache);
  await claimDirectory(files, user);
  try {
    const password = await ensureCluster(files, binaries.directory, user);
    const { child, port } = await startOnSomePort(options, files, binaries.directory, user);
    const notes = [
      ...(isReachable ? [] : [`Data are in ${files.directory}: user ${user.name} cannot enter ${dirname(asked)}.`]),
      ...(binaries.copiedBecause === undefined
        ? []
        : [`PostgreSQL runs from ${binaries.directory}: ${binaries.copiedBecause}.`]),
    ];
    const whereabouts: Whereabouts = {
      binariesDirectory: binaries.directory,
      dataDirectory: files.directory,
      logFile: options.logFile,
      serverUser: user.name,
      notes,
    };
    return supervise(child, port, password, files, whereabouts, user);
  } catch (error) {
    await rm(files.supervisor, { force: true });
    throw error;
  }
}

async function startOnSomePort(
  options: LocalPostgresOptions,
  files: ClusterFiles,
  binaries: string,
  user: ServerUser,
): Promise<{ child: ChildProcess; port: number }> {
  const remembered = Number(await readIfThere(files.port));
  let port = options.port ?? (remembered > 0 && remembered < 65_536 ? remembered : await findFreePort());
  for (let attempt = 1; ; attempt++) {
    const outcome = await startServer(options, files, binaries, user, port);
    if (outcome.child !== undefined) {
      await writeFile(files.port, `${port}\n`);
      return { child: outcome.child, port };
    }
    const isTaken = outcome.said.includes("could not create any TCP/IP sockets");
    // A postmaster killed alone leaves backends that hold its shared memory for a moment.
    const isWindingDown = outcome.said.includes("is still in use");
    if ((!isTaken && !isWindingDown) || attempt === PORT_ATTEMPTS || (isTaken && options.port !== undefined)) {
      const why = isTaken ? `port ${port} is taken` : fatalLine(outcome.said);
      throw new LocalPostgresError(`PostgreSQL did not start: ${why}. Its log is ${options.logFile}.`);
    }
    if (isTaken) port = await findFreePort();
    else await delay(200 * attempt);
  }
}

async function startServer(
  options: LocalPostgresOptions,
  files: ClusterFiles,
  binaries: string,
  user: ServerUser,
  port: number,
): Promise<{ child: ChildProcess | undefined; said: string }> {
  const logFrom = await prepareLog(options.logFile);
  const log = await open(options.logFile, "a", 0o600);
  const child = spawn(join(binaries, "bin", "postgres"), serverArguments(files, port, options.settings ?? {}), {
    ...user.switchTo,
    cwd: "/",
    env: serverEnvironment,
    stdio: ["ignore", log.fd, log.fd],
    detached: true, // Ctrl-C in a terminal is for us; we stop the server when its clients are done
  });
  let failure: Error | undefined;
  child.once("error", (error) => (failure = error));
  await log.close();
  const deadline = performance.now() + START_DEADLINE_MS;
  while (failure === undefined && child.exitCode === null && child.signalCode === null) {
    if (await isReady(files, child.pid)) return { child, said: "" };
    if (performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new LocalPostgresError(
        `PostgreSQL was not ready after ${START_DEADLINE_MS / 1000} s. Its log is ${options.logFile}.`,
      );
    }
    await delay(POLL_MS);
  }
  if (failure !== undefined)
    throw new LocalPostgresError(`Cannot run PostgreSQL: ${failure.message}`, { cause: failure });
  return { child: undefined, said: (await readFile(options.logFile, "utf8")).slice(logFrom) };
}

function serverArguments(files: ClusterFiles, port: number, settings: Readonly<Record<string, string>>): string[] {
  const all: Record<string, string> = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    port: String(port),
    password_encryption: "scram-sha-256",
    timezone: "UTC",
    log_timezone: "UTC",
    max_connections: "100",
    ...settings,
  };
  return ["-D", files.cluster, ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
}

/** The eighth line of postmaster.pid is the server's own word (what `pg_ctl --wait` reads too). */
async function isReady(files: ClusterFiles, pid: number | undefined): Promise<boolean> {
  const lines = (await readIfThere(join(files.cluster, "postmaster.pid")))?.split("\n");
  return lines !== undefined && Number(lines[0]) === pid && lines[7]?.trim() === "ready";
}

function supervise(
  child: ChildProcess,
  port: number,
  password: string,
  files: ClusterFiles,
  whereabouts: Whereabouts,
  user: ServerUser,
): LocalPostgres {
  const pid = child.pid ?? 0;
  const dropWatch = watchParent(pid, user);
  const stopAtExit = (): void => void child.kill("SIGINT");
  process.once("exit", stopAtExit);
  child.unref();
  const ended = new Promise<void>((done) => {
    const finish = (): void => {
      process.removeListener("exit", stopAtExit);
      dropWatch();
      rm(files.supervisor, { force: true }).then(done, done);
    };
    if (child.exitCode !== null || child.signalCode !== null) finish();
    else child.once("exit", finish);
  });
  return {
    url: `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`,
    port,
    pid,
    whereabouts,
    ended,
    stop: async (mode = "fast") => {
      if (child.exitCode !== null || child.signalCode !== null) return ended;
      child.ref();
      child.kill(signals[mode]);
      const timer = setTimeout(() => child.kill("SIGQUIT"), STOP_DEADLINE_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** A shell that reads from a pipe of ours gets end-of-file when we die, however we die, and then stops the server. */
function watchParent(pid: number, user: ServerUser): () => void {
  if (process.platform === "win32") return () => undefined;
  const watcher = spawn("/bin/sh", ["-c", `read _; kill -INT ${pid}`], {
    ...user.switchTo,
    cwd: "/",
    env: serverEnvironment,
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  watcher.on("error", () => undefined); // no shell: the exit handler and the next start remain
  watcher.unref();
  const pipe = watcher.stdin as typeof watcher.stdin & { unref?: () => void };
  pipe.on("error", () => undefined);
  pipe.unref?.();
  return () => void watcher.kill("SIGKILL");
}

async function prepareLog(logFile: string): Promise<number> {
  await mkdir(dirname(logFile), { recursive: true });
  const info = await stat(logFile).catch(() => undefined);
  if (info === undefined) return 0;
  if (info.size <= MAX_LOG_BYTES) return (await readFile(logFile, "utf8")).length;
  await rename(logFile, `${logFile}.1`);
  return 0;
}

function fatalLine(said: string): string {
  const lines = said.split("\n").filter(Boolean);
  const line = lines.find((each) => each.includes("FATAL")) ?? lines.at(-1) ?? "it ended without a message";
  return line.replace(/^.*FATAL:\s*/, "");
}

function findFreePort(): Promise<number> {
  return new Promise((found, failed) => {
    const server = createServer();
    server.once("error", failed);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (typeof address === "object" && address !== null ? found(address.port) : failed(address)));
    });
  });
}

function delay(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
