/** Wakes one loop that sleeps: raised while it is awake, the next sleep ends at once, so no news is lost. */
export class WakeSignal {
  #isRaised = false;
  #wake: (() => void) | undefined;

  raise(): void {
    this.#isRaised = true;
    this.#wake?.();
  }

  /** Until raised, at most `timeoutMs`. */
  async sleep(timeoutMs: number): Promise<void> {
    if (!this.#isRaised)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    this.#wake = undefined;
    this.#isRaised = false;
  }
}
