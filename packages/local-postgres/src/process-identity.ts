import { execFile } from "node:child_process";
import { readFile, readlink, realpath } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // alive, another user's
  }
}

/** A pid alone is reused; the pid and the moment its process started are not. undefined when there is no such process. */
export async function identityOf(pid: number): Promise<string | undefined> {
  if (!isAlive(pid)) return undefined;
  if (process.platform === "linux") {
    const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
    // The name in parentheses may hold spaces; the 20th field behind it is the start time in ticks since boot.
    const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
    if (fields === undefined || fields[0] === "Z") return undefined;
    return `${pid} ${fields[19]}`;
  }
  const started = await run("ps", ["-o", "lstart=", "-p", String(pid)]).catch(() => undefined);
  return started === undefined ? undefined : `${pid} ${started.stdout.trim()}`;
}

export async function isSameProcess(identity: string): Promise<boolean> {
  const pid = Number(identity.split(" ")[0]);
  return Number.isInteger(pid) && pid > 0 && (await identityOf(pid)) === identity;
}

/** Is this pid a PostgreSQL server that works on this data directory? Asked before a signal is sent to a pid from a file. */
export async function isPostgresOf(pid: number, clusterDirectory: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const real = await realpath(clusterDirectory);
  if (process.platform === "linux") {
    const [name, directory] = await Promise.all([
      readFile(`/proc/${pid}/comm`, "utf8").catch(() => ""),
      readlink(`/proc/${pid}/cwd`).catch(() => ""), // a server's working directory is its data directory
    ]);
    return name.trim() === "postgres" && directory === real;
  }
  const command = await run("ps", ["-o", "command=", "-p", String(pid)]).catch(() => undefined);
  return command !== undefined && command.stdout.includes("postgres") && command.stdout.includes(clusterDirectory);
}
