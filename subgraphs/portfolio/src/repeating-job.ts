import { startRepeatingTask, type RepeatingTask } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";

/** A repeating task of this area: a round that fails is logged under its name. */
export function startRepeatingJob(
  name: string,
  everyMs: number,
  work: () => Promise<void>,
  logger: Logger,
): RepeatingTask {
  return startRepeatingTask({
    everyMs,
    round: work,
    onFailure: (error) => logger.error({ job: name, err: error }, "A job failed; its next round comes in time."),
  });
}
