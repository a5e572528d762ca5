import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { claimDirectory, clusterFiles, readIfThere } from "./cluster-directory.js";
import { isSameProcess } from "./process-identity.js";
import { findServerUser } from "./server-user.js";

/**
 * Removes `<parent>/<prefix>*`, data directories of runs that were killed before they could, and stops servers that still run
 * on them. A directory whose supervisor lives, or that has none on record yet, is left alone. Returns what was removed.
 */
export async function removeOwnedDirectories(parent: string, prefix: string): Promise<readonly string[]> {
  const user = await findServerUser();
  const removed: string[] = [];
  for (const name of await readdir(parent).catch(() => [])) {
    if (!name.startsWith(prefix)) continue;
    const files = clusterFiles(join(parent, name));
    const holder = await readIfThere(files.supervisor).catch(() => undefined); // another user's: not ours to judge
    if (holder === undefined || (await isSameProcess(holder))) continue;
    const isClaimed = await claimDirectory(files, user).then(
      () => true,
      () => false, // another run is removing it already
    );
    if (!isClaimed) continue;
    await rm(files.directory, { recursive: true, force: true });
    removed.push(files.directory);
  }
  return removed;
}
