/** What was started, to be stopped last in, first out, within one deadline for all together. */
export class Stops {
  readonly #stops: ((deadlineMs: number) => Promise<void> | void)[] = [];

  push(stop: (deadlineMs: number) => Promise<void> | void): void {
    this.#stops.push(stop);
  }

  async stopAll(deadlineMs: number): Promise<void> {
    const deadline = performance.now() + deadlineMs;
    for (const stop of this.#stops.splice(0).reverse()) await stop(Math.max(100, deadline - performance.now()));
  }

  /** The result of `start`; when it throws, everything pushed so far is stopped first. */
  async undoOnFailure<T>(start: () => Promise<T>): Promise<T> {
    try {
      return await start();
    } catch (error) {
      await this.stopAll(2_000).catch(() => undefined); // the first error is the one to tell
      throw error;
    }
  }
}
