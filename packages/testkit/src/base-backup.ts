import { chmod, chown, copyFile, mkdir, readdir, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { constants } from "node:fs";
import { join } from "node:path";
import { connectDatabase } from "@florin/db";

/** Their contents belong to the running server and not to the data; pg_basebackup leaves out the same. */
const EMPTY_IN_BACKUP = new Set([
  "pg_wal",
  "pg_replslot",
  "pg_dynshmem",
  "pg_notify",
  "pg_serial",
  "pg_snapshots",
  "pg_stat_tmp",
  "pg_subtrans",
]);
const NOT_IN_BACKUP = new Set(["postmaster.pid", "postmaster.opts", "backup_label", "standby.signal"]);

/**
 * A base backup of a running server by PostgreSQL's own interface (pg_backup_start … pg_backup_stop): the npm packages bring no
 * pg_basebackup. The log since its start is not copied, so a slot must hold it for the standby that begins here.
 */
export async function takeBaseBackup(url: string, from: string, to: string): Promise<void> {
  const database = connectDatabase({
    url,
    applicationName: "florin-base-backup",
    maxConnections: 1,
    deadlineMs: 120_000,
  });
  try {
    const label = await database.transaction(async (tx) => {
      await tx`set local idle_in_transaction_session_timeout = 0`;
      await tx`select pg_backup_start('florin', fast => true)`;
      await copyData(from, to, true);
      const [backup] = await tx<
        { labelfile: string }[]
      >`select labelfile from pg_backup_stop(wait_for_archive => false)`;
      return backup?.labelfile ?? "";
    });
    const file = join(to, "backup_label");
    await writeFile(file, label, { mode: 0o600 });
    await giveAsIn(from, file);
  } finally {
    await database.stop();
  }
}

/** A running server adds and removes files while we walk; what vanished needs no copy, the log brings the rest. */
async function copyData(from: string, to: string, isTop: boolean): Promise<void> {
  await mkdir(to, { recursive: true });
  await chmod(to, (await stat(from)).mode);
  await giveAsIn(from, to);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (isTop && NOT_IN_BACKUP.has(entry.name)) continue;
    if (isTop && EMPTY_IN_BACKUP.has(entry.name)) await copyDirectories(source, target);
    else await copyEntry(entry, source, target).catch(ignoreVanished);
  }
}

async function copyEntry(
  entry: { isDirectory(): boolean; isSymbolicLink(): boolean },
  source: string,
  target: string,
): Promise<void> {
  if (entry.isDirectory()) return copyData(source, target, false);
  if (entry.isSymbolicLink()) return symlink(await readlink(source), target);
  await copyFile(source, target, constants.COPYFILE_FICLONE);
  await giveAsIn(source, target);
}

async function copyDirectories(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await chmod(to, (await stat(from)).mode);
  await giveAsIn(from, to);
  const isSlots = from.endsWith("pg_replslot"); // a slot is a directory, and not the standby's
  for (const entry of isSlots ? [] : await readdir(from, { withFileTypes: true })) {
    if (entry.isDirectory()) await copyDirectories(join(from, entry.name), join(to, entry.name));
  }
}

/** As root the copy would be root's, and the server's user could not read it. */
export async function giveAsIn(model: string, path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(model);
  await chown(path, uid, gid);
}

function ignoreVanished(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}
