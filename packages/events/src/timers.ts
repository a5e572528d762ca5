/** Time as the bus and the relay use it, passed in so that tests can turn the clock themselves. */
export interface Timers {
  /** Milliseconds on a scale that never goes back; only differences mean something. */
  now(): number;
  /** Calls `work` once after `delayMs`; the function returned cancels it. */
  after(delayMs: number, work: () => void): () => void;
}

export const systemTimers: Timers = {
  now: () => performance.now(),
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or at once when `cancel` is called. */
export function pause(timers: Timers, delayMs: number): { readonly over: Promise<void>; cancel(): void } {
  let end: () => void = () => {};
  const over = new Promise<void>((resolve) => (end = resolve));
  const stopTimer = timers.after(delayMs, end);
  return {
    over,
    cancel: () => {
      stopTimer();
      end();
    },
  };
}
