import { DeadlineExceeded, faultPoint, withDeadline } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";
import type { ConsumerGroup, Consumption } from "./bus.js";
import { GroupRunner, type GroupRunnerOptions } from "./group-runner.js";
import { describeError } from "./poison-event.js";
import { PositionWaiters } from "./position-waiters.js";
import type { RedisBusMetrics } from "./redis-bus-metrics.js";
import type { RedisConnection } from "./redis-connection.js";
import { RedisGroupReader } from "./redis-group-reader.js";
import type { LeaseAnswer, RedisStream } from "./redis-stream.js";
import { pause, type Timers } from "./timers.js";

/*
 * One process's part in one group. Every process of the group asks for its lease; whoever has it is active and works, the others wait.
 *
 *   STANDBY → ACTIVE    the lease is ours: a runner begins after the group's mark, a reader claims what the last one left and reads on
 *   ACTIVE  → STANDBY   another process has the lease: the runner is dropped. What it still runs may commit; its inbox rows make that
 *                       harmless, and so a process that was frozen and wakes is harmless too.
 *   ACTIVE  → ACTIVE    Redis was away, and nobody else has worked since: the runner goes on · the stream was begun anew: a new runner
 *                       begins after the mark there; what it repeats the inbox absorbs, and nothing rests on what another stream said
 *
 * heartbeat   every third of the lease, sooner while there is no stream: asks for it or renews it, and learns generation, last position and the group's mark
 * marks       whatever the runner's mark passes is acknowledged and the mark written, at most every ACK_EVERY_MS
 * stop        drains, acknowledges, gives the lease back; with no time left (0 ms) nothing is given back and the lease runs out
 */
export interface RedisGroupMemberOptions {
  readonly stream: RedisStream;
  /** Of this member alone: it blocks. */
  readonly connection: RedisConnection;
  /** Names this process in leases and groups; a new one for each life. */
  readonly token: string;
  readonly leaseMs: number;
  readonly runner: GroupRunnerOptions;
  readonly logger: Logger;
  readonly metrics: RedisBusMetrics;
  readonly timers: Timers;
}

const ACK_EVERY_MS = 50;
const POLL_EVERY_MS = 25;
/** For the lease, when draining took the whole deadline: two short commands, and the next process need not wait. */
const GIVE_BACK_LEAST_MS = 200;
/** To the next heartbeat while there is no stream to read: the relay begins one within its next round. */
const SOON_MS = 50;

interface Term {
  /** Of the stream that its positions are about. */
  readonly generation: string;
  readonly runner: GroupRunner;
  readonly reader: RedisGroupReader;
}

export class RedisGroupMember implements Consumption {
  readonly #group: ConsumerGroup;
  readonly #options: RedisGroupMemberOptions;
  readonly #waiters: PositionWaiters;
  #term: Term | undefined;
  /** Greatest mark of the group that this process knows of. */
  #mark = 0n;
  /** Greatest mark that Redis has confirmed in its present life. */
  #acknowledged = -1n;
  #isStarted = false;
  #endRest: (() => void) | undefined;
  #cancelAck: (() => void) | undefined;
  #isWithoutStream = false;
  #isPolling = false;
  #isStopping = false;
  #isStopped = false;

  constructor(group: ConsumerGroup, options: RedisGroupMemberOptions) {
    this.#group = group;
    this.#options = options;
    this.#waiters = new PositionWaiters(options.timers, options.runner.queueLimit);
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    void this.#beatForever();
  }

  position(): bigint {
    return this.#mark;
  }

  reached(position: bigint, deadlineMs: number): Promise<boolean> {
    if (this.#mark >= position) return Promise.resolve(true);
    if (this.#isStopping) return Promise.resolve(false);
    const reached = this.#waiters.wait(position, deadlineMs);
    this.#pollIfNeeded();
    return reached;
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    const until = this.#options.timers.now() + deadlineMs;
    const term = this.#term;
    await term?.reader.stop();
    await term?.runner.stop(deadlineMs);
    this.#isStopped = true;
    this.#endRest?.();
    this.#cancelAck?.();
    if (deadlineMs > 0 && term !== undefined) {
      await this.#giveBack(term, Math.max(until - this.#options.timers.now(), GIVE_BACK_LEAST_MS));
    }
    this.#term = undefined;
    this.#waiters.giveUp();
    this.#options.connection.close();
  }

  async #giveBack(term: Term, deadlineMs: number): Promise<void> {
    const { stream, token, logger } = this.#options;
    const work = async (): Promise<void> => {
      await this.#acknowledge(term);
      await stream.release(this.#group.name, token);
    };
    await withDeadline(work(), deadlineMs, `giving back the lease of ${this.#group.name}`).catch((error: unknown) => {
      logger.warn(
        { consumer: this.#group.name, cause: describeError(error) },
        "A group's lease was not given back; it runs out by itself, and what was not acknowledged is delivered again.",
      );
    });
  }

  /** Never throws. */
  async #beatForever(): Promise<void> {
    while (!this.#isStopped) {
      await this.#beat();
      await this.#rest(
        this.#isWithoutStream ? Math.min(SOON_MS, this.#options.leaseMs / 3) : this.#options.leaseMs / 3,
      );
    }
  }

  async #beat(): Promise<void> {
    const { stream, token, leaseMs, timers } = this.#options;
    const askedAt = timers.now();
    try {
      const answer = await stream.lease(this.#group.name, token, leaseMs);
      this.#isWithoutStream = answer.state === undefined;
      if (answer.mark !== undefined) this.#noteMark(answer.mark);
      if (answer.lease === "OTHER") this.#endTerm("Another process works for the group now.");
      else if (!this.#isStopping) this.#holdLease(answer, askedAt + leaseMs);
      this.#measure(answer);
    } catch (error) {
      this.#isWithoutStream = false;
      // The connection tells an outage once; the rest is told here. Either way the next beat asks again.
      if (!this.#isOutage(error)) this.#warn(error, "A group could not ask for its lease; it asks again.");
    }
  }

  #holdLease(answer: LeaseAnswer, until: number): void {
    if (answer.lease === "TAKEN") faultPoint("redis-bus.after-lease");
    const { state, mark } = answer;
    if (state === undefined || mark === undefined) {
      this.#acknowledged = -1n; // emptied: the mark must be written again
      return;
    }
    const known = this.#term?.runner.mark();
    if (this.#term !== undefined && this.#term.generation !== state.generation) {
      this.#endTerm("The stream was begun anew; this process begins after the group's mark.");
    } else if (known !== undefined && answer.lease === "TAKEN" && mark > known) {
      this.#endTerm("Another process worked for the group meanwhile; this one begins after it.");
    }
    if (this.#term === undefined) this.#beginTerm(mark, state.generation);
    this.#acknowledged = mark;
    this.#term?.reader.allow(until, state);
    this.#acknowledgeSoon();
  }

  #beginTerm(mark: bigint, generation: string): void {
    const { runner: options, logger, metrics, stream } = this.#options;
    const runner = new GroupRunner(this.#group, { ...options, onMark: (reached) => this.#onMark(runner, reached) });
    const reader = new RedisGroupReader({
      ...this.#options,
      group: this.#group.name,
      runner,
      onRepetition: () => this.#acknowledgeAgain(),
      askAgain: () => this.#beat(),
    });
    this.#term = { generation, runner, reader };
    runner.startAfter(mark);
    reader.start();
    metrics.leaseTaken(stream.area, this.#group.name);
    logger.info(
      { stream: stream.area, consumer: this.#group.name, after: mark.toString() },
      "This process works for the group now.",
    );
  }

  /** What the runner still does may commit, and has no second effect. */
  #endTerm(reason: string): void {
    const term = this.#term;
    if (term === undefined || this.#isStopping) return;
    this.#term = undefined;
    this.#options.logger.warn({ stream: this.#options.stream.area, consumer: this.#group.name }, reason);
    void term.reader.stop();
    void term.runner.stop(0);
    this.#pollIfNeeded();
  }

  #onMark(runner: GroupRunner, mark: bigint): void {
    this.#noteMark(mark);
    if (this.#term?.runner === runner) this.#acknowledgeSoon();
  }

  #noteMark(mark: bigint): void {
    if (mark <= this.#mark) return;
    this.#mark = mark;
    this.#waiters.reached(mark);
  }

  /** Something was handed out again that is finished: it must be acknowledged though the mark stands still. */
  #acknowledgeAgain(): void {
    this.#acknowledged = -1n;
    this.#acknowledgeSoon();
  }

  #acknowledgeSoon(): void {
    const term = this.#term;
    if (this.#cancelAck !== undefined || this.#isStopped || term === undefined) return;
    if ((term.runner.mark() ?? -1n) <= this.#acknowledged) return;
    this.#cancelAck = this.#options.timers.after(ACK_EVERY_MS, () => {
      void this.#acknowledge(term)
        .catch((error: unknown) => {
          // Not marked as done, so the next mark or heartbeat tries again.
          if (!this.#isOutage(error))
            this.#warn(error, "A group could not acknowledge what it finished; it tries again.");
          return false;
        })
        .then((isDone) => {
          this.#cancelAck = undefined;
          if (isDone) this.#acknowledgeSoon();
        });
    });
  }

  async #acknowledge(term: Term): Promise<boolean> {
    const mark = term.runner.mark();
    if (mark === undefined) return false;
    faultPoint("redis-bus.before-ack");
    this.#acknowledged = mark; // before the answer: a repetition that comes meanwhile asks for another one
    try {
      await this.#options.stream.acknowledge(this.#group.name, mark, term.generation);
    } catch (error) {
      this.#acknowledged = -1n;
      throw error;
    }
    faultPoint("redis-bus.after-ack");
    return true;
  }

  /** While somebody waits here for what another process does, the group's mark is read for all of them together. */
  #pollIfNeeded(): void {
    if (this.#isPolling || this.#term !== undefined || this.#waiters.size === 0) return;
    this.#isPolling = true;
    void this.#poll().finally(() => (this.#isPolling = false));
  }

  async #poll(): Promise<void> {
    const { stream, timers } = this.#options;
    while (!this.#isStopped && this.#term === undefined && this.#waiters.size > 0) {
      const mark = await stream.mark(this.#group.name).catch(() => undefined); // an outage ends by itself, or the deadline comes
      if (mark !== undefined) this.#noteMark(mark);
      await pause(timers, POLL_EVERY_MS).over;
    }
  }

  #measure({ state, mark, pending }: LeaseAnswer): void {
    if (state === undefined || mark === undefined) return;
    const lag = state.last > mark ? state.last - mark : 0n;
    this.#options.metrics.group(this.#options.stream.area, this.#group.name, { lag, pending });
  }

  #isOutage(error: unknown): boolean {
    return error instanceof DeadlineExceeded || this.#options.stream.isAway;
  }

  #warn(error: unknown, message: string): void {
    this.#options.logger.warn(
      { stream: this.#options.stream.area, consumer: this.#group.name, cause: describeError(error) },
      message,
    );
  }

  async #rest(delayMs: number): Promise<void> {
    if (this.#isStopped) return;
    const rest = pause(this.#options.timers, delayMs);
    this.#endRest = rest.cancel;
    await rest.over;
    this.#endRest = undefined;
  }
}
