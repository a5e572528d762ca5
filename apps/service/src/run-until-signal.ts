import { setTimeout as pause } from "node:timers/promises";

export interface Stoppable {
  /** Not ready any more, still answering. */
  drain(): void;
  stop(deadlineMs: number): Promise<void>;
}

export interface StopOptions {
  /** How long to go on answering while not ready, so that balancers look elsewhere first. */
  readonly drainMs: number;
  /** For what is under way; then the process ends whatever hangs. */
  readonly deadlineMs: number;
  readonly onStopping: () => void;
  readonly onStopped: () => void;
  readonly onFailure: (error: unknown) => void;
}

/** Beyond the deadline that the parts know: for the last of them to notice it. */
const GRACE_MS = 2_000;

/**
 * The end of a process, in words:
 *
 *   SIGTERM or SIGINT → not ready, answering for `drainMs` → stop within `deadlineMs` → exit 0
 *   a second signal, or the deadline → exit 1 at once: PostgreSQL keeps what was acknowledged
 *
 * A process that was started with a channel to its supervisor also stops when that channel closes: it outlives nobody.
 */
export function runUntilSignal(running: Stoppable, options: StopOptions): void {
  let isStopping = false;
  const stop = (): void => {
    if (isStopping) process.exit(1);
    isStopping = true;
    setTimeout(() => process.exit(1), options.drainMs + options.deadlineMs + GRACE_MS).unref();
    leave().then(
      () => {
        options.onStopped();
        process.exit(0);
      },
      (error: unknown) => {
        options.onFailure(error);
        process.exit(1);
      },
    );
  };
  async function leave(): Promise<void> {
    options.onStopping();
    running.drain();
    await pause(options.drainMs);
    await running.stop(options.deadlineMs);
  }
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.once("disconnect", () => !isStopping && stop());
}
