import type { Timers } from "./timers.js";

interface Waiter {
  readonly position: bigint;
  settle(isReached: boolean): void;
}

/** Readers that wait for a group to reach a position (consistency tokens). Bounded; each waits no longer than its own deadline. */
export class PositionWaiters {
  readonly #timers: Timers;
  readonly #limit: number;
  readonly #waiters = new Set<Waiter>();
  /** Lower than this nobody waits: most events pass without a look at the waiters. */
  #lowest: bigint | undefined;

  constructor(timers: Timers, limit: number) {
    this.#timers = timers;
    this.#limit = limit;
  }

  get size(): number {
    return this.#waiters.size;
  }

  /** false when the deadline passes first, or at once when too many wait already. */
  wait(position: bigint, deadlineMs: number): Promise<boolean> {
    if (deadlineMs <= 0 || this.#waiters.size >= this.#limit) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (isReached: boolean): void => {
        cancel();
        this.#waiters.delete(waiter);
        resolve(isReached);
      };
      const cancel = this.#timers.after(deadlineMs, () => settle(false));
      const waiter: Waiter = { position, settle };
      this.#waiters.add(waiter);
      if (this.#lowest === undefined || position < this.#lowest) this.#lowest = position;
    });
  }

  reached(position: bigint): void {
    if (this.#lowest === undefined || position < this.#lowest) return;
    this.#lowest = undefined;
    for (const waiter of [...this.#waiters]) {
      if (waiter.position <= position) waiter.settle(true);
      else if (this.#lowest === undefined || waiter.position < this.#lowest) this.#lowest = waiter.position;
    }
  }

  /** Nobody will be told any more. */
  giveUp(): void {
    for (const waiter of [...this.#waiters]) waiter.settle(false);
  }
}
