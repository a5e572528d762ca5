import type { Logger } from "@florin/telemetry";

export interface RepeatingJob {
  /** No further round begins; resolves when the one that runs has ended. */
  stop(): Promise<void>;
}

/** Runs `work` every `everyMs`, one round at a time. A round that fails is logged, and the next one comes all the same. */
export function startRepeatingJob(
  name: string,
  everyMs: number,
  work: () => Promise<void>,
  logger: Logger,
): RepeatingJob {
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    if (running !== undefined) return;
    running = work()
      .catch((error: unknown) => logger.error({ job: name, err: error }, "A job failed; its next round comes in time."))
      .finally(() => {
        running = undefined;
      });
  }, everyMs);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
