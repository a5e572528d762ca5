// `npm start`: builds what changed, then becomes the platform (apps/standalone). Signals go to the platform alone.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { build } from "./build.mjs";

build();
const main = fileURLToPath(new URL("../apps/standalone/dist/main.js", import.meta.url));
const platform = spawn(process.execPath, ["--enable-source-maps", "--max-semi-space-size=64", main], {
  stdio: "inherit",
});
// Ctrl-C reaches the whole process group already; a SIGTERM reaches only this process and is passed on.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => platform.kill("SIGTERM"));
platform.on("exit", (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
