/** Microseconds since 1970 (the kernel's Clock has this shape; this package imports none of ours). */
export interface TokenClock {
  now(): bigint;
}

export function secondsSince1970(clock: TokenClock): number {
  return Number(clock.now() / 1_000_000n); // whole seconds fit a double
}

export function millisSince1970(clock: TokenClock): number {
  return Number(clock.now() / 1000n); // whole milliseconds fit a double
}
