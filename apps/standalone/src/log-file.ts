import { createWriteStream, type WriteStream } from "node:fs";
import { mkdir, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";

const MAX_BYTES = 50 * 1024 * 1024;

/** The log of this installation, one JSON object a line. A file over 50 MiB moves aside at the start; one older file is kept. */
export async function openLogFile(file: string): Promise<WriteStream> {
  await mkdir(dirname(file), { recursive: true });
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size > MAX_BYTES) await rename(file, `${file}.old`);
  return createWriteStream(file, { flags: "a", mode: 0o600 });
}
