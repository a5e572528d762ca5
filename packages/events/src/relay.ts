import type { Area, Clock, EventEnvelope } from "@florin/kernel";
import { faultPoint, planPauseMs, systemClock, withDeadline } from "@florin/resilience";
import type { Logger, Metrics } from "@florin/telemetry";
import type { Bus } from "./bus.js";
import { createEventMetrics, type EventMetrics } from "./event-metrics.js";
import { ForeignBus } from "./foreign-bus.js";
import { BusStopped } from "./in-process-bus.js";
import { describeError } from "./poison-event.js";
import { pause, systemTimers, type Timers } from "./timers.js";

/** One area's outbox as the relay sees it. `createOutboxStore` of @florin/db has this shape. */
export interface OutboxStore {
  /**
   * Numbers committed events that have no position yet, at most `limit`, and says how many. Only what no running transaction can still
   * come before is numbered. 0 in an area whose writer numbers for itself.
   */
  number(limit: number): Promise<number>;
  /** Numbered events with position > after, in order, at most `limit`. */
  read(after: bigint, limit: number): Promise<readonly EventEnvelope[]>;
  /** The last position given; 0 when there is none. */
  head(): Promise<bigint>;
  loadDelivered(): Promise<bigint>;
  /** Never goes back: a lower position than the stored one changes nothing. */
  saveDelivered(position: bigint): Promise<void>;
}

export interface RelayOptions {
  readonly store: OutboxStore;
  readonly bus: Bus;
  readonly stream: Area;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Events numbered, read and published in one round. */
  readonly batch?: number;
  /** The longest time an event waits when no wake-up came through. */
  readonly pollMs?: number;
  /** How often the delivered position is written while there is work. */
  readonly saveEveryMs?: number;
  readonly timers?: Timers;
  readonly random?: () => number;
  readonly clock?: Clock;
}

export interface Relay {
  start(): void;
  /** Something was committed: look now. Calls while a round runs make one more round, not many. */
  wake(): void;
  /** Ends after the round that runs, and writes the delivered position. Stop the bus first, so that a round cannot wait for room. */
  stop(deadlineMs: number): Promise<void>;
}

/**
 * Carries one area's outbox to the bus, for ever and in order.
 *
 *   round    number → ask the bus where to go on → read after it → publish → write down what every group has finished (throttled)
 *   between  a full round is followed by the next at once; else wait for `wake` or `pollMs`. After a wake-up or work look again after
 *            5, 10, 20 … ms: an event that is committed cannot be numbered while an older transaction runs, and that one wakes nobody.
 *   failure  logged once, and tried again after a growing pause, without end: nobody else carries these events.
 *
 * Crash at any point: the next relay starts at the delivered position, so events repeat on the bus and inboxes absorb them. Two relays
 * of one stream are safe for the same reason; numbering is locked in the store.
 */
export function createRelay(options: RelayOptions): Relay {
  return new OutboxRelay(options);
}

const DEFAULTS = { batch: 500, pollMs: 1_000, saveEveryMs: 250 } as const;
const FIRST_LOOK_AGAIN_MS = 5;
const FAILURE_PAUSE = { baseMs: 100, maxMs: 5_000 } as const;

class OutboxRelay implements Relay {
  readonly #options: RelayOptions & { readonly batch: number; readonly pollMs: number; readonly saveEveryMs: number };
  readonly #metrics: EventMetrics;
  readonly #timers: Timers;
  readonly #clock: Clock;
  /** Last position handed to the bus; undefined before the first round, which loads it. */
  #published: bigint | undefined;
  #saved = 0n;
  #savedAt = 0;
  #isWoken = false;
  #isStopping = false;
  #running: Promise<void> | undefined;
  #endWait: (() => void) | undefined;
  #endWaitOnWake: (() => void) | undefined;

  constructor(options: RelayOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.#metrics = createEventMetrics(options.metrics);
    this.#timers = options.timers ?? systemTimers;
    this.#clock = options.clock ?? systemClock;
  }

  start(): void {
    if (this.#isStopping) throw new Error("This relay was stopped; make a new one.");
    this.#running ??= this.#run();
  }

  wake(): void {
    this.#isWoken = true;
    this.#endWaitOnWake?.();
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    this.#endWait?.();
    if (this.#running === undefined) return;
    const end = this.#running.then(() => (this.#published === undefined ? undefined : this.#saveDelivered()));
    await withDeadline(end, deadlineMs, `stopping the relay of ${this.#options.stream}`).catch((error: unknown) => {
      this.#options.logger.warn(
        { stream: this.#options.stream, cause: describeError(error) },
        "A relay stopped without writing what was delivered; the rest is delivered again at the next start.",
      );
    });
  }

  /** Never throws. */
  async #run(): Promise<void> {
    let failures = 0;
    let lookAgainMs = this.#options.pollMs;
    while (!this.#isStopping) {
      const wasWoken = this.#isWoken;
      this.#isWoken = false;
      try {
        const moved = await this.#round();
        if (failures > 0) this.#options.logger.info({ stream: this.#options.stream, failures }, "The relay goes on.");
        failures = 0;
        if (moved >= this.#options.batch) continue;
        lookAgainMs = wasWoken || moved > 0 ? FIRST_LOOK_AGAIN_MS : Math.min(lookAgainMs * 2, this.#options.pollMs);
        if (!this.#isWoken) await this.#wait(lookAgainMs, "wake");
      } catch (error) {
        failures += 1;
        await this.#afterFailure(failures, error);
      }
    }
  }

  /** How many events were numbered or published, whichever is more. */
  async #round(): Promise<number> {
    const { store, bus, stream, batch } = this.#options;
    const numbered = await store.number(batch); // first: the log must grow while the bus is away
    faultPoint("relay.after-number");
    const after = await this.#startOfRound();
    const events = await store.read(after, batch);
    const oldest = events[0];
    if (events.length > 0) {
      faultPoint("relay.before-publish");
      await bus.publish(stream, events);
      faultPoint("relay.after-publish");
      this.#published = events.at(-1)!.position;
      this.#metrics.published(stream, events.length);
    }
    if (this.#timers.now() - this.#savedAt >= this.#options.saveEveryMs) {
      await this.#saveDelivered();
      await this.#measureLag(oldest);
    }
    return Math.max(numbered, events.length);
  }

  /** The position to read after: where we were, further back when the bus lacks earlier events, further on behind another relay. */
  async #startOfRound(): Promise<bigint> {
    const { store, bus, stream, logger } = this.#options;
    const isFirst = this.#published === undefined;
    if (isFirst) this.#saved = await store.loadDelivered();
    const published = this.#published ?? this.#saved;
    const isOwn = (event: EventEnvelope): Promise<boolean> => this.#isOwn(event);
    const after = await bus.resume(stream, { published, delivered: this.#saved, isOwn });
    if (after > published && after > (await store.head())) throw new ForeignBus(stream, `it goes on to ${after}`);
    if (after < published) {
      logger.info(
        { stream, from: after.toString(), to: published.toString() },
        "The bus needs earlier events; the relay publishes them again.",
      );
    }
    this.#published = after;
    return after;
  }

  async #isOwn(event: EventEnvelope): Promise<boolean> {
    const { store } = this.#options;
    const [own] = await store.read(event.position - 1n, 1);
    if (own === undefined) return event.position <= (await store.head());
    return own.position !== event.position || own.eventId === event.eventId;
  }

  async #saveDelivered(): Promise<void> {
    const { store, bus, stream } = this.#options;
    const safe = await bus.safePosition(stream);
    this.#savedAt = this.#timers.now();
    if (safe === undefined || safe <= this.#saved) return;
    await store.saveDelivered(safe);
    faultPoint("relay.after-save-delivered");
    this.#saved = safe;
  }

  async #measureLag(oldestUnpublished: EventEnvelope | undefined): Promise<void> {
    const head = await this.#options.store.head();
    const waitedMicros = oldestUnpublished === undefined ? 0n : this.#clock.now() - oldestUnpublished.occurredAt;
    this.#metrics.lag(this.#options.stream, {
      events: head > this.#saved ? head - this.#saved : 0n,
      oldestSeconds: Number(waitedMicros) / 1e6, // a duration for a gauge
    });
  }

  async #afterFailure(failures: number, error: unknown): Promise<void> {
    if (error instanceof BusStopped) {
      this.#isStopping = true;
      return;
    }
    const { stream, logger } = this.#options;
    this.#metrics.relayFailed(stream);
    const level = failures === 1 ? "error" : "debug"; // an outage is told once; the metric counts the rounds
    logger[level](
      { stream, failures, cause: describeError(error) },
      "A round of the relay failed; it is tried again. Nothing is lost: the outbox keeps the events.",
    );
    const random = this.#options.random ?? Math.random;
    const pauseMs = Math.max(FAILURE_PAUSE.baseMs, planPauseMs(failures, { ...FAILURE_PAUSE, random }));
    await this.#wait(pauseMs, "stop"); // a wake-up does not shorten it, or a busy writer would make it spin
  }

  async #wait(delayMs: number, endedBy: "wake" | "stop"): Promise<void> {
    if (this.#isStopping) return;
    const rest = pause(this.#timers, delayMs);
    this.#endWait = rest.cancel;
    if (endedBy === "wake") this.#endWaitOnWake = rest.cancel;
    await rest.over;
    this.#endWait = undefined;
    this.#endWaitOnWake = undefined;
  }
}
