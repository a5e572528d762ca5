import type { Area, EventEnvelope } from "@florin/kernel";
import type { Logger, Metrics } from "@florin/telemetry";
import type { Bus, ConsumerGroup, Consumption, RelayPositions } from "./bus.js";
import { createEventMetrics } from "./event-metrics.js";
import { GROUP_DEFAULTS, GroupRunner, type GroupRunnerOptions, type RetryPolicy } from "./group-runner.js";
import { Taps } from "./taps.js";
import { systemTimers, type Timers } from "./timers.js";

export interface InProcessBusOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /**
   * The groups that a stream must have before anything of it is published. Without it a group that registers late makes the relay go
   * back, but a process that dies between loses what the late group had not seen: name them wherever the stream is durable.
   */
  readonly expectedGroups?: Readonly<Partial<Record<Area, readonly string[]>>>;
  /** Events that one group may hold; a publisher waits beyond it. */
  readonly groupQueueLimit?: number;
  /** Handlers of one group that run at once, each for another key. */
  readonly groupConcurrency?: number;
  readonly handleDeadlineMs?: number;
  readonly retry?: RetryPolicy;
  readonly timers?: Timers;
  readonly random?: () => number;
}

/**
 * The bus of one process. It remembers nothing beyond the process: the outbox does, and the relay starts from what was delivered.
 *
 * Publishing to one stream is serial. Each event goes to the taps first (they cannot be held back, so live queries do not wait for a
 * slow group), then to every group, waiting where one is full.
 */
export function createInProcessBus(options: InProcessBusOptions): Bus {
  return new InProcessBus(options);
}

export class BusStopped extends Error {
  override readonly name = "BusStopped";
  constructor() {
    super("The bus is stopping and takes no more events; they stay in the outbox and are delivered at the next start.");
  }
}

interface Stream {
  /** Everything up to here was finished by every group before this process's first event. */
  base: bigint | undefined;
  /** Greatest position that was published here, so that taps see each event once. */
  last: bigint;
  readonly groups: Map<string, GroupRunner>;
  readonly taps: Taps;
  /** The end of the line of publishers. */
  tail: Promise<void>;
  onGroup: (() => void)[];
}

class InProcessBus implements Bus {
  readonly #logger: Logger;
  readonly #expected: Readonly<Partial<Record<Area, readonly string[]>>>;
  readonly #runnerOptions: GroupRunnerOptions;
  readonly #streams = new Map<Area, Stream>();
  #isStopping = false;

  constructor(options: InProcessBusOptions) {
    this.#logger = options.logger;
    this.#expected = options.expectedGroups ?? {};
    this.#runnerOptions = {
      logger: options.logger,
      metrics: createEventMetrics(options.metrics),
      timers: options.timers ?? systemTimers,
      random: options.random ?? Math.random,
      queueLimit: options.groupQueueLimit ?? GROUP_DEFAULTS.queueLimit,
      concurrency: options.groupConcurrency ?? GROUP_DEFAULTS.concurrency,
      handleDeadlineMs: options.handleDeadlineMs ?? GROUP_DEFAULTS.handleDeadlineMs,
      retry: options.retry ?? GROUP_DEFAULTS.retry,
    };
  }

  async resume(name: Area, { published, delivered }: RelayPositions): Promise<bigint> {
    const stream = this.#stream(name);
    this.#start(stream, delivered);
    let after = stream.last < published ? stream.last : published;
    for (const runner of stream.groups.values()) after = runner.nextAfter(after);
    return after;
  }

  publish(name: Area, events: readonly EventEnvelope[]): Promise<void> {
    const stream = this.#stream(name);
    const turn = stream.tail.then(() => this.#publishInTurn(name, stream, events));
    stream.tail = turn.catch(() => undefined); // whoever comes next has nothing to do with this failure
    return turn;
  }

  async safePosition(name: Area): Promise<bigint | undefined> {
    const stream = this.#stream(name);
    if (this.#isIncomplete(name, stream)) return undefined;
    if (stream.groups.size === 0) return this.#expected[name] === undefined ? undefined : stream.last;
    let safe: bigint | undefined;
    for (const runner of stream.groups.values()) {
      const mark = runner.mark();
      if (mark === undefined) return undefined;
      if (safe === undefined || mark < safe) safe = mark;
    }
    return safe;
  }

  consume(group: ConsumerGroup): Consumption {
    const stream = this.#stream(group.stream);
    if (stream.groups.has(group.name)) {
      throw new Error(`The group ${group.name} consumes ${group.stream} already; give the second one its own name.`);
    }
    const runner = new GroupRunner(group, this.#runnerOptions);
    stream.groups.set(group.name, runner);
    if (stream.base !== undefined) runner.startAfter(stream.base);
    for (const wake of stream.onGroup.splice(0)) wake();
    return runner;
  }

  tap(name: Area, listener: (event: EventEnvelope) => void): () => void {
    return this.#stream(name).taps.add(listener);
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    const streams = [...this.#streams.values()];
    for (const stream of streams) for (const wake of stream.onGroup.splice(0)) wake();
    await Promise.all(
      streams.flatMap((stream) => [...stream.groups.values()].map((runner) => runner.stop(deadlineMs))),
    );
    await Promise.all(streams.map((stream) => stream.tail));
    for (const stream of streams) stream.taps.clear();
  }

  #stream(name: Area): Stream {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = {
        base: undefined,
        last: 0n,
        groups: new Map(),
        taps: new Taps(this.#logger),
        tail: Promise.resolve(),
        onGroup: [],
      };
      this.#streams.set(name, stream);
    }
    return stream;
  }

  #start(stream: Stream, delivered: bigint): void {
    if (stream.base !== undefined) return;
    stream.base = delivered;
    stream.last = delivered;
    for (const runner of stream.groups.values()) runner.startAfter(delivered);
  }

  #isIncomplete(name: Area, stream: Stream): boolean {
    return (this.#expected[name] ?? []).some((group) => !stream.groups.has(group));
  }

  async #publishInTurn(name: Area, stream: Stream, events: readonly EventEnvelope[]): Promise<void> {
    while (this.#isIncomplete(name, stream) && !this.#isStopping) {
      await new Promise<void>((resolve) => stream.onGroup.push(resolve));
    }
    for (const event of events) {
      if (this.#isStopping) throw new BusStopped();
      this.#assertInOrder(name, stream, event);
      if (event.position > stream.last) {
        stream.last = event.position;
        stream.taps.tell(event);
      }
      for (const runner of stream.groups.values()) {
        while (runner.isFullFor(event)) {
          await runner.room();
          if (this.#isStopping) throw new BusStopped();
        }
        runner.offer(event);
      }
    }
  }

  #assertInOrder(name: Area, stream: Stream, event: EventEnvelope): void {
    if (event.stream !== name) throw new Error(`an event of ${event.stream} was published to ${name}`);
    this.#start(stream, event.position - 1n);
    if (event.position > stream.last + 1n) {
      throw new Error(`${name} jumped from ${stream.last} to ${event.position}; publish from ${stream.last + 1n}.`);
    }
  }
}
