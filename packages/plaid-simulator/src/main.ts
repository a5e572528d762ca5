#!/usr/bin/env node
import { readEnvironment } from "./environment.js";
import { startPlaidSimulator } from "./start-simulator.js";

// `plaid-sim`. Exit codes: 0 stopped cleanly, 1 could not start.

function complain(problem: unknown): void {
  process.stderr.write(
    `plaid-sim: ${problem instanceof Error ? (problem.stack ?? problem.message) : String(problem)}\n`,
  );
}

async function run(): Promise<void> {
  const simulator = await startPlaidSimulator({ ...readEnvironment(), onProblem: complain });
  process.stdout.write(`plaid-sim: listening on ${simulator.url}\n`);
  const stop = () => {
    simulator.stop().then(
      () => process.exit(0),
      (problem: unknown) => {
        complain(problem);
        process.exit(1);
      },
    );
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
}

run().catch((problem: unknown) => {
  process.stderr.write(`plaid-sim: could not start: ${problem instanceof Error ? problem.message : String(problem)}\n`);
  process.exit(1);
});
