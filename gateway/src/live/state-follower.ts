import type { Bus, EventStream } from "@florin/events";
import type { EventEnvelope } from "@florin/kernel";
import type { EmissionQueue } from "./emission-queue.js";
import { EventFeed } from "./event-feed.js";
import { readHead } from "./execution-group.js";
import { LiveQueryError, unavailable } from "./live-error.js";
import type { RootValue } from "./live-events.js";
import type { LiveCaller, LiveExecutor, LiveOperation } from "./live-execution.js";

/** One thing as it is now, to be shown once. */
export interface Sight {
  /** What it is a state of: a later state may stand in for one that still waits. */
  readonly id: string;
  readonly root: RootValue;
  /** What subgraphs must have reached to show it. */
  readonly consistency: string;
  /** Nothing can follow: the subscription completes behind it. */
  readonly isLast: boolean;
}

/** What a subscription without cursor follows: states, not a log. */
export interface Subject {
  /** For a slow client, a later state of one thing replaces the one that still waits. */
  readonly conflates: boolean;
  /** Events after which something may look different. */
  readonly wants: (event: EventEnvelope) => boolean;
  /** The present states, in order, of `head` or later. Throws NOT_FOUND for what the viewer may not see. */
  present(head: bigint): Promise<readonly Sight[]>;
  /** What this event, which was wanted, makes visible; undefined: nothing for this viewer. */
  after(event: EventEnvelope): Promise<Sight | undefined>;
}

export interface StateFollowerOptions {
  readonly subject: Subject;
  readonly operation: LiveOperation;
  readonly caller: LiveCaller;
  readonly bus: Pick<Bus, "tap">;
  readonly stream: EventStream;
  readonly executor: LiveExecutor;
  readonly bufferLimit: number;
}

/**
 * The present state first, then the state after each event.
 *
 * The feed starts before the state is read, so no change can be missed between the two; one may be seen twice, when it comes
 * while the first emission is being fetched. Whoever was cut off subscribes again and sees the present state.
 */
export class StateFollower {
  readonly #options: StateFollowerOptions;
  readonly #feed: EventFeed;

  constructor(options: StateFollowerOptions) {
    const { bus, stream, bufferLimit, subject } = options;
    this.#options = options;
    this.#feed = new EventFeed({ bus, stream, bufferLimit, wants: subject.wants });
  }

  /** The present states. Throws NOT_FOUND for what the viewer may not see. */
  async open(): Promise<readonly Sight[]> {
    const { stream, subject } = this.#options;
    const head = await readHead(stream);
    this.#feed.startAfter(head);
    return subject.present(head);
  }

  /** Feeds the queue with the present states and what comes, until a last one; ends or fails the queue. */
  async follow(present: readonly Sight[], queue: EmissionQueue): Promise<void> {
    try {
      await this.#show(present, queue);
      queue.end();
    } catch (error) {
      queue.fail(error instanceof LiveQueryError ? error : unavailable());
    }
  }

  stop(): void {
    this.#feed.stop();
  }

  async #show(present: readonly Sight[], queue: EmissionQueue): Promise<void> {
    for (const sight of present) {
      await this.#emit(sight, queue);
      if (sight.isLast) return;
    }
    for (let event = await this.#feed.next(); event !== undefined; event = await this.#feed.next()) {
      const sight = await this.#options.subject.after(event);
      if (sight === undefined) continue;
      await this.#emit(sight, queue);
      if (sight.isLast) return;
    }
  }

  async #emit({ id, root, consistency }: Sight, queue: EmissionQueue): Promise<void> {
    const { executor, operation, caller } = this.#options;
    const pickCaller = () => (queue.isClosed ? undefined : caller);
    const result = await executor.runPatiently(operation, root, pickCaller, consistency);
    if (result === undefined) throw unavailable();
    queue.push({ key: id, cursor: undefined, result });
  }
}
