#!/usr/bin/env node
// What npm links; the commands themselves are built into dist.
import { existsSync } from "node:fs";

if (existsSync(new URL("../dist/index.js", import.meta.url))) {
  const { runFlorin, readEnvironment } = await import("../dist/index.js");
  process.exitCode = await runFlorin(process.argv.slice(2), {
    environment: readEnvironment(),
    write: (text) => process.stdout.write(text),
    writeError: (text) => process.stderr.write(text),
  });
} else {
  process.stderr.write("florin is not built yet. Run `npm run build` in the checkout first.\n");
  process.exitCode = 1;
}
