import { bulkhead, BulkheadRejectedError } from "cockatiel";
import { temporarilyUnavailable } from "@florin/kernel";

export interface BulkheadOptions {
  /** How many run at once. */
  readonly concurrency: number;
  /** How many may wait for their turn; the next is refused at once. */
  readonly queue: number;
  /** How long one may wait for its turn. Time spent running is not counted: that is for `withDeadline`. */
  readonly waitMs: number;
  /** What a refused caller is told to wait before the next try. Default: `waitMs`. */
  readonly retryAfterMs?: number;
}

export interface Bulkhead {
  /**
   * Runs the work when it is its turn. Rejects with RequestError TEMPORARILY_UNAVAILABLE when the queue is full or the turn does not
   * come in time; the work was not started then and never will be.
   */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Running and waiting now, for metrics. */
  counts(): { readonly running: number; readonly waiting: number };
}

/** Keeps one kind of costly work (password hashes, reports) from starving everything else. First come, first served. */
export function createBulkhead(options: BulkheadOptions): Bulkhead {
  const policy = bulkhead(options.concurrency, options.queue);
  const refusal = () => temporarilyUnavailable(options.retryAfterMs ?? options.waitMs);
  let running = 0;

  /**
   * A caller that gave up keeps its place until its turn comes and then passes it on. The library's own cancelling is not used: a
   * cancelled task at the head of its queue takes the turn and hands it to nobody, so those behind it could wait for ever.
   */
  function run<T>(work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let hasGivenUp = false;
      let timer: NodeJS.Timeout | undefined;
      const turn = policy.execute(async () => {
        if (hasGivenUp) return;
        clearTimeout(timer);
        running++;
        try {
          resolve(await work());
        } catch (error) {
          reject(error);
        } finally {
          running--;
        }
      });
      // The work's own failures never reach this; what does is the bulkhead's refusal.
      turn.catch((error: unknown) => {
        clearTimeout(timer);
        reject(error instanceof BulkheadRejectedError ? refusal() : error);
      });
      if (policy.queueSlots < options.queue) {
        timer = setTimeout(() => {
          hasGivenUp = true;
          reject(refusal());
        }, options.waitMs);
      }
    });
  }

  return { run, counts: () => ({ running, waiting: options.queue - policy.queueSlots }) };
}
