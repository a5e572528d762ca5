import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startTestCluster } from "@florin/testkit";
import { runBank } from "./bank.js";
import { runFailover } from "./failover.js";
import { runFaultPoints } from "./fault-points.js";
import { runHolds } from "./holds.js";
import { runListAppend } from "./list-append.js";
import { runRedisLoss } from "./redis-loss.js";
import { formatReport } from "./report-table.js";
import { runRollingRestart } from "./rolling-restart.js";
import { runTwoWriters } from "./two-writers.js";

/**
 * `npm run chaos` lists the scenarios, `npm run chaos -- <name>… | all` runs their long forms one after the other. Each ends with a table
 * for people and one line of JSON; the exit code is 1 when anything was violated. With `--control` the protection that a scenario
 * is about is off, and finding nothing is the failure.
 */
interface ScenarioOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly seconds?: number;
  readonly control?: boolean;
  readonly onProgress: (line: string) => void;
  readonly saveTo: string;
}

interface Scenario {
  readonly shows: string;
  /** What a round is, and how many the long form has. */
  readonly rounds: string;
  readonly long: number;
  readonly run: (options: ScenarioOptions) => Promise<{ readonly violations: readonly string[] }>;
}

const scenarios: Readonly<Record<string, Scenario>> = {
  bank: {
    shows: "every read of all accounts adds up, whatever dies meanwhile",
    ...{ rounds: "reads", long: 100_000, run: runBank },
  },
  holds: {
    shows: "what many clients do to one hold has one legal outcome, whatever dies meanwhile",
    ...{ rounds: "operations", long: 50_000, run: runHolds },
  },
  "list-append": {
    shows: "the public graph is strictly serializable, whatever dies meanwhile",
    ...{ rounds: "transactions", long: 200_000, run: runListAppend },
  },
  "two-writers": {
    shows: "a writer that is killed, cut off or frozen neither loses nor doubles",
    ...{ rounds: "blows", long: 200, run: runTwoWriters },
  },
  "fault-points": {
    shows: "a process may die at every named point",
    ...{ rounds: "kills of each point", long: 100, run: runFaultPoints },
  },
  "redis-loss": {
    shows: "Redis may lose everything it has",
    ...{ rounds: "losses of each kind", long: 20, run: runRedisLoss },
  },
  failover: {
    shows: "the primary may die: nothing acknowledged is lost (its asynchronous control is one of its modes)",
    ...{ rounds: "failovers of each mode", long: 20, run: runFailover },
  },
  "rolling-restart": {
    shows: "every process is restarted in turn, and clients only ask again",
    ...{ rounds: "rounds of restarts", long: 20, run: runRollingRestart },
  },
};

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: "string" },
      seconds: { type: "string" },
      seed: { type: "string" },
      control: { type: "boolean", default: false },
    },
  });
  const names = positionals.includes("all") ? Object.keys(scenarios) : positionals;
  const unknown = names.filter((name) => scenarios[name] === undefined);
  if (names.length === 0 || unknown.length > 0) {
    list(unknown);
    return unknown.length > 0 ? 2 : 0;
  }
  const seed = toCount("seed", values.seed) ?? Math.floor(Math.random() * 1_000_000);
  const seconds = toCount("seconds", values.seconds);
  const rounds = toCount("rounds", values.rounds);
  const cluster = await startTestCluster();
  // As jest's set-up does: createTestDatabase looks there.
  process.env["FLORIN_TEST_CLUSTER_URL"] = cluster.url;
  try {
    let isGood = true;
    for (const name of names)
      isGood = (await runOne(name, { rounds, seconds, seed, isControl: values.control })) && isGood;
    return isGood ? 0 : 1;
  } finally {
    await cluster.stop();
  }
}

async function runOne(
  name: string,
  asked: {
    readonly rounds: number | undefined;
    readonly seconds: number | undefined;
    readonly seed: number;
    readonly isControl: boolean;
  },
): Promise<boolean> {
  const scenario = scenarios[name];
  if (scenario === undefined) return false;
  const rounds = asked.rounds ?? scenario.long;
  const { seed, seconds, isControl } = asked;
  say(`\n${name}: ${rounds} ${scenario.rounds}, seed ${seed}${isControl ? ", protection off" : ""}`);
  const startedAt = performance.now();
  const report = await scenario.run({
    ...{ rounds, seed, control: isControl },
    ...(seconds === undefined ? {} : { seconds }),
    onProgress: (line) => say(`  ${Math.round((performance.now() - startedAt) / 1_000)} s  ${line}`),
    saveTo: join(tmpdir(), "florin-chaos"),
  });
  say(formatReport(name, report));
  say(JSON.stringify({ scenario: name, control: isControl, ...report }));
  const isRed = report.violations.length > 0;
  if (isControl && !isRed) say(`${name}: nothing was found with the protection off. The scenario proves nothing.`);
  return isRed === isControl;
}

function list(unknown: readonly string[]): void {
  for (const name of unknown) say(`There is no scenario ${name}.`);
  say("npm run chaos -- <name>… | all   [--rounds N] [--seconds S] [--seed N] [--control]\n");
  for (const [name, { shows, long, rounds }] of Object.entries(scenarios))
    say(`  ${name.padEnd(16)} ${shows}; ${long} ${rounds}`);
}

function toCount(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`--${name} is a whole number from 1, not "${text}".`);
  return Number(text);
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${String(error instanceof Error ? error.stack : error)}\n`);
    process.exit(1);
  },
);
