/** When a webhook is tried again, and when it is given up (§1.4). Pure: the time is passed in, in milliseconds. */
const FIRST_DELAY_MS = 30_000;
const GIVE_UP_AFTER_MS = 24 * 3_600_000;
const LONGEST_RETRY_AFTER_MS = 4 * 3_600_000;
const BREAKER_WINDOW_MS = 24 * 3_600_000;
/** Plaid states the share alone. Below this many attempts one rejection would already be too large a part. */
const BREAKER_ATTEMPTS = 10;
/** More attempts than this say nothing more about a receiver. */
const BREAKER_REMEMBERED = 10_000;

/**
 * When the next attempt is due, or undefined when 24 hours since the first would have passed: 30 s after the first, then four
 * times as long each time; after a 429 what its Retry-After asks for, at most 4 h.
 * @param attempt the number of the attempt that failed, from 1
 */
export function nextAttemptAt(of: {
  readonly attempt: number;
  readonly firstAt: number;
  readonly now: number;
  readonly status: number | null;
  readonly retryAfter: string | undefined;
}): number | undefined {
  const asked = of.status === 429 ? retryAfterMs(of.retryAfter, of.now) : undefined;
  const next = of.now + (asked ?? FIRST_DELAY_MS * 4 ** (of.attempt - 1));
  return next - of.firstAt > GIVE_UP_AFTER_MS ? undefined : next;
}

/** Seconds, or a date of HTTP. */
function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS);
}

/** Remembers how a receiver answered; above nine rejections in ten within 24 hours it is tried only once each. */
export class ReceiverBreaker {
  readonly #attempts: { readonly at: number; readonly rejected: boolean }[] = [];
  #rejected = 0;

  record(at: number, rejected: boolean): void {
    this.#attempts.push({ at, rejected });
    if (rejected) this.#rejected += 1;
    this.#forget(at);
  }

  isOpen(now: number): boolean {
    this.#forget(now);
    const attempts = this.#attempts.length;
    return attempts >= BREAKER_ATTEMPTS && this.#rejected > attempts * 0.9;
  }

  #forget(now: number): void {
    for (let [first] = this.#attempts; first !== undefined; [first] = this.#attempts) {
      if (now - first.at <= BREAKER_WINDOW_MS && this.#attempts.length <= BREAKER_REMEMBERED) return;
      this.#attempts.shift();
      if (first.rejected) this.#rejected -= 1;
    }
  }
}
