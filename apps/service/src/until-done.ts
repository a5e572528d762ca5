import type { Logger } from "@florin/telemetry";

export interface UntilDone {
  isDone(): boolean;
  /** No further round begins. */
  stop(): void;
}

const LONGEST_PAUSE_MS = 15_000;

/** Runs `work` again and again until it succeeds once; the pause doubles up to 15 s. */
export function startUntilDone(name: string, pauseMs: number, work: () => Promise<void>, logger: Logger): UntilDone {
  let isDone = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  const round = async (pause: number): Promise<void> => {
    try {
      await work();
      isDone = true;
    } catch (error) {
      if (isStopped) return;
      logger.info({ job: name, err: error }, "not done yet; tried again in a moment");
      timer = setTimeout(() => void round(Math.min(pause * 2, LONGEST_PAUSE_MS)), pause);
    }
  };
  void round(pauseMs);
  return {
    isDone: () => isDone,
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
