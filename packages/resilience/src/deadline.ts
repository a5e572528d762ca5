/** The work was not finished in time. Its effect is unknown: look it up by its key before trying anything again. */
export class DeadlineExceeded extends Error {
  override readonly name = "DeadlineExceeded";
  readonly what: string;
  readonly timeoutMs: number;

  constructor(what: string, timeoutMs: number) {
    super(`${what} took longer than ${timeoutMs} ms. Its outcome is unknown: look it up before trying again.`);
    this.what = what;
    this.timeoutMs = timeoutMs;
  }
}

/** Longest wait that a timer of Node can hold; it would fire at once beyond. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * The work's result, or DeadlineExceeded after `timeoutMs`. A function is given a signal that aborts at the deadline, and is
 * not even called when nothing is left of the time. A promise that loses goes on alone; its late failure is swallowed.
 *
 * @param what the work in words, for the error: "reading the lease"
 */
export async function withDeadline<T>(
  work: Promise<T> | ((signal: AbortSignal) => Promise<T>),
  timeoutMs: number,
  what: string,
): Promise<T> {
  if (Number.isNaN(timeoutMs)) throw new Error(`the deadline of "${what}" is not a number of milliseconds`);
  if (timeoutMs <= 0) {
    if (typeof work !== "function") work.catch(() => undefined);
    throw new DeadlineExceeded(what, timeoutMs);
  }
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => {
        const error = new DeadlineExceeded(what, timeoutMs);
        reject(error);
        controller.abort(error);
      },
      Math.min(timeoutMs, MAX_TIMEOUT_MS),
    );
  });
  try {
    return await Promise.race([typeof work === "function" ? work(controller.signal) : work, expiry]);
  } finally {
    clearTimeout(timer);
  }
}
