import { hkdfSync, randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StartError } from "./start-error.js";

/**
 * The one secret that this installation keeps: 32 random bytes in `<home>/keys/master.key`, mode 0600. Everything else is
 * derived from it by purpose (HKDF, RFC 5869), so no purpose can read what another sealed.
 */
export async function readMasterKey(home: string): Promise<Buffer> {
  const directory = join(home, "keys");
  const file = join(directory, "master.key");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  try {
    // "wx": of two processes that start at once, one writes and the other reads.
    await writeFile(file, randomBytes(32), { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  await chmod(file, 0o600);
  const key = await readFile(file);
  if (key.length !== 32)
    throw new StartError(
      `${file} is not a key of 32 bytes. Restore it from a backup; without it sealed data stays sealed.`,
    );
  return key;
}

export function deriveSecret(masterKey: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", masterKey, Buffer.alloc(0), `florin/${purpose}`, 32));
}
