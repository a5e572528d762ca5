import type { EventEnvelope } from "@florin/kernel";
import type { Logger } from "@florin/telemetry";
import type { RelayPositions } from "./bus.js";
import { encodeEvent } from "./event-codec.js";
import { ForeignBus } from "./foreign-bus.js";
import { BusStopped } from "./in-process-bus.js";
import type { RedisBusMetrics } from "./redis-bus-metrics.js";
import type { PublishAnswer, RedisStream, StreamMarks, StreamState } from "./redis-stream.js";
import { pause, type Timers } from "./timers.js";

/*
 * The relay's side of one stream.
 *
 *   resume    nothing there → a new generation begins at what the outbox calls delivered · a group's mark is below the base (it came
 *             late, or an old snapshot was restored) → a new generation begins at that mark · else: after the last entry there is,
 *             wherever that is. So an emptied, a rewound and an advanced stream are all answered with one position.
 *             The newest entry must be one of the outbox's: another database's stream is refused.
 *   publish   appends where the stream ends at the position before; a stream that ends elsewhere says so, and what it has already is
 *             left out. A full stream is asked again after a pause that grows to FULL_PAUSE.maxMs: nothing is dropped.
 *   memory    Redis refuses to write → everything finished is trimmed, and the error goes to the relay, which tries again.
 */
export interface RedisPublisherOptions {
  readonly stream: RedisStream;
  readonly groups: readonly string[];
  /** Entries beyond the slowest group's mark. */
  readonly maxLength: number;
  /** Finished entries that are kept, for groups and taps that come back. */
  readonly horizon: number;
  readonly newToken: () => string;
  readonly logger: Logger;
  readonly metrics: RedisBusMetrics;
  readonly timers: Timers;
}

/** Entries in one script: it holds Redis up for a few milliseconds at most. */
const CHUNK = 250;
const FULL_PAUSE = { firstMs: 5, maxMs: 200 } as const;

export class RedisPublisher {
  readonly #options: RedisPublisherOptions;
  #isStopped = false;
  #ownGeneration: string | undefined;
  #safeAtEnd: bigint | undefined;
  #endPause: (() => void) | undefined;

  constructor(options: RedisPublisherOptions) {
    this.#options = options;
  }

  async resume({ delivered, isOwn }: RelayPositions): Promise<bigint> {
    if (this.#isStopped) throw new BusStopped();
    const { stream, logger, metrics, newToken } = this.#options;
    const { state, marks } = await stream.read();
    if (state !== undefined && isOwn !== undefined) await this.#assertOwn(state, isOwn);
    const lowest = lowestOf(marks);
    if (state !== undefined && (lowest === undefined || lowest >= state.base)) return state.last;
    const from = state === undefined || lowest === undefined ? delivered : lowest;
    const begun = await stream.begin(state, newToken(), from);
    if (begun.isOurs) {
      metrics.generationBegun(stream.area);
      logger.warn(
        { stream: stream.area, after: begun.state.base.toString(), wasEmpty: state === undefined },
        "The stream in Redis was begun anew; it is filled again from the outbox.",
      );
    }
    return begun.state.last;
  }

  /** Once in each generation that somebody else may have begun. */
  async #assertOwn(state: StreamState, isOwn: NonNullable<RelayPositions["isOwn"]>): Promise<void> {
    if (this.#ownGeneration === state.generation) return;
    const { stream } = this.#options;
    const newest = await stream.entryAt(state.last);
    if (newest !== undefined && !(await isOwn(newest)))
      throw new ForeignBus(stream.area, `another one at ${state.last}`);
    this.#ownGeneration = state.generation;
  }

  async publish(events: readonly EventEnvelope[]): Promise<void> {
    let rest = events;
    let pauseMs: number = FULL_PAUSE.firstMs;
    while (rest.length > 0) {
      if (this.#isStopped) throw new BusStopped();
      const answer = await this.#append(rest);
      if (answer.kind === "full") {
        await this.#pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, FULL_PAUSE.maxMs);
        continue;
      }
      pauseMs = FULL_PAUSE.firstMs;
      rest = this.#withoutPublished(rest, answer);
    }
  }

  async safePosition(): Promise<bigint | undefined> {
    return this.#isStopped ? this.#safeAtEnd : this.#readSafe();
  }

  /** Ends what waits; from now on nothing is taken. */
  stop(): void {
    this.#isStopped = true;
    this.#endPause?.();
  }

  /** The relay stops after the bus and asks once more what it may write down. */
  async rememberSafe(): Promise<void> {
    this.#safeAtEnd = await this.#readSafe();
  }

  async #readSafe(): Promise<bigint | undefined> {
    const { state, marks } = await this.#options.stream.read();
    if (this.#options.groups.length === 0) return state?.last;
    return marks.some((mark) => mark === undefined) ? undefined : lowestOf(marks);
  }

  async #append(events: readonly EventEnvelope[]): Promise<PublishAnswer> {
    const { stream } = this.#options;
    const entries = events.slice(0, CHUNK).map((event) => this.#toEntry(event));
    try {
      return await stream.publish(events[0]!.position - 1n, entries, this.#options);
    } catch (error) {
      if (error instanceof Error && error.message.includes("OOM")) await stream.trimFinished();
      throw error;
    }
  }

  #toEntry(event: EventEnvelope): { readonly position: bigint; readonly text: string } {
    const { area } = this.#options.stream;
    if (event.stream !== area) throw new Error(`an event of ${event.stream} was published to ${area}`);
    return { position: event.position, text: encodeEvent(event) };
  }

  #withoutPublished(events: readonly EventEnvelope[], answer: Exclude<PublishAnswer, { kind: "full" }>) {
    const { area } = this.#options.stream;
    if (answer.kind === "empty")
      throw new Error(`The stream of ${area} in Redis is empty; resume, and publish from there.`);
    if (answer.kind === "published") this.#options.metrics.streamLength(area, answer.length);
    const { last } = answer;
    const first = events[0]!.position;
    if (last < first - 1n) throw new Error(`${area} jumped from ${last} to ${first}; publish from ${last + 1n}.`);
    return events.filter((event) => event.position > last);
  }

  async #pause(delayMs: number): Promise<void> {
    const rest = pause(this.#options.timers, delayMs);
    this.#endPause = rest.cancel;
    await rest.over;
    this.#endPause = undefined;
  }
}

function lowestOf(marks: StreamMarks["marks"]): bigint | undefined {
  return marks.reduce(
    (low, mark) => (mark === undefined || (low !== undefined && low <= mark) ? low : mark),
    undefined,
  );
}
