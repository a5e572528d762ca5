import { WINDOW_SECONDS, type Claim, type RateLimiter } from "./rate-limiter.js";

const MAX_KEYS = 50_000;
const PRUNE_EVERY = 1_024;

export interface MemoryRateLimiter extends RateLimiter {
  takeNow(claims: readonly Claim[]): number;
  /** Counts a call that somebody else admitted. */
  record(claims: readonly Claim[]): void;
  /** Keys that are counted now. */
  size(): number;
}

/**
 * For one process alone, or as one of several that cannot ask each other: then each keeps to its share of the limit. Where the share is
 * less than one call, one call is spread over as many minutes as it takes.
 *
 * @param options.share how many processes the limit is divided among. Default 1: all of it.
 */
export function createMemoryRateLimiter(options: {
  readonly nowMs: () => number;
  readonly share?: number | undefined;
}): MemoryRateLimiter {
  const share = Math.max(1, options.share ?? 1);
  const windows = new Map<string, Window>();
  let takes = 0;

  function windowOf(claim: Claim): Window {
    const found = windows.get(claim.key);
    if (found !== undefined) return found;
    const limit = Math.max(1, Math.floor(claim.limit / share));
    const seconds = Math.ceil(WINDOW_SECONDS * Math.max(1, share / claim.limit));
    const made: Window = { limit, seconds, slots: new Map() };
    windows.set(claim.key, made);
    return made;
  }

  function prune(nowSecond: number): void {
    for (const [key, window] of windows) if (usedIn(window, nowSecond) === 0) windows.delete(key);
    // All still counting: the oldest go. Plaid's own limit stands behind us.
    for (const key of windows.keys()) {
      if (windows.size <= MAX_KEYS) return;
      windows.delete(key);
    }
  }

  function record(claims: readonly Claim[]): void {
    const second = Math.floor(options.nowMs() / 1_000);
    for (const claim of claims) {
      const { slots } = windowOf(claim);
      slots.set(second, (slots.get(second) ?? 0) + 1);
    }
    if (++takes % PRUNE_EVERY === 0) prune(second);
  }

  function takeNow(claims: readonly Claim[]): number {
    const nowMs = options.nowMs();
    const waitMs = Math.max(0, ...claims.map((claim) => waitOf(windowOf(claim), nowMs)));
    if (waitMs === 0) record(claims);
    return waitMs;
  }

  return {
    take: (claims) => Promise.resolve(takeNow(claims)),
    takeNow,
    record,
    size: () => windows.size,
    close: () => windows.clear(),
  };
}

interface Window {
  readonly limit: number;
  readonly seconds: number;
  /** Second → calls in it, oldest first. */
  readonly slots: Map<number, number>;
}

/** A window of n whole seconds behind the present one touches n + 1 slots; all of them count. */
function usedIn(window: Window, nowSecond: number): number {
  let used = 0;
  for (const [second, count] of window.slots) {
    if (second < nowSecond - window.seconds) window.slots.delete(second);
    else used += count;
  }
  return used;
}

function waitOf(window: Window, nowMs: number): number {
  let used = usedIn(window, Math.floor(nowMs / 1_000));
  if (used < window.limit) return 0;
  for (const [second, count] of window.slots) {
    used -= count;
    if (used < window.limit) return Math.max(1, (second + window.seconds + 1) * 1_000 - nowMs);
  }
  return window.seconds * 1_000;
}
