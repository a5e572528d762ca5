import type { ExecutionResult, FormattedExecutionResult } from "graphql";
import { LiveQueryError } from "./live-error.js";

/** One answer on its way to one subscriber. */
export interface Emission {
  readonly cursor: string | undefined;
  /** Emissions of one key replace each other in a conflating queue. */
  readonly key: string;
  readonly result: FormattedExecutionResult;
}

/** What graphql-ws is handed: already formatted, once, for all who share the execution. */
export class Answer implements ExecutionResult {
  readonly data?: ExecutionResult["data"];
  readonly formatted: FormattedExecutionResult;

  constructor(formatted: FormattedExecutionResult) {
    this.formatted = formatted;
  }
}

export interface QueueOptions {
  readonly limit: number;
  readonly conflates: boolean;
  /** What to resume from when nothing was handed out yet. */
  readonly startCursor: string | undefined;
  /** Called once, however it ends: overflow, error, completion, the client's farewell. */
  readonly onClose: () => void;
  readonly onOverflow: () => void;
}

/**
 * Between an execution and one socket. graphql-ws takes the next emission only when the socket has taken the last, so a stalled
 * client fills this queue and nothing else. Full: a conflating queue never is (one entry per account); any other ends with
 * SLOW_CONSUMER and the cursor of the last emission handed out.
 *
 * `for await` does not call `return()` after `next()` threw, so whoever feeds the queue is told by `onClose` instead.
 */
export class EmissionQueue implements AsyncIterableIterator<Answer> {
  readonly #options: QueueOptions;
  readonly #waiting = new Map<string, Emission>();
  #lastCursor: string | undefined;
  #serial = 0;
  #error: LiveQueryError | undefined;
  #isClosed = false;
  #wake: (() => void) | undefined;
  #roomWake: (() => void) | undefined;

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#lastCursor = options.startCursor;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Where the client can resume. */
  get lastCursor(): string | undefined {
    return this.#lastCursor;
  }

  push(emission: Emission): void {
    if (this.#isClosed) return;
    if (this.#options.conflates) {
      this.#waiting.delete(emission.key);
      this.#waiting.set(emission.key, emission);
    } else if (this.#waiting.size >= this.#options.limit) {
      this.#overflow();
      return;
    } else {
      this.#waiting.set(String(this.#serial++), emission);
    }
    this.#wake?.();
  }

  /** Resolves when there is room again or the queue is closed: a replay waits where live events overflow. */
  async room(): Promise<void> {
    while (!this.#isClosed && this.#waiting.size >= this.#options.limit) {
      await new Promise<void>((resolve) => (this.#roomWake = resolve));
    }
  }

  /** No more emissions; those that wait are still handed out. */
  end(): void {
    this.#close();
  }

  /** As `end`, and then this error. */
  fail(error: LiveQueryError): void {
    if (this.#isClosed) return;
    this.#error = error;
    this.#close();
  }

  async next(): Promise<IteratorResult<Answer, undefined>> {
    for (;;) {
      for (const [key, emission] of this.#waiting) {
        this.#waiting.delete(key);
        this.#lastCursor = emission.cursor ?? this.#lastCursor;
        this.#roomWake?.();
        return { value: new Answer(emission.result), done: false };
      }
      const error = this.#error;
      if (error !== undefined) {
        this.#error = undefined;
        throw error;
      }
      if (this.#isClosed) return { value: undefined, done: true };
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async return(): Promise<IteratorResult<Answer, undefined>> {
    this.#waiting.clear();
    this.#error = undefined;
    this.#close();
    return { value: undefined, done: true };
  }

  #overflow(): void {
    this.#waiting.clear();
    this.fail(
      new LiveQueryError(
        "SLOW_CONSUMER",
        `More than ${this.#options.limit} events wait for you. Subscribe again with the cursor as \`after\`; nothing is lost.`,
        this.#lastCursor === undefined ? {} : { cursor: this.#lastCursor },
      ),
    );
    this.#options.onOverflow();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wake?.();
    this.#roomWake?.();
    this.#options.onClose();
  }
}
