// `npm test`: everything a newcomer can run. Builds, then one jest run over every package with a real PostgreSQL from npm.
// Arguments go to jest: `npm test -- packages/kernel`. `npm run coverage` is the same with what is covered, and takes a fifth longer.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { build } from "./build.mjs";

build();
const root = fileURLToPath(new URL("../", import.meta.url));
const jest = fileURLToPath(new URL("../node_modules/jest/bin/jest.js", import.meta.url));
const given = process.argv.slice(2);
const args = ["--experimental-vm-modules", "--no-warnings", jest, ...given];
const env = { ...process.env, APOLLO_TELEMETRY_DISABLED: "1" };
process.exit(spawnSync(process.execPath, args, { cwd: root, env, stdio: "inherit" }).status ?? 1);
