import { temporarilyUnavailable } from "@florin/kernel";

export interface Gate {
  /** Runs `work` when there is room. Rejects with TEMPORARILY_UNAVAILABLE, `work` never begun, when there is none in time. */
  run<T>(work: () => Promise<T>): Promise<T>;
}

interface Waiting {
  readonly admit: () => void;
  readonly timer: NodeJS.Timeout;
}

/** At most `maxRunning` at once, at most `maxWaiting` behind them in order of arrival, none for longer than `waitMs`. */
export function createGate(maxRunning: number, maxWaiting: number, waitMs: number): Gate {
  const waiting = new Set<Waiting>();
  let running = 0;

  const enter = (): Promise<void> | undefined => {
    if (running < maxRunning) {
      running++;
      return undefined;
    }
    if (waiting.size >= maxWaiting) throw temporarilyUnavailable(waitMs);
    return new Promise((admit, refuse) => {
      const timer = setTimeout(() => {
        waiting.delete(entry);
        refuse(temporarilyUnavailable(waitMs));
      }, waitMs);
      const entry: Waiting = { admit, timer };
      waiting.add(entry);
    });
  };
  const leave = (): void => {
    const [next] = waiting;
    if (next === undefined) {
      running--;
      return;
    }
    waiting.delete(next); // its place passes on, so `running` stays
    clearTimeout(next.timer);
    next.admit();
  };

  return {
    run: async (work) => {
      await enter();
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}
