import { chown, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { LocalPostgresError } from "./local-postgres-error.js";

/**
 * Who runs the server. PostgreSQL refuses uid 0, so as root it runs as a user that the machine already has; we never create one.
 */
export interface ServerUser {
  readonly name: string;
  /** undefined: this process's own user, nothing to switch. */
  readonly switchTo: { readonly uid: number; readonly gid: number } | undefined;
}

export async function findServerUser(): Promise<ServerUser> {
  const uid = process.getuid?.();
  if (uid !== 0) return { name: uid === undefined ? "current user" : `uid ${uid}`, switchTo: undefined };
  const entries = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const entry = entries.find((fields) => fields[0] === name);
    if (entry !== undefined) return { name, switchTo: { uid: Number(entry[2]), gid: Number(entry[3]) } };
  }
  throw new LocalPostgresError(
    'PostgreSQL does not run as root, and this machine has neither a user "postgres" nor "nobody" to run it as. Start Florin as a normal user.',
  );
}

/** Can the user reach and enter this directory? Looks at every ancestor: one with mode 0700 of another user is enough to fail. */
export async function canEnter(user: ServerUser, directory: string): Promise<boolean> {
  if (user.switchTo === undefined) return true;
  for (let current = directory; ; current = dirname(current)) {
    const info = await stat(current).catch(() => undefined);
    // What does not exist yet will be made by us, with the right owner; its ancestors decide.
    if (info !== undefined && !hasBits(info, user.switchTo, 0o1)) return false;
    if (current === dirname(current)) return true;
  }
}

/** May the user read and execute this file? Its ancestors are `canEnter`'s part. */
export async function canExecute(user: ServerUser, file: string): Promise<boolean> {
  return user.switchTo === undefined || hasBits(await stat(file), user.switchTo, 0o5);
}

export async function giveTo(user: ServerUser, path: string): Promise<void> {
  if (user.switchTo !== undefined) await chown(path, user.switchTo.uid, user.switchTo.gid);
}

function hasBits(
  info: { readonly mode: number; readonly uid: number; readonly gid: number },
  who: { readonly uid: number; readonly gid: number },
  bits: number,
): boolean {
  // The kernel looks at one class only: an owner without the bit is refused even when others have it.
  const shift = info.uid === who.uid ? 6 : info.gid === who.gid ? 3 : 0;
  return ((info.mode >> shift) & bits) === bits;
}
