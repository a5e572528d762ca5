import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LocalPostgresError } from "./local-postgres-error.js";
import { identityOf, isPostgresOf, isSameProcess } from "./process-identity.js";
import { giveTo, type ServerUser } from "./server-user.js";

/**
 * What stands in a data directory of ours:
 *   pgdata/         the cluster
 *   password        of the superuser `florin`, mode 0600
 *   port            the port of the last start, tried first by the next
 *   supervisor      pid and start time of the process that runs the server now
 */
export interface ClusterFiles {
  readonly directory: string;
  readonly cluster: string;
  readonly password: string;
  readonly port: string;
  readonly supervisor: string;
}

export const SUPERUSER = "florin";
const STOP_ORPHAN_MS = 15_000;

export function clusterFiles(directory: string): ClusterFiles {
  return {
    directory,
    cluster: join(directory, "pgdata"),
    password: join(directory, "password"),
    port: join(directory, "port"),
    supervisor: join(directory, "supervisor"),
  };
}

/** Makes the directory ours: refuses when another living process of ours runs a server on it, stops a server left by a dead one. */
export async function claimDirectory(files: ClusterFiles, user: ServerUser): Promise<void> {
  await mkdir(files.directory, { recursive: true });
  await giveTo(user, files.directory);
  const holder = await readIfThere(files.supervisor);
  if (holder !== undefined && (await isSameProcess(holder))) {
    const pid = holder.split(" ")[0];
    throw new LocalPostgresError(
      `Another Florin (pid ${pid}) runs PostgreSQL on ${files.directory}. Stop it first, or start from another checkout.`,
    );
  }
  await stopOrphan(files);
  await rm(files.supervisor, { force: true });
  await writeFile(files.supervisor, (await identityOf(process.pid)) ?? "", { flag: "wx" }).catch((cause) => {
    throw new LocalPostgresError(`Another Florin is starting on ${files.directory} just now. Try again.`, { cause });
  });
}

/** A server whose parent was killed is still running on the data: stop it, after checking that the pid is really that. */
async function stopOrphan(files: ClusterFiles): Promise<void> {
  const pid = Number((await readIfThere(join(files.cluster, "postmaster.pid")))?.split("\n")[0]);
  if (!Number.isInteger(pid) || pid <= 0 || !(await isPostgresOf(pid, files.cluster))) return;
  const startedAt = performance.now();
  process.kill(pid, "SIGINT"); // fast shutdown: rolls back what is open, ends cleanly
  let isImmediate = false;
  while ((await identityOf(pid)) !== undefined) {
    const waitedMs = performance.now() - startedAt;
    if (!isImmediate && waitedMs > STOP_ORPHAN_MS / 2) {
      process.kill(pid, "SIGQUIT"); // immediate: the next start recovers from the log
      isImmediate = true;
    }
    if (waitedMs > STOP_ORPHAN_MS) {
      throw new LocalPostgresError(
        `A PostgreSQL left by a killed run (pid ${pid}) on ${files.cluster} does not stop. End it with "kill -9 ${pid}" and start again.`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Initialises the cluster when there is none. Returns the superuser's password. */
export async function ensureCluster(files: ClusterFiles, binaries: string, user: ServerUser): Promise<string> {
  const version = await readIfThere(join(files.cluster, "PG_VERSION"));
  if (version === undefined) await initialise(files, binaries, user);
  else await assertSameMajor(version.trim(), files, binaries);
  const password = await readIfThere(files.password);
  if (password === undefined) {
    throw new LocalPostgresError(
      `The password of ${files.cluster} is not in ${files.password}. Restore that file, or remove ${files.directory} to begin with empty data.`,
    );
  }
  return password.trim();
}

async function initialise(files: ClusterFiles, binaries: string, user: ServerUser): Promise<void> {
  const staging = `${files.cluster}.new`; // renamed when complete, so a killed initdb leaves nothing that looks like data
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { mode: 0o700 });
  await giveTo(user, staging);
  await writeFile(files.password, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600 });
  await giveTo(user, files.password);
  await runTool(join(binaries, "bin", "initdb"), user, [
    `--pgdata=${staging}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${files.password}`,
    "--auth=scram-sha-256",
    "--data-checksums",
    "--encoding=UTF8",
    "--locale=C",
    "--no-instructions",
    "--no-sync", // the server's first checkpoint syncs; until the rename below there is nothing to lose
  ]);
  await rename(staging, files.cluster);
}

async function assertSameMajor(dataMajor: string, files: ClusterFiles, binaries: string): Promise<void> {
  const said = await runTool(join(binaries, "bin", "postgres"), { name: "", switchTo: undefined }, ["--version"]);
  const ourMajor = /\(PostgreSQL\) (\d+)/.exec(said)?.[1];
  if (ourMajor === dataMajor) return;
  throw new LocalPostgresError(
    `The data in ${files.cluster} were written by PostgreSQL ${dataMajor}, and this is PostgreSQL ${ourMajor ?? said.trim()}. Dump them with version ${dataMajor} and load them again, or move ${files.directory} away to begin with empty data.`,
  );
}

/** The environment of every PostgreSQL process: nothing of ours, so no secret and no locale of the caller's gets in. */
export const serverEnvironment = { PATH: process.platform === "win32" ? "" : "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };

const TOOL_DEADLINE_MS = 60_000;

function runTool(program: string, user: ServerUser, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...user.switchTo,
      cwd: "/",
      env: serverEnvironment,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: TOOL_DEADLINE_MS,
      killSignal: "SIGKILL",
    });
    let output = "";
    let errors = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    child.once("error", (cause) =>
      reject(new LocalPostgresError(`Cannot run ${program}: ${cause.message}`, { cause })),
    );
    child.once("close", (code, signal) => {
      if (code === 0) return resolve(output);
      const said = errors.trim().split("\n").filter(Boolean).slice(-2).join(" ");
      reject(new LocalPostgresError(`${program} ended with ${code ?? signal}: ${said || "no message"}`));
    });
  });
}

export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code === "EACCES" || code === "EPERM") {
      throw new LocalPostgresError(
        `${file} belongs to another user. Start Florin as the user that made it, or remove its directory to begin with empty data.`,
        { cause: error },
      );
    }
    throw error;
  }
}
