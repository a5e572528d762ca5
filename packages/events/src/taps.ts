import type { EventEnvelope } from "@florin/kernel";
import type { Logger } from "@florin/telemetry";
import { describeError } from "./poison-event.js";

/** The listeners of one stream. One that throws is logged and does not keep the event from the others. */
export class Taps {
  readonly #logger: Logger;
  readonly #listeners = new Set<(event: EventEnvelope) => void>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** The function returned takes the listener off again. */
  add(listener: (event: EventEnvelope) => void): () => void {
    const own = (event: EventEnvelope): void => listener(event); // the same function may listen twice
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  tell(event: EventEnvelope): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#logger.error(
          { stream: event.stream, position: event.position.toString(), cause: describeError(error) },
          "A listener of the bus threw; the others heard the event.",
        );
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
