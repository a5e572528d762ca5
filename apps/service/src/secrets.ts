import { hkdfSync, randomBytes } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StartError } from "./start-error.js";

const KEY_BYTES = 32;

/**
 * The one secret that an installation keeps: 32 random bytes in `<keys>/master.key`, mode 0600, the same for all its processes.
 * Everything else is derived from it by purpose (HKDF, RFC 5869), so no purpose can read what another sealed.
 */
export async function readMasterKey(directory: string): Promise<Buffer> {
  const file = masterKeyFile(directory);
  const key = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    throw new StartError(`There is no ${file}. Make the keys of this installation once: npm run keys -- ${directory}`);
  });
  if (key.length !== KEY_BYTES)
    throw new StartError(
      `${file} is not a key of ${KEY_BYTES} bytes. Restore it from a backup; without it sealed data stays sealed.`,
    );
  return key;
}

/** Makes the key unless there is one. Of processes that start at once, one makes it and all read the same. */
export async function ensureMasterKey(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeOnce(masterKeyFile(directory), randomBytes(KEY_BYTES));
}

/** The file appears whole or not at all, and what is there stays: a reader never meets half a secret. Mode 0600. */
export async function writeOnce(file: string, content: string | Uint8Array): Promise<void> {
  const draft = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  await writeFile(draft, content, { mode: 0o600, flag: "wx" });
  try {
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

export function deriveSecret(masterKey: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", masterKey, Buffer.alloc(0), `florin/${purpose}`, KEY_BYTES));
}

function masterKeyFile(directory: string): string {
  return join(directory, "master.key");
}
