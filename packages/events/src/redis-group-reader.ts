import type { EventEnvelope } from "@florin/kernel";
import { faultPoint } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";
import type { GroupRunner } from "./group-runner.js";
import { describeError } from "./poison-event.js";
import type { RedisBusMetrics } from "./redis-bus-metrics.js";
import { BLOCK_MS, type RedisConnection } from "./redis-connection.js";
import { BrokenEntry, parseEntries, parseRead } from "./redis-entries.js";
import type { RedisStream, StreamState } from "./redis-stream.js";
import { pause, type Timers } from "./timers.js";

/*
 * Carries one group's events from Redis to its runner, for as long as this process has the group's lease.
 *
 *   claim    at first, after each lost connection and in each new generation: what other consumers hold (they died, or were frozen) is
 *            taken over in pages, and consumers that hold nothing are removed
 *   read     XREADGROUP, blocking up to BLOCK_MS, never past the end of the lease
 *   take     position = seen + 1 goes to the runner, waiting while it is full · ≤ seen is a repetition: acknowledged again ·
 *            beyond: the events between are read from the stream by position
 *   catch up nothing came, but the stream is further: a consumer that woke too late was handed the events; they are read by position
 *   broken   an entry that cannot be read, or a position that is missing twice in one generation: the stream is declared empty, and the
 *            relay fills it again from the outbox
 *
 * Bounds: one page of events beyond the runner's queue.
 */
export interface RedisGroupReaderOptions {
  readonly stream: RedisStream;
  readonly connection: RedisConnection;
  readonly group: string;
  /** The consumer's name in Redis. */
  readonly token: string;
  readonly runner: GroupRunner;
  readonly logger: Logger;
  readonly metrics: RedisBusMetrics;
  readonly timers: Timers;
  /** Something was delivered again that the runner has seen. */
  readonly onRepetition: () => void;
  /** Asks for the lease again: the answer comes by `allow`, and finds the group made where there is a stream. */
  readonly askAgain: () => Promise<void>;
}

const PAGE = 500;
const RETRY_MS = 100;

export class RedisGroupReader {
  readonly #options: RedisGroupReaderOptions;
  #until = 0;
  #state: StreamState | undefined;
  /** What the last claim was made in: a generation of the stream, and one life of the connection. */
  #claimedIn: string | undefined;
  #missing: { readonly generation: string; readonly position: bigint } | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;
  #endPause: (() => void) | undefined;

  constructor(options: RedisGroupReaderOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.connection.start();
    this.#running ??= this.#run();
  }

  /** The lease is ours until then (on the timers' scale), and the stream was so. */
  allow(until: number, state: StreamState): void {
    this.#until = until;
    this.#state = state;
  }

  /** Resolves at once: a read that blocks is left alone, and what it still brings stays with the group. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#endPause?.();
  }

  /** Never throws. */
  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        if (this.#mayRead()) await this.#step();
        else await this.#pause();
      } catch (error) {
        if (!this.#isStopped) await this.#afterFailure(error);
      }
    }
  }

  #mayRead(): boolean {
    const { connection, timers } = this.#options;
    return connection.isReady && this.#state !== undefined && timers.now() < this.#until;
  }

  async #step(): Promise<void> {
    const { connection, stream, group, token } = this.#options;
    const life = `${connection.generation} ${this.#state?.generation}`;
    if (this.#claimedIn !== life) {
      await this.#claim();
      this.#claimedIn = life;
    }
    const key = stream.eventsKey;
    const answer = await connection.ask((client) =>
      client.xreadgroup("GROUP", group, token, "COUNT", PAGE, "BLOCK", BLOCK_MS, "STREAMS", key, ">"),
    );
    const events = parseRead(stream.area, answer);
    if (events.length > 0) faultPoint("redis-bus.after-read");
    if (events.length > 0) await this.#take(events);
    else await this.#catchUp();
  }

  async #claim(): Promise<void> {
    const { connection, stream, group, token, runner, metrics } = this.#options;
    let cursor = "0-0";
    do {
      const answer = await connection.ask((client) =>
        client.xautoclaim(stream.eventsKey, group, token, 0, cursor, "COUNT", PAGE),
      );
      const events = parseEntries(stream.area, answer[1]);
      const seen = runner.seen() ?? 0n;
      const left = events.filter((event) => event.position > seen).length;
      if (left > 0) metrics.claimed(stream.area, group, left);
      await this.#take(events);
      cursor = String(answer[0]);
    } while (cursor !== "0-0" && !this.#isStopped);
    await this.#removeIdleConsumers();
  }

  async #removeIdleConsumers(): Promise<void> {
    const { connection, stream, group, token } = this.#options;
    const consumers: unknown = await connection.ask((client) => client.xinfo("CONSUMERS", stream.eventsKey, group));
    if (!Array.isArray(consumers)) return;
    for (const consumer of consumers) {
      const fields: unknown[] = Array.isArray(consumer) ? consumer : [];
      const name = fields[fields.indexOf("name") + 1];
      if (typeof name !== "string" || name === token || fields[fields.indexOf("pending") + 1] !== 0) continue;
      await connection.ask((client) => client.xgroup("DELCONSUMER", stream.eventsKey, group, name));
    }
  }

  async #take(events: readonly EventEnvelope[]): Promise<void> {
    const { runner, onRepetition } = this.#options;
    let isRepeated = false;
    for (const event of events) {
      const seen = runner.seen();
      if (this.#isStopped || seen === undefined) return;
      if (event.position <= seen) isRepeated = true;
      else if (event.position === seen + 1n || (await this.#fillUpTo(event.position - 1n))) await this.#offer(event);
      else return; // nothing is lost: the group holds them, or the stream is begun anew
    }
    if (isRepeated) onRepetition();
  }

  async #offer(event: EventEnvelope): Promise<void> {
    const { runner } = this.#options;
    while (!this.#isStopped && runner.isFullFor(event)) await runner.room();
    if (!this.#isStopped) runner.offer(event);
  }

  async #catchUp(): Promise<void> {
    const last = this.#state?.last;
    const seen = this.#options.runner.seen();
    if (last !== undefined && seen !== undefined && seen < last) await this.#fillUpTo(last);
  }

  /** Reads by position what the group was not handed. false when the stream does not have it. */
  async #fillUpTo(to: bigint): Promise<boolean> {
    const { connection, stream, runner } = this.#options;
    for (;;) {
      const seen = runner.seen();
      if (this.#isStopped || seen === undefined) return false;
      if (seen >= to) return true;
      const page = await connection.ask((client) =>
        client.xrange(stream.eventsKey, `${seen + 1n}-0`, `${to}-0`, "COUNT", PAGE),
      );
      for (const event of parseEntries(stream.area, page)) {
        if (event.position !== (runner.seen() ?? 0n) + 1n) break;
        await this.#offer(event);
      }
      if (runner.seen() === seen) {
        await this.#afterMissing(seen + 1n);
        return false;
      }
    }
  }

  /** Once may be a stream that is being filled at this moment. */
  async #afterMissing(position: bigint): Promise<void> {
    const state = this.#state;
    if (this.#isStopped || state === undefined) return;
    const isAgain = this.#missing?.generation === state.generation && this.#missing.position === position;
    this.#missing = { generation: state.generation, position };
    if (isAgain && state.last >= position) await this.#declareEmpty(state, `Position ${position} is missing.`);
    await this.#pause();
    await this.#options.askAgain();
  }

  async #afterFailure(error: unknown): Promise<void> {
    this.#claimedIn = undefined;
    if (error instanceof BrokenEntry && this.#state !== undefined) {
      await this.#declareEmpty(this.#state, describeError(error)).catch(() => undefined); // met again, and tried again
    } else if (!isExpected(error) && this.#options.connection.isReady) {
      this.#options.logger.warn(
        { stream: this.#options.stream.area, consumer: this.#options.group, cause: describeError(error) },
        "A group could not read its stream; it tries again.",
      );
    }
    await this.#pause();
    await this.#options.askAgain();
  }

  async #declareEmpty(state: StreamState, cause: string): Promise<void> {
    const { stream, group, logger } = this.#options;
    logger.error(
      { stream: stream.area, consumer: group, cause },
      "The stream in Redis is damaged; it is filled again from the outbox.",
    );
    this.#missing = undefined;
    await stream.forget(state);
  }

  async #pause(): Promise<void> {
    if (this.#isStopped) return;
    const rest = pause(this.#options.timers, RETRY_MS);
    this.#endPause = rest.cancel;
    await rest.over;
    this.#endPause = undefined;
  }
}

/** The group or the stream went away under a read: Redis was emptied, or the stream is begun anew. The lease says more. */
function isExpected(error: unknown): boolean {
  return error instanceof Error && /^(NOGROUP|UNBLOCKED)/.test(error.message);
}
