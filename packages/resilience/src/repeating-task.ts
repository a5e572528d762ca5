export interface RepeatingTask {
  /** No further round begins; resolves when the one that runs has ended. */
  stop(): Promise<void>;
}

export interface RepeatingTaskOptions {
  /** Milliseconds from round to round; one that takes longer lets the next ones fall out. 0: never. */
  readonly everyMs: number;
  /** A round of several steps looks at `isStopped` between them. */
  readonly round: (isStopped: () => boolean) => Promise<void>;
  /** A round that fails ends; the next one comes in time all the same. */
  readonly onFailure: (error: unknown) => void;
  /** The first round begins at once. Default: after `everyMs`. */
  readonly startsNow?: boolean;
}

/** Runs rounds one at a time until it is stopped. Its timer keeps no process alive. */
export function startRepeatingTask(options: RepeatingTaskOptions): RepeatingTask {
  const { everyMs, round, onFailure, startsNow = false } = options;
  if (everyMs === 0) return { stop: () => Promise.resolve() };
  let running: Promise<void> | undefined;
  let isStopped = false;
  const begin = (): void => {
    running ??= round(() => isStopped)
      .catch(onFailure)
      .finally(() => (running = undefined));
  };
  if (startsNow) begin();
  const timer = setInterval(begin, everyMs);
  timer.unref();
  return {
    stop: async () => {
      isStopped = true;
      clearInterval(timer);
      await running;
    },
  };
}
