import { banner, runUntilSignal, StartError } from "@florin/service";
import { readEnvironment } from "./environment.js";
import { startPlatform } from "./platform.js";

// `npm start`. Exit codes: 0 stopped cleanly, 1 could not start or had to give up.

const STOP_DEADLINE_MS = 10_000;

function print(text: string): void {
  process.stdout.write(text);
}

function giveUp(error: unknown): never {
  const isExpected = error instanceof StartError;
  process.stderr.write(
    isExpected
      ? `florin: ${error.message}\n`
      : `florin: could not start.\n${String(error instanceof Error ? error.stack : error)}\n`,
  );
  process.exit(1);
}

async function run(): Promise<void> {
  const begun = performance.now();
  const environment = readEnvironment();
  const platform = await startPlatform(environment, { onProgress: (step) => print(`  ${step}\n`) });
  print(banner({ ...platform.facts, url: platform.url, startedInMs: performance.now() - begun }));
  runUntilSignal(platform, {
    drainMs: environment.drainMs,
    deadlineMs: STOP_DEADLINE_MS,
    onStopping: () => print("\n  stopping: finishing what is under way\n"),
    onStopped: () => print("  stopped\n"),
    onFailure: (error) => process.stderr.write(`florin: did not stop in order: ${String(error)}\n`),
  });
}

// Whoever read our output may leave before us; that is no reason to end.
process.stdout.on("error", () => undefined);
run().catch(giveUp);
