import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { once } from "node:events";
import { finished } from "node:stream/promises";
import { CommandFailure } from "./command-failure.js";
import type { Terminal } from "./terminal.js";

/** Lines between `\n` and nothing else: what other readers take for an end of line may stand inside a record. */
export async function* readLines(file: string): AsyncGenerator<string> {
  let rest = "";
  const chunks: AsyncIterable<string> = createReadStream(file, { encoding: "utf8" });
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

export interface LineSink {
  write(text: string): Promise<void>;
  end(): Promise<void>;
}

/** A file, or the terminal when none is named. A file that is there is not written over: CommandFailure. */
export async function openSink(file: string | undefined, terminal: Terminal): Promise<LineSink> {
  if (file === undefined)
    return { write: (text) => Promise.resolve(terminal.write(text)), end: () => Promise.resolve() };
  const handle = await open(file, "wx", 0o600).catch((error: NodeJS.ErrnoException) => {
    throw new CommandFailure(1, `${file} cannot be written (${error.code ?? "?"}). Name a file that is not there yet.`);
  });
  const stream = handle.createWriteStream();
  stream.on("error", () => undefined); // told by whatever waits for it: the next drain, or the end
  return {
    async write(text) {
      if (!stream.write(text)) await once(stream, "drain");
    },
    async end() {
      stream.end();
      await finished(stream);
    },
  };
}
