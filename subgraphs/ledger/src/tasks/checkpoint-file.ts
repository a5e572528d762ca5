import { parseCheckpoint, type Checkpoint } from "@florin/audit";
import { open, readFile, writeFile } from "node:fs/promises";

/**
 * The second place of the audit's checkpoints, outside the database (AUD-2): one JSON line each, `{"checkpoint":"<signed note>"}`, only ever
 * appended to, each on the disk before the next. Give it a disk that whoever can change the database cannot write, or ship it away.
 */
export interface CheckpointFile {
  /** The last one that is whole; undefined when there is none. Lines that a crash cut off are passed over. */
  last(): Promise<Checkpoint | undefined>;
  append(notes: readonly string[]): Promise<void>;
}

export function openCheckpointFile(path: string): CheckpointFile {
  return {
    async last() {
      const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return "";
        throw error;
      });
      const whole = text
        .split("\n")
        .map(toCheckpoint)
        .filter((found) => found !== undefined);
      return whole.at(-1);
    },
    async append(notes) {
      const file = await open(path, "a+", 0o600);
      try {
        const { size } = await file.stat();
        const end = size === 0 ? "\n" : (await file.read(Buffer.alloc(1), 0, 1, size - 1)).buffer.toString("latin1");
        // After a line that a crash cut off, the next one still stands alone.
        const lines = notes.map((note) => `${JSON.stringify({ checkpoint: note })}\n`).join("");
        await file.appendFile(end === "\n" ? lines : `\n${lines}`);
        await file.sync();
      } finally {
        await file.close();
      }
    },
  };
}

function toCheckpoint(line: string): Checkpoint | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null || !("checkpoint" in value)) return undefined;
    return typeof value.checkpoint === "string" ? parseCheckpoint(value.checkpoint) : undefined;
  } catch {
    return undefined;
  }
}

/** The public key beside the checkpoints, for whoever verifies on this machine. Others are given it by another way. */
export async function writeVerifierKey(path: string, verifierKey: string): Promise<void> {
  await writeFile(`${path}.key`, `${verifierKey}\n`, { mode: 0o644 });
}
