import { setTimeout as delay } from "node:timers/promises";

export interface RetryOptions {
  /** The budget: how often it is tried in all, the first time included. At least 1. */
  readonly attempts: number;
  /** Upper end of the first pause; it doubles with each further one. */
  readonly baseMs: number;
  /** Upper end of any pause. */
  readonly maxMs: number;
  /** Uniform in [0, 1). Passed in, so that tests know the pauses. */
  readonly random: () => number;
  /** Is another try worth it after this failure? Say no to anything whose effect is unknown and not idempotent. */
  readonly shouldRetry: (error: unknown) => boolean;
  /** Stops waiting; the last failure is thrown. */
  readonly signal?: AbortSignal;
  /** Pauses; default is a timer of Node. */
  readonly sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

/**
 * Tries until it works, the budget is used up or the failure is not worth another try; then throws the last failure.
 * Pauses are drawn uniformly between 0 and the upper end ("full jitter"), so that many callers who failed together do not
 * come back together.
 */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const sleep = options.sleep ?? sleepOnTimer;
  const isCalledOff = () => options.signal?.aborted === true;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt >= options.attempts || isCalledOff() || !options.shouldRetry(error)) throw error;
      await sleep(planPauseMs(attempt, options), options.signal);
      if (isCalledOff()) throw error;
    }
  }
}

/** The pause after the n-th failure (n from 1). For loops that retry by themselves: a relay, a consumer. */
export function planPauseMs(failures: number, options: Pick<RetryOptions, "baseMs" | "maxMs" | "random">): number {
  // 2^52 is past any sensible maxMs and still finite.
  const upperEnd = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(failures - 1, 52));
  return Math.floor(options.random() * upperEnd);
}

async function sleepOnTimer(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(ms, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
    if (signal?.aborted !== true) throw error;
  });
}
