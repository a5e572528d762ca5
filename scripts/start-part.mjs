// `npm run start:gateway|start:accounts|start:ledger|start:all`, `npm run keys -- <directory>`: builds what changed, then becomes
// that part (apps/service). Signals go to the part alone, once.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { build } from "./build.mjs";

build();
const main = fileURLToPath(new URL("../apps/service/dist/main.js", import.meta.url));
const part = spawn(
  process.execPath,
  ["--enable-source-maps", "--max-semi-space-size=64", main, ...process.argv.slice(2)],
  { stdio: "inherit" },
);
// Ctrl-C reaches the whole process group already; a SIGTERM reaches only this process and is passed on.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => part.kill("SIGTERM"));
part.on("exit", (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
