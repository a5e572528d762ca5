import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";

/** The children of a process, by the system's own table. */
export async function childrenOf(pid: number): Promise<number[]> {
  const parents = process.platform === "linux" ? await readProc() : await askPs();
  return parents.filter((one) => one.parent === pid).map((one) => one.pid);
}

/** As when the machine is lost: the process and its children get SIGKILL at once, nobody says good-bye. */
export async function killTree(pid: number): Promise<void> {
  const pids = [pid, ...(await childrenOf(pid))];
  for (const each of pids) {
    try {
      process.kill(each, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // gone already
    }
  }
}

async function readProc(): Promise<{ pid: number; parent: number }[]> {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    names.map(async (name) => {
      const text = await readFile(`/proc/${name}/stat`, "utf8").catch(() => undefined);
      const parent = text?.slice(text.lastIndexOf(")") + 2).split(" ")[1];
      return parent === undefined ? [] : [{ pid: Number(name), parent: Number(parent) }];
    }),
  );
  return found.flat();
}

async function askPs(): Promise<{ pid: number; parent: number }[]> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid="]);
  return stdout
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([pid, parent]) => ({ pid: pid ?? 0, parent: parent ?? 0 }));
}
