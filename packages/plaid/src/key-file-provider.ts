import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { open, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { KEY_BYTES } from "./aes-gcm.js";
import { KEK_ID, KeyError, unwrapWith, wrapWith, type KeyProvider } from "./key-provider.js";

/**
 * Keys in a file of one's own, mode 0600: `{"current": "kek-…", "keys": {"kek-…": "<32 bytes, base64>"}}`.
 *
 * Turning to a new key: `addKek` writes the file anew with one key more, now current; every process notices at its next wrap, or when it
 * meets a key that it does not know. Then everything is wrapped anew (`TokenVault.rewrap`), and only then may the old key go.
 */
export function createKeyFileProvider(options: {
  readonly path: string;
  /** Says that this file is kept like a production key: out of the image, out of backups, for this service's user alone. */
  readonly isProductionGrade?: boolean;
}): KeyProvider {
  let ring: Keyring | undefined;

  async function load(): Promise<Keyring> {
    ring = await readKeyring(options.path);
    return ring;
  }
  async function loadIfChanged(): Promise<Keyring> {
    if (ring === undefined) return load();
    const { mtimeMs, ino } = await stat(options.path);
    return mtimeMs === ring.mtimeMs && ino === ring.ino ? ring : load();
  }

  return {
    grade: options.isProductionGrade === true ? "production" : "development",
    currentKekId: async () => (await loadIfChanged()).current,
    wrap: async (dek, aad) => {
      const { current, keys } = await loadIfChanged();
      return { kekId: current, wrappedDek: wrapWith(keyOf(keys, current, options.path), dek, aad) };
    },
    unwrap: async (kekId, wrappedDek, aad) => {
      const known = ring?.keys.has(kekId) === true ? ring : await loadIfChanged();
      return unwrapWith(keyOf(known.keys, kekId, options.path), kekId, wrappedDek, aad);
    },
  };
}

/**
 * Adds a random key, makes it current and returns its id; makes the file where there is none. The file is replaced as a whole, so a
 * crash leaves the old one or the new one. One caller at a time: it holds `<path>.new` meanwhile, and throws when somebody else does.
 */
export async function addKek(path: string, kekId: string): Promise<string> {
  if (!KEK_ID.test(kekId)) throw new KeyError("BAD_KEY_FILE", "A key id has 1 to 64 letters, digits and ._-");
  const temporary = `${path}.new`;
  const file = await open(temporary, "wx", 0o600).catch((error: unknown) => {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    throw new KeyError(
      "BAD_KEY_FILE",
      `${temporary} is there: a key is being added. Delete it where that is long ago.`,
    );
  });
  try {
    const known = (await isThere(path)) ? await readKeyring(path) : undefined;
    if (known?.keys.has(kekId) === true)
      throw new KeyError("BAD_KEY_FILE", `${path} has a key ${kekId} already; give the new one another id.`);
    const keys = new Map(known?.keys ?? []).set(kekId, randomBytes(KEY_BYTES));
    const texts = [...keys].map(([id, key]) => [id, Buffer.from(key).toString("base64")]);
    await file.writeFile(`${JSON.stringify({ current: kekId, keys: Object.fromEntries(texts) }, undefined, 2)}\n`);
    await file.sync();
    await rename(temporary, path);
    // Before anything is sealed with it: a key that a power cut takes away takes the tokens with it.
    await syncDirectory(dirname(path));
    return kekId;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

interface Keyring {
  readonly current: string;
  readonly keys: ReadonlyMap<string, Uint8Array>;
  readonly mtimeMs: number;
  readonly ino: number;
}

const keyringFile = z.strictObject({
  current: z.string().regex(KEK_ID),
  keys: z.record(z.string().regex(KEK_ID), z.base64()),
});
const MAX_FILE_BYTES = 1_000_000;

async function readKeyring(path: string): Promise<Keyring> {
  const file = await openKeyFile(path);
  try {
    const { mode, size, mtimeMs, ino } = await file.stat();
    if ((mode & 0o077) !== 0)
      throw new KeyError("BAD_KEY_FILE", `${path} can be read by others than its owner. Run: chmod 600 ${path}`);
    if (size > MAX_FILE_BYTES) throw new KeyError("BAD_KEY_FILE", `${path} is too large to be a file of keys.`);
    return { ...parseKeyring(await file.readFile("utf8"), path), mtimeMs, ino };
  } finally {
    await file.close();
  }
}

async function openKeyFile(path: string): Promise<FileHandle> {
  try {
    // No symbolic link: whoever may write the directory of its target would choose our keys.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    throw new KeyError(
      "BAD_KEY_FILE",
      `${path} cannot be opened as a file of keys. Give this service's user a file (no link) of mode 0600.`,
    );
  }
}

/** Never quotes what it read. */
function parseKeyring(text: string, path: string): Pick<Keyring, "current" | "keys"> {
  const wrong = () =>
    new KeyError("BAD_KEY_FILE", `${path} is not {"current": id, "keys": {id: 32 bytes in base64}}. Restore it.`);
  let parsed;
  try {
    parsed = keyringFile.parse(JSON.parse(text));
  } catch {
    throw wrong();
  }
  const keys = new Map(Object.entries(parsed.keys).map(([id, key]) => [id, Buffer.from(key, "base64")] as const));
  if (!keys.has(parsed.current) || [...keys.values()].some((key) => key.length !== KEY_BYTES)) throw wrong();
  return { current: parsed.current, keys };
}

function keyOf(keys: ReadonlyMap<string, Uint8Array>, kekId: string, path: string): Uint8Array {
  const key = keys.get(kekId);
  if (key === undefined)
    throw new KeyError("UNKNOWN_KEK", `There is no key ${kekId} in ${path}. Restore the file that has it.`);
  return key;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
