export interface Waiters<T> {
  /**
   * The value that `settle` brings for this key, or undefined when it does not come within `timeoutMs`, when too many wait already, or
   * when waiting was stopped: "not known yet", so answer PENDING. Start to wait before looking at the present state, or
   * the news may come between the look and the wait.
   */
  wait(key: string, timeoutMs: number): Promise<T | undefined>;
  /** Wakes everybody who waits for this key, and says how many that were. Nothing is kept for those who come later. */
  settle(key: string, value: T): number;
  /** Is anybody waiting for this key? Spares the reader a query when not. */
  has(key: string): boolean;
  /** Keys that somebody waits for now, for the gathered poll. */
  keys(): readonly string[];
  /** How many wait now. */
  size(): number;
  /** Wakes everybody with undefined; who comes later is not made to wait. */
  stop(): void;
}

/** People who wait for the outcome of an operation, by key. Bounded: `limit` waiters in all, each with its own deadline. */
export function createWaiters<T>(options: { readonly limit?: number } = {}): Waiters<T> {
  const limit = options.limit ?? 10_000;
  const byKey = new Map<string, Set<(value: T | undefined) => void>>();
  let size = 0;
  let isStopped = false;

  function wait(key: string, timeoutMs: number): Promise<T | undefined> {
    if (isStopped || size >= limit || !(timeoutMs > 0)) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const wakers = byKey.get(key) ?? new Set();
      byKey.set(key, wakers);
      const wake = (value: T | undefined) => {
        clearTimeout(timer);
        wakers.delete(wake);
        if (wakers.size === 0 && byKey.get(key) === wakers) byKey.delete(key);
        size--;
        resolve(value);
      };
      const timer = setTimeout(() => wake(undefined), timeoutMs);
      wakers.add(wake);
      size++;
    });
  }

  function settle(key: string, value: T | undefined): number {
    const wakers = [...(byKey.get(key) ?? [])];
    for (const wake of wakers) wake(value);
    return wakers.length;
  }

  function stop(): void {
    isStopped = true;
    for (const key of [...byKey.keys()]) settle(key, undefined);
  }

  return { wait, settle, has: (key) => byKey.has(key), keys: () => [...byKey.keys()], size: () => size, stop };
}
