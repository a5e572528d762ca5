import { createHash } from "node:crypto";
import type { Redis, RedisOptions } from "ioredis";
import type { Logger } from "@florin/telemetry";
import { describeError } from "./poison-event.js";
import type { RedisBusMetrics } from "./redis-bus-metrics.js";

/** Makes a client with these options, and whatever the place needs besides (sentinels, TLS, credentials). It must not connect yet. */
export type RedisConnect = (options: RedisOptions) => Redis;

/**
 * A half-open connection is noticed after this time, so nothing may block longer than BLOCK_MS. What a command did that is not answered
 * in time is unknown; every command of the bus may be sent again.
 */
const DEADLINE_MS = 3_000;
/** Longest time a read waits for news. */
export const BLOCK_MS = 1_000;
const RECONNECT = { baseMs: 50, maxMs: 1_000 } as const;

/** A Lua script and how Redis names it. */
export interface Script {
  readonly lua: string;
  readonly sha: string;
}

export function createScript(lua: string): Script {
  return { lua, sha: createHash("sha1").update(lua).digest("hex") };
}

/** Tells an outage once, however many connections see it. */
export class OutageLog {
  readonly #logger: Logger;
  readonly #metrics: RedisBusMetrics;
  readonly #down = new Set<string>();
  #since = 0;

  constructor(logger: Logger, metrics: RedisBusMetrics) {
    this.#logger = logger;
    this.#metrics = metrics;
  }

  lost(connection: string, error: unknown): void {
    if (this.#down.size === 0) {
      this.#since = performance.now();
      this.#metrics.outage(true);
      this.#logger.error(
        { connection, cause: describeError(error) },
        "Redis cannot be reached. Events wait in the outbox and nothing is lost; the bus connects again by itself.",
      );
    }
    this.#down.add(connection);
  }

  back(connection: string): void {
    if (!this.#down.delete(connection) || this.#down.size > 0) return;
    this.#metrics.outage(false);
    this.#logger.info({ lastedMs: Math.round(performance.now() - this.#since) }, "Redis is back.");
  }
}

/**
 * One connection: every command has a deadline, nothing is queued while Redis is away (callers hear it at once and try again in their
 * own time), and it reconnects for ever with pauses that grow to a second.
 */
export class RedisConnection {
  readonly #client: Redis;
  readonly #name: string;
  readonly #outages: OutageLog;
  /** Resolves when the first connection is made or has failed, so that a process that starts does not take that for an outage. */
  readonly #firstTry: Promise<void>;
  #endFirstTry: () => void = () => {};
  #isStarted = false;
  #isClosed = false;
  #lastError: unknown = "the connection was closed";
  /** Counts connections made, so that a reader notices that its answers may have been lost with the old one. */
  #generation = 0;

  constructor(connect: RedisConnect, name: string, outages: OutageLog) {
    this.#name = name;
    this.#outages = outages;
    this.#client = connect({
      lazyConnect: true,
      connectionName: name,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      connectTimeout: DEADLINE_MS,
      disconnectTimeout: 100,
      commandTimeout: DEADLINE_MS,
      reconnectOnError: (error) => error.message.startsWith("READONLY"), // a primary that became a replica
      retryStrategy: (times) => Math.min(RECONNECT.baseMs * 2 ** Math.min(times, 10), RECONNECT.maxMs),
    });
    this.#firstTry = new Promise((resolve) => (this.#endFirstTry = resolve));
    this.#client.on("error", (error: unknown) => (this.#lastError = error));
    this.#client.on("ready", () => this.#onReady());
    this.#client.on("close", () => this.#onClose());
  }

  get generation(): number {
    return this.#generation;
  }

  get isReady(): boolean {
    return this.#client.status === "ready";
  }

  start(): void {
    if (this.#isStarted || this.#isClosed) return;
    this.#isStarted = true;
    this.#client.connect().catch(() => undefined); // told by "close"; the client goes on trying
  }

  /** Sends a command. One that is not answered in time takes its connection with it: it may be half open. */
  async ask<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    await this.#firstTry;
    const generation = this.#generation;
    try {
      return await question(this.#client);
    } catch (error) {
      const isLate = error instanceof Error && error.message === "Command timed out";
      if (isLate && !this.#isClosed && generation === this.#generation && this.isReady) this.#client.disconnect(true);
      throw error;
    }
  }

  /** Runs a script by its name, and by its text where Redis does not know it (yet, or any more). */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.ask(async (client) => {
      try {
        return await client.evalsha(script.sha, keys.length, ...keys, ...args);
      } catch (error) {
        if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
        return client.eval(script.lua, keys.length, ...keys, ...args);
      }
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#endFirstTry();
    this.#outages.back(this.#name);
    this.#client.disconnect();
  }

  #onReady(): void {
    this.#generation += 1;
    this.#endFirstTry();
    this.#outages.back(this.#name);
  }

  #onClose(): void {
    this.#endFirstTry();
    if (!this.#isClosed) this.#outages.lost(this.#name, this.#lastError);
  }
}
