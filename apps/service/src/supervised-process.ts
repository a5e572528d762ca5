import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

export interface SupervisedOptions {
  readonly name: string;
  readonly spawn: () => ChildProcess;
  /** Asks the process to end; it is killed when it does not. */
  readonly askToEnd: (child: ChildProcess) => void;
  readonly onLine: (line: string) => void;
  /** What happens to the process, in words. */
  readonly onEvent: (text: string) => void;
}

const SHORTEST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** A process that lived so long has started well: its next end counts as the first. */
const GOOD_LIFE_MS = 30_000;

/**
 * A process that is started again whenever it ends, until it is stopped.
 *
 *   running ──ended──► waiting (250 ms, doubled up to 10 s) ──► running
 *      └──────stop──────┴──► stopped
 */
export class SupervisedProcess {
  readonly #options: SupervisedOptions;
  #child: ChildProcess | undefined;
  #again: NodeJS.Timeout | undefined;
  #failures = 0;
  #isStopped = false;

  constructor(options: SupervisedOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    if (this.#isStopped) return;
    const startedAt = performance.now();
    const child = this.#options.spawn();
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      if (stream !== null) createInterface({ input: stream }).on("line", this.#options.onLine);
    let isOver = false;
    const over = (how: string): void => {
      if (isOver) return;
      isOver = true;
      this.#child = undefined;
      if (this.#isStopped) return;
      this.#failures = performance.now() - startedAt > GOOD_LIFE_MS ? 1 : this.#failures + 1;
      const waitMs = Math.min(SHORTEST_PAUSE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS);
      this.#options.onEvent(`ended (${how}); started again in ${waitMs} ms`);
      this.#again = setTimeout(() => this.start(), waitMs);
    };
    child.once("exit", (code, signal) => over(signal ?? `exit code ${code ?? "?"}`));
    child.once("error", (error) => over(error.message));
  }

  /** Resolves when the process is gone: at its own pace, or killed after `deadlineMs`. */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#again);
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    this.#options.askToEnd(child);
    const timeout = new AbortController();
    const late = pause(deadlineMs, undefined, { signal: timeout.signal }).then(
      () => {
        this.#options.onEvent(`did not end within ${deadlineMs} ms; killed`);
        child.kill("SIGKILL");
      },
      () => undefined,
    );
    await gone;
    timeout.abort();
    await late;
  }
}
