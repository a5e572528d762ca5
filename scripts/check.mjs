// `npm run check`: the cheap proofs in order, fastest first; stops at the first that fails.
import { spawnSync } from "node:child_process";

const steps = [
  ["format", ["npx", "--no-install", "prettier", "--check", "."]],
  ["supergraph", ["node", "scripts/compose.mjs", "--check"]],
  ["types", ["npm", "run", "--silent", "typecheck"]],
  ["architecture", ["npm", "run", "--silent", "architecture"]],
  ["lint", ["npm", "run", "--silent", "lint"]],
  ["dead code", ["npm", "run", "--silent", "deadcode"]],
];
for (const [name, [command, ...args]] of steps) {
  const begun = performance.now();
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  if (status !== 0) {
    console.error(`${name} failed; the lines above say where.`);
    process.exit(1);
  }
  console.log(`${name.padEnd(14)} ok  ${((performance.now() - begun) / 1000).toFixed(1)} s`);
}
