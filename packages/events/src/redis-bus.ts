import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import type { Area, EventEnvelope } from "@florin/kernel";
import { withDeadline } from "@florin/resilience";
import type { Logger, Metrics } from "@florin/telemetry";
import type { Bus, ConsumerGroup, Consumption, RelayPositions } from "./bus.js";
import { createEventMetrics } from "./event-metrics.js";
import { GROUP_DEFAULTS, type GroupRunnerOptions, type RetryPolicy } from "./group-runner.js";
import { createRedisBusMetrics, type RedisBusMetrics } from "./redis-bus-metrics.js";
import { OutageLog, RedisConnection, type RedisConnect } from "./redis-connection.js";
import { RedisGroupMember } from "./redis-group-member.js";
import { RedisPublisher } from "./redis-publisher.js";
import { RedisStream } from "./redis-stream.js";
import { RedisTapReader } from "./redis-tap-reader.js";
import { systemTimers, type Timers } from "./timers.js";

export interface RedisBusOptions {
  /** `redis://` or `rediss://`; or a function where the place needs more than an address (sentinels, credentials from a file). */
  readonly redis: string | RedisConnect;
  /**
   * Every group of every stream that this process touches, in all processes the same: nothing that one of them has not finished is
   * trimmed or counts as delivered. Redis is asked for no group that is not named here.
   */
  readonly expectedGroups: Readonly<Partial<Record<Area, readonly string[]>>>;
  /** One per database: two that share a prefix would take each other's positions for their own. */
  readonly keyPrefix?: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** How long a process that died keeps its groups. */
  readonly leaseMs?: number;
  /** Entries beyond the slowest group's mark; a publisher waits beyond it. */
  readonly maxLength?: number;
  /** Finished entries that a stream keeps. */
  readonly horizon?: number;
  readonly groupQueueLimit?: number;
  readonly groupConcurrency?: number;
  readonly handleDeadlineMs?: number;
  readonly retry?: RetryPolicy;
  readonly timers?: Timers;
  readonly random?: () => number;
  /** Makes the names of this process and of generations; never the same twice. */
  readonly newToken?: () => string;
}

/**
 * The bus of many processes: one stream per area in Redis 7 or later. Redis may be emptied, set back to an older state, or be away, at
 * any time: what it had is in the outbox, and the relay and the groups notice (redis-publisher.ts, redis-group-reader.ts).
 *
 * Connects by itself and never throws for a Redis that is away, except from `publish`, `resume` and `safePosition`, whose caller tries
 * again. Each group is worked by one process at a time, which keeps the order per key; the others stand by.
 */
export function createRedisBus(options: RedisBusOptions): ReachableBus {
  return new RedisBus(options);
}

const DEFAULTS = { keyPrefix: "florin", leaseMs: 5_000, maxLength: 100_000, horizon: 100_000 } as const;

const REMEMBER_MS = 500;

interface StreamParts {
  readonly stream: RedisStream;
  readonly publisher: RedisPublisher;
  readonly members: Map<string, RedisGroupMember>;
  tapReader: RedisTapReader | undefined;
}

/** A bus whose server may be away; whoever reports on health asks. */
export interface ReachableBus extends Bus {
  /** Redis takes commands just now. */
  isReachable(): boolean;
}

class RedisBus implements ReachableBus {
  readonly #options: RedisBusOptions;
  readonly #metrics: RedisBusMetrics;
  readonly #outages: OutageLog;
  readonly #runnerOptions: GroupRunnerOptions;
  readonly #timers: Timers;
  readonly #newToken: () => string;
  readonly #token: string;
  /** For everything that does not block. */
  readonly #commands: RedisConnection;
  readonly #streams = new Map<Area, StreamParts>();
  #isStopped = false;

  constructor(options: RedisBusOptions) {
    this.#options = options;
    this.#metrics = createRedisBusMetrics(options.metrics);
    this.#outages = new OutageLog(options.logger, this.#metrics);
    this.#timers = options.timers ?? systemTimers;
    this.#newToken = options.newToken ?? randomUUID;
    this.#token = this.#newToken();
    this.#runnerOptions = {
      logger: options.logger,
      metrics: createEventMetrics(options.metrics),
      timers: this.#timers,
      random: options.random ?? Math.random,
      queueLimit: options.groupQueueLimit ?? GROUP_DEFAULTS.queueLimit,
      concurrency: options.groupConcurrency ?? GROUP_DEFAULTS.concurrency,
      handleDeadlineMs: options.handleDeadlineMs ?? GROUP_DEFAULTS.handleDeadlineMs,
      retry: options.retry ?? GROUP_DEFAULTS.retry,
    };
    this.#commands = this.#connect("commands");
    this.#commands.start();
  }

  isReachable(): boolean {
    return this.#commands.isReady;
  }

  publish(name: Area, events: readonly EventEnvelope[]): Promise<void> {
    return this.#parts(name).publisher.publish(events);
  }

  resume(name: Area, known: RelayPositions): Promise<bigint> {
    return this.#parts(name).publisher.resume(known);
  }

  safePosition(name: Area): Promise<bigint | undefined> {
    return this.#parts(name).publisher.safePosition();
  }

  consume(group: ConsumerGroup): Consumption {
    if (this.#options.expectedGroups[group.stream]?.includes(group.name) !== true) {
      throw new Error(
        `The group ${group.name} is not among expectedGroups.${group.stream}; name it there in every process, or its events could be trimmed.`,
      );
    }
    const { stream, members } = this.#parts(group.stream);
    if (members.has(group.name)) {
      throw new Error(`The group ${group.name} consumes ${group.stream} already; give the second one its own name.`);
    }
    const member = new RedisGroupMember(group, {
      stream,
      connection: this.#connect(`${group.stream}:${group.name}`),
      token: this.#token,
      leaseMs: this.#options.leaseMs ?? DEFAULTS.leaseMs,
      runner: this.#runnerOptions,
      logger: this.#options.logger,
      metrics: this.#metrics,
      timers: this.#timers,
    });
    members.set(group.name, member);
    member.start();
    return member;
  }

  tap(name: Area, listener: (event: EventEnvelope) => void): () => void {
    const parts = this.#parts(name);
    parts.tapReader ??= new RedisTapReader({
      stream: parts.stream,
      connection: this.#connect(`${name}:taps`),
      logger: this.#options.logger,
      timers: this.#timers,
    });
    return parts.tapReader.add(listener);
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#isStopped = true;
    const streams = [...this.#streams.values()];
    for (const { publisher } of streams) publisher.stop();
    for (const { tapReader } of streams) tapReader?.stop();
    const members = streams.flatMap((parts) => [...parts.members.values()].map((member) => member.stop(deadlineMs)));
    await Promise.all(members);
    if (deadlineMs > 0) {
      const remembered = Promise.all(streams.map((parts) => parts.publisher.rememberSafe()));
      // A Redis that is away has nothing to say; then the next start repeats a little more.
      await withDeadline(remembered, REMEMBER_MS, "asking what every group has finished").catch(() => undefined);
    }
    this.#commands.close();
  }

  #parts(name: Area): StreamParts {
    let parts = this.#streams.get(name);
    if (parts === undefined) {
      parts = this.#createParts(name);
      if (this.#isStopped) parts.publisher.stop();
      this.#streams.set(name, parts);
    }
    return parts;
  }

  #createParts(name: Area): StreamParts {
    const { keyPrefix, expectedGroups, maxLength, horizon, logger } = { ...DEFAULTS, ...this.#options };
    const groups = expectedGroups[name] ?? [];
    const stream = new RedisStream(this.#commands, keyPrefix, name, groups);
    const publisher = new RedisPublisher({
      stream,
      groups,
      maxLength,
      horizon,
      newToken: this.#newToken,
      logger,
      metrics: this.#metrics,
      timers: this.#timers,
    });
    return { stream, publisher, members: new Map(), tapReader: undefined };
  }

  #connect(name: string): RedisConnection {
    const { redis } = this.#options;
    const connect: RedisConnect = typeof redis === "string" ? (options) => new Redis(redis, options) : redis;
    return new RedisConnection(connect, `florin:${name}`, this.#outages);
  }
}
