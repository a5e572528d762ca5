import type { EventEnvelope } from "@florin/kernel";
import { DeadlineExceeded, planPauseMs, withDeadline } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";
import type { ConsumerGroup, Consumption } from "./bus.js";
import type { EventMetrics } from "./event-metrics.js";
import { describeError, PoisonEvent } from "./poison-event.js";
import { PositionWaiters } from "./position-waiters.js";
import type { Timers } from "./timers.js";
import { UnfinishedEvents, type Unfinished } from "./unfinished.js";

/*
 * One group of a bus in one process: takes events in order of position, finishes them in order per key, keys side by side.
 *
 *   take     position = seen + 1, or it is a repetition (ignored) or a gap (not taken; the relay comes back for it)
 *   lane     one queue per key that has work; a lane is QUEUED in `ready`, RUNNING (at most `concurrency`), or RESTING after a failure
 *   event    is its key parked? → park it behind · else handle → finished · failed → rest with full jitter, try again ·
 *            budget used up or poison → park, finished. Parking is finishing: other events of the key go the same way.
 *   outage   the key cannot be looked up, or parking fails: the store is away, not the event bad. The whole group pauses, growing
 *            to `maxMs`, and nobody's budget is spent; else five seconds without a database would park everything.
 *
 * Bounds: `queueLimit` events held, finished ones behind an unfinished one included; `concurrency` handlers; each handler and each
 * parking has `handleDeadlineMs`. A handler that comes back after its deadline does no harm: its inbox row makes the next try a no-op.
 */
export interface GroupRunnerOptions {
  readonly logger: Logger;
  readonly metrics: EventMetrics;
  readonly timers: Timers;
  readonly random: () => number;
  readonly queueLimit: number;
  readonly concurrency: number;
  readonly handleDeadlineMs: number;
  readonly retry: RetryPolicy;
  /** Told whenever the mark has moved. Must not throw or wait. */
  readonly onMark?: (mark: bigint) => void;
}

export interface RetryPolicy {
  /** Times that one event is tried before it is parked. */
  readonly attempts: number;
  readonly baseMs: number;
  readonly maxMs: number;
}

export const GROUP_DEFAULTS = {
  queueLimit: 10_000,
  concurrency: 32,
  handleDeadlineMs: 30_000,
  retry: { attempts: 5, baseMs: 50, maxMs: 2_000 },
} as const;

interface QueuedEvent {
  readonly event: EventEnvelope;
  readonly entry: Unfinished;
  readonly takenAt: number;
}

interface Lane {
  readonly key: string;
  readonly queue: QueuedEvent[];
  /** Failed tries of the event at the head. */
  failures: number;
}

type Step = { readonly next: "finished" | "outage" } | { readonly next: "rest"; readonly delayMs: number };

export class GroupRunner implements Consumption {
  readonly #group: ConsumerGroup;
  readonly #options: GroupRunnerOptions;
  readonly #types: ReadonlySet<string>;
  readonly #unfinished = new UnfinishedEvents();
  readonly #lanes = new Map<string, Lane>();
  readonly #waiters: PositionWaiters;
  readonly #timers = new Set<() => void>();
  #ready: Lane[] = [];
  #running = 0;
  #outages = 0;
  #isPaused = false;
  #isStopped = false;
  /** Greatest position taken; undefined until the stream's start is known. */
  #seen: bigint | undefined;
  #mark: bigint | undefined;
  #onRoom: (() => void)[] = [];
  #onDrained: (() => void)[] = [];

  constructor(group: ConsumerGroup, options: GroupRunnerOptions) {
    this.#group = group;
    this.#options = options;
    this.#types = new Set(group.types);
    this.#waiters = new PositionWaiters(options.timers, options.queueLimit);
  }

  /** Everything up to here was finished before this runner's life. Only the first call counts. */
  startAfter(position: bigint): void {
    if (this.#seen !== undefined) return;
    this.#seen = position;
    this.#advance();
  }

  position(): bigint {
    return this.#mark ?? 0n;
  }

  /** Like `position`, but undefined while the stream's start is unknown. */
  mark(): bigint | undefined {
    return this.#mark;
  }

  /** Greatest position taken; undefined while the stream's start is unknown. */
  seen(): bigint | undefined {
    return this.#seen;
  }

  reached(position: bigint, deadlineMs: number): Promise<boolean> {
    if (this.position() >= position) return Promise.resolve(true);
    return this.#isStopped ? Promise.resolve(false) : this.#waiters.wait(position, deadlineMs);
  }

  /** `after`, or the last position this group has taken when that is lower. */
  nextAfter(after: bigint): bigint {
    return !this.#isStopped && this.#seen !== undefined && this.#seen < after ? this.#seen : after;
  }

  /** Must the publisher wait before it offers this event? */
  isFullFor(event: EventEnvelope): boolean {
    return this.#isNext(event) && this.#types.has(event.type) && this.#unfinished.length >= this.#options.queueLimit;
  }

  /** Resolves when there may be room again, or the runner stops. */
  room(): Promise<void> {
    return this.#isStopped ? Promise.resolve() : new Promise((resolve) => this.#onRoom.push(resolve));
  }

  offer(event: EventEnvelope): void {
    if (!this.#isNext(event)) return;
    this.#seen = event.position;
    if (this.#types.has(event.type)) this.#enqueue(event);
    else this.#advance();
  }

  /** Lets what was taken finish until the deadline; what is not finished by then comes again in the next life. */
  async stop(deadlineMs: number): Promise<void> {
    if (!this.#isStopped && this.#unfinished.length > 0) {
      const drained = new Promise<void>((resolve) => this.#onDrained.push(resolve));
      await withDeadline(drained, deadlineMs, `draining the group ${this.#group.name}`).catch(() => {
        this.#options.logger.warn(
          { consumer: this.#group.name, unfinished: this.#unfinished.length },
          "A group stopped before it had finished; the rest is delivered again at the next start.",
        );
      });
    }
    this.#isStopped = true;
    this.#ready = [];
    for (const cancel of [...this.#timers]) cancel();
    this.#waiters.giveUp();
    this.#wake(this.#onRoom);
  }

  #isNext(event: EventEnvelope): boolean {
    return !this.#isStopped && this.#seen !== undefined && event.position === this.#seen + 1n;
  }

  #enqueue(event: EventEnvelope): void {
    const queued = { event, entry: this.#unfinished.add(event.position), takenAt: this.#options.timers.now() };
    const lane = this.#lanes.get(event.key);
    if (lane !== undefined) {
      lane.queue.push(queued);
    } else {
      const opened: Lane = { key: event.key, queue: [queued], failures: 0 };
      this.#lanes.set(event.key, opened);
      this.#ready.push(opened);
    }
    this.#pump();
  }

  #pump(): void {
    while (!this.#isPaused && !this.#isStopped && this.#running < this.#options.concurrency) {
      const lane = this.#ready.shift();
      if (lane === undefined) return;
      this.#running += 1;
      void this.#step(lane).then((step) => {
        this.#running -= 1;
        if (!this.#isStopped) this.#afterStep(lane, step);
        this.#pump();
      });
    }
  }

  #afterStep(lane: Lane, step: Step): void {
    if (step.next === "finished") {
      this.#finishHead(lane);
    } else if (step.next === "rest") {
      this.#later(step.delayMs, () => this.#ready.push(lane));
    } else {
      this.#ready.unshift(lane);
      this.#pauseGroup();
    }
  }

  /** Moves the lane's head one step on. Never throws. */
  async #step(lane: Lane): Promise<Step> {
    const { event } = lane.queue[0]!;
    try {
      if (await this.#timed(this.#group.isKeyParked(event.key), "looking for parked events")) {
        return await this.#park(lane, event, undefined);
      }
    } catch (error) {
      return this.#outage(event, error);
    }
    this.#outages = 0;
    try {
      await this.#timed(this.#group.handle(event), `handling ${event.type}`);
      return { next: "finished" };
    } catch (error) {
      return this.#afterFailure(lane, event, error);
    }
  }

  #afterFailure(lane: Lane, event: EventEnvelope, error: unknown): Step | Promise<Step> {
    lane.failures += 1;
    const isPoison = error instanceof PoisonEvent;
    if (isPoison || lane.failures >= this.#options.retry.attempts) return this.#park(lane, event, error);
    this.#options.metrics.retried(this.#group);
    this.#options.logger.warn(
      { ...this.#describe(event), attempt: lane.failures, cause: describeError(error) },
      "An event could not be applied; it is tried again.",
    );
    return {
      next: "rest",
      delayMs: planPauseMs(lane.failures, { ...this.#options.retry, random: this.#options.random }),
    };
  }

  /** With an error the event opens a parked key; without, it waits behind one. */
  async #park(lane: Lane, event: EventEnvelope, error: unknown): Promise<Step> {
    try {
      await this.#timed(this.#group.park(event, error, lane.failures), "parking an event");
    } catch (parkError) {
      lane.failures = 0;
      return this.#outage(event, parkError);
    }
    this.#outages = 0;
    this.#options.metrics.parked(this.#group);
    if (error !== undefined) {
      this.#options.logger.error(
        { ...this.#describe(event), attempts: lane.failures, cause: describeError(error) },
        "An event was parked, and its key with it. Mend the cause, then: florin dead-letters replay.",
      );
    }
    return { next: "finished" };
  }

  #outage(event: EventEnvelope, error: unknown): Step {
    if (!this.#isPaused) {
      this.#options.logger.error(
        { ...this.#describe(event), cause: describeError(error) },
        "A group cannot reach its store; it pauses and tries again.",
      );
    }
    return { next: "outage" };
  }

  #pauseGroup(): void {
    if (this.#isPaused) return; // the others that were running find it so
    this.#outages += 1;
    this.#isPaused = true;
    const { retry, random } = this.#options;
    // Never less than the base: without a store there is nothing to be quick for.
    this.#later(
      Math.max(retry.baseMs, planPauseMs(this.#outages, { ...retry, random })),
      () => (this.#isPaused = false),
    );
  }

  #later(delayMs: number, work: () => unknown): void {
    this.#after(delayMs, () => {
      work();
      this.#pump();
    });
  }

  #finishHead(lane: Lane): void {
    const { entry, takenAt } = lane.queue.shift()!;
    entry.isFinished = true;
    lane.failures = 0;
    this.#options.metrics.finished(this.#group, this.#options.timers.now() - takenAt);
    if (lane.queue.length > 0) this.#ready.push(lane);
    else this.#lanes.delete(lane.key);
    this.#advance();
  }

  #advance(): void {
    const oldestOpen = this.#unfinished.dropFinished();
    const mark = oldestOpen === undefined ? this.#seen : oldestOpen - 1n;
    if (mark === undefined || mark === this.#mark) return;
    if (this.#mark !== undefined && mark < this.#mark) throw new Error("a group's mark went back; this is a bug");
    this.#mark = mark;
    this.#options.metrics.reached(this.#group, mark);
    this.#waiters.reached(mark);
    this.#options.onMark?.(mark);
    if (this.#unfinished.length < this.#options.queueLimit) this.#wake(this.#onRoom);
    if (this.#unfinished.length === 0) this.#wake(this.#onDrained);
  }

  #wake(sleepers: (() => void)[]): void {
    for (const wake of sleepers.splice(0)) wake();
  }

  /** The work with a deadline that does not outlive the runner. Late outcomes of the work are ignored. */
  #timed<T>(work: Promise<T>, what: string): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const { handleDeadlineMs } = this.#options;
      const cancel = this.#after(handleDeadlineMs, () =>
        reject(new DeadlineExceeded(`${this.#group.name}: ${what}`, handleDeadlineMs)),
      );
      work.then(resolve, reject).finally(cancel);
    });
  }

  /** A timer that `stop` ends. */
  #after(delayMs: number, work: () => void): () => void {
    const cancel = (): void => {
      this.#timers.delete(cancel);
      cancelTimer();
    };
    const cancelTimer = this.#options.timers.after(delayMs, () => {
      this.#timers.delete(cancel);
      work();
    });
    this.#timers.add(cancel);
    return cancel;
  }

  #describe(event: EventEnvelope): object {
    return {
      consumer: this.#group.name,
      stream: event.stream,
      position: event.position.toString(),
      eventType: event.type,
      key: event.key,
      correlationId: event.correlationId,
    };
  }
}
