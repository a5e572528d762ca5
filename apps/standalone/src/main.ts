import { banner } from "./banner.js";
import { readEnvironment } from "./environment.js";
import { startPlatform, type Platform } from "./platform.js";
import { StartError } from "./start-error.js";

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
  stopOnSignals(platform);
}

// Whoever read our output may leave before us; that is no reason to end.
process.stdout.on("error", () => undefined);

function stopOnSignals(platform: Platform): void {
  let isStopping = false;
  const stop = (): void => {
    if (isStopping) return;
    isStopping = true;
    print("\n  stopping: finishing what is under way\n");
    // Whatever hangs, the process ends: PostgreSQL keeps what was acknowledged.
    setTimeout(() => process.exit(1), STOP_DEADLINE_MS + 2_000).unref();
    platform.stop(STOP_DEADLINE_MS).then(
      () => {
        print("  stopped\n");
        process.exit(0);
      },
      (error: unknown) => giveUp(error),
    );
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
}

run().catch(giveUp);
