/**
 * Keeps us inside Plaid's limits (linked-accounts.md §1.6), which are for the whole client: any number of processes share one count.
 *
 * Both implementations count exactly: a window of the last 60 s in slots of a second, so that no 60 s whatsoever hold more than the limit
 * however the calls bunch. (A token bucket would admit twice its size in a minute.)
 */
export interface RateLimiter {
  /**
   * Takes one of each claim or none at all. 0: taken. Otherwise nothing was taken, and the answer is how many milliseconds it
   * takes at least until it can be.
   */
  take(claims: readonly Claim[]): Promise<number>;
  close(): void;
}

export interface Claim {
  /** `item:/accounts/get:lit_1`, `client:/accounts/get`. */
  readonly key: string;
  /** Calls in 60 s, at least 1. */
  readonly limit: number;
}

export const WINDOW_SECONDS = 60;
