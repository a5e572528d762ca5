import type { EventEnvelope } from "@florin/kernel";
import type { Logger } from "@florin/telemetry";
import { describeError } from "./poison-event.js";
import { BLOCK_MS, type RedisConnection } from "./redis-connection.js";
import { BrokenEntry, parseRead } from "./redis-entries.js";
import type { RedisStream } from "./redis-stream.js";
import { Taps } from "./taps.js";
import { pause, type Timers } from "./timers.js";

export interface RedisTapReaderOptions {
  readonly stream: RedisStream;
  /** Of this reader alone: it blocks. */
  readonly connection: RedisConnection;
  readonly logger: Logger;
  readonly timers: Timers;
}

const PAGE = 500;
const RETRY_MS = 100;
/**
 * The reader begins so far back. A listener is registered before the end of the stream is known; without this an event in between would
 * be heard by nobody.
 */
const LOOK_BACK = 1_000n;

/**
 * Reads one stream for all listeners of this process, without a group. What it has told is a position, so after a lost connection, an
 * emptied or a rewound Redis it goes on behind it: nothing is told twice. It begins with the first listener and ends with the bus.
 */
export class RedisTapReader {
  readonly #options: RedisTapReaderOptions;
  readonly #taps: Taps;
  #seen: bigint | undefined;
  /** There was no stream when the reader began, so all of the one that comes is new. */
  #hasSeenNone = false;
  #isStarted = false;
  #isStopped = false;
  #endPause: (() => void) | undefined;

  constructor(options: RedisTapReaderOptions) {
    this.#options = options;
    this.#taps = new Taps(options.logger);
  }

  add(listener: (event: EventEnvelope) => void): () => void {
    if (!this.#isStopped && !this.#isStarted) {
      this.#isStarted = true;
      this.#options.connection.start();
      void this.#run();
    }
    return this.#taps.add(listener);
  }

  stop(): void {
    this.#isStopped = true;
    this.#endPause?.();
    this.#options.connection.close();
    this.#taps.clear();
  }

  /** Never throws. */
  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        this.#seen ??= await this.#findStart();
        if (this.#seen === undefined) await this.#pause();
        else await this.#readOnce(this.#seen);
      } catch (error) {
        if (!this.#isStopped) await this.#afterFailure(error);
      }
    }
  }

  /** undefined while there is no stream. */
  async #findStart(): Promise<bigint | undefined> {
    const { state } = await this.#options.stream.read();
    if (state === undefined) {
      this.#hasSeenNone = true;
      return undefined;
    }
    const start = state.last - LOOK_BACK;
    return this.#hasSeenNone || start < state.base ? state.base : start;
  }

  async #readOnce(after: bigint): Promise<void> {
    const { connection, stream } = this.#options;
    const id = `${after}-0`;
    const answer = await connection.ask((client) =>
      client.xread("COUNT", PAGE, "BLOCK", BLOCK_MS, "STREAMS", stream.eventsKey, id),
    );
    for (const event of parseRead(stream.area, answer)) {
      if (this.#isStopped) return;
      this.#seen = event.position;
      this.#taps.tell(event);
    }
  }

  async #afterFailure(error: unknown): Promise<void> {
    if (error instanceof BrokenEntry) {
      // The groups have the stream filled again; until then this entry would only be met again.
      this.#options.logger.warn({ cause: describeError(error) }, "An entry of the stream cannot be read.");
    }
    await this.#pause();
  }

  async #pause(): Promise<void> {
    const rest = pause(this.#options.timers, RETRY_MS);
    this.#endPause = rest.cancel;
    if (this.#isStopped) rest.cancel();
    await rest.over;
    this.#endPause = undefined;
  }
}
