import type { Timers } from "../src/timers.js";

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly work: () => void;
}

/** Time that passes only when nothing else can happen, so minutes of retries take milliseconds and come in one order per seed. */
export class VirtualTimers implements Timers {
  #now = 0;
  #order = 0;
  readonly #pending = new Set<Pending>();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, work: () => void): () => void {
    const entry = { at: this.#now + delayMs, order: this.#order++, work };
    this.#pending.add(entry);
    return () => this.#pending.delete(entry);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve));
  }

  /** Lets time pass until `isDone`. Throws when nothing is left that could happen, or when more happens than any test needs. */
  async runUntil(isDone: () => boolean, onStep: () => void = () => {}): Promise<void> {
    for (let steps = 0; steps < 100_000; steps++) {
      await microtasks();
      onStep();
      if (isDone()) return;
      const next = [...this.#pending].reduce<Pending | undefined>((first, entry) => earlier(first, entry), undefined);
      if (next === undefined) throw new Error("nothing is left that could happen, and it is not done");
      this.#pending.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.work();
    }
    throw new Error("not done after 100000 steps");
  }
}

function earlier(first: Pending | undefined, entry: Pending): Pending {
  if (first === undefined || entry.at < first.at) return entry;
  return entry.at === first.at && entry.order < first.order ? entry : first;
}

/** Everything that promises alone can bring about has happened after this. */
export function microtasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
