import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { say } from "./report.js";

/**
 * `npm run bench:ledger` lists the benches; `npm run bench:ledger -- <name>… | all [options]` runs them one after the other, each in a
 * process of its own, so that none inherits a heap or a compiled function, with the flags that `npm start` gives. Options go to each of
 * them: name one bench to use its own.
 */
const LOADER = join(import.meta.dirname, "../../scripts/register-typescript.mjs");

const benches: Readonly<Record<string, { readonly file: string; readonly shows: string }>> = {
  engine: {
    file: "engine.ts",
    shows: "L1–L4: transfers per second against pgbench, audit on and off, few callers, one hot account",
  },
  "balance-reads": {
    file: "balance-reads.mjs",
    shows: "L5: live balances through the reader that gathers across requests",
  },
  history: { file: "history.ts", shows: "L5, L6: balance at (V, K) and pages of 20 over 5 million postings" },
  replay: { file: "replay.ts", shows: "L7: balances built again from events, and from postings" },
  hooks: { file: "hooks.ts", shows: "L8: no hook, a built-in one, the same one uploaded" },
  growth: {
    file: "growth.ts",
    shows: "L9: throughput on books of 0, 1 and 10 million postings; index depths at 100 million",
  },
};

async function main(words: readonly string[]): Promise<number> {
  const firstOption = words.findIndex((word) => word.startsWith("--"));
  const asked = firstOption < 0 ? words : words.slice(0, firstOption);
  const options = firstOption < 0 ? [] : words.slice(firstOption);
  const unknown = asked.filter((name) => name !== "all" && benches[name] === undefined);
  if (asked.length === 0 || unknown.length > 0) {
    for (const name of unknown) say(`There is no bench ${name}.`);
    say(
      "npm run bench:ledger -- <name>… | all [--seconds S] [--runs N] [--seed N] …; --help after a name tells its options\n",
    );
    for (const [name, { shows }] of Object.entries(benches)) say(`  ${name.padEnd(14)} ${shows}`);
    return unknown.length > 0 ? 2 : 0;
  }
  let worst = 0;
  for (const name of asked.includes("all") ? Object.keys(benches) : asked) {
    say(`\n${name}`);
    const child = spawn(
      process.execPath,
      [
        "--max-semi-space-size=64",
        "--import",
        LOADER,
        join(import.meta.dirname, benches[name]?.file ?? name),
        ...options,
      ],
      { stdio: "inherit" },
    );
    const [code] = (await once(child, "exit")) as [number | null];
    worst = Math.max(worst, code ?? 1);
  }
  return worst;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  },
);
