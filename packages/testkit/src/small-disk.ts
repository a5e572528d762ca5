import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface SmallDisk {
  readonly path: string;
  /** Room is made, or taken. */
  resize(bytes: number): Promise<void>;
  stop(): Promise<void>;
}

/** A file system of so many bytes (tmpfs), to be filled. Undefined where this process may not mount one. */
export async function startSmallDisk(bytes: number): Promise<SmallDisk | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const path = await mkdtemp(join(tmpdir(), "florin-small-disk-"));
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${bytes},mode=0777`, "tmpfs", path]);
  } catch {
    await rm(path, { recursive: true });
    return undefined;
  }
  await chmod(path, 0o777);
  return {
    path,
    resize: async (next) => {
      await run("mount", ["-o", `remount,size=${next}`, path]);
    },
    stop: async () => {
      await run("umount", [path]).catch(() => run("umount", ["--lazy", path])); // somebody may have a file open yet
      await rm(path, { recursive: true, force: true });
    },
  };
}
