import { readFile, rename, writeFile } from "node:fs/promises";

/** Remembers the highest timeline that was in use, so that a process that starts during a split brain knows it too. */
export interface TimelineFile {
  /** 0 when none was saved. Throws when the file holds something else: guessing would undo the fence. */
  load(): Promise<number>;
  /** Never goes back. */
  save(timeline: number): Promise<void>;
}

export function createTimelineFile(path: string | undefined): TimelineFile {
  let highest: number | undefined;
  const load = async (): Promise<number> => (highest ??= path === undefined ? 0 : await readTimeline(path));
  return {
    load,
    save: async (timeline) => {
      if (timeline <= (await load())) return;
      if (path !== undefined) {
        const staging = `${path}.${process.pid}`; // renamed when whole: a killed write leaves the old one
        await writeFile(staging, `${timeline}\n`, { mode: 0o600, flush: true });
        await rename(staging, path);
      }
      highest = timeline;
    },
  };
}

async function readTimeline(path: string): Promise<number> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "0";
    throw error;
  });
  if (!/^\d{1,9}\s*$/.test(text)) {
    throw new Error(
      `${path} must hold the number of a timeline and nothing else. Write the primary's there (docs/failover.md), or remove the file.`,
    );
  }
  return Number(text);
}
