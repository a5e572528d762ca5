import type { Area, EventEnvelope } from "@florin/kernel";

/**
 * The port of the bus. Adapters: in one process (`createInProcessBus`), Redis Streams (`createRedisBus`). A bus carries; the truth
 * stays in the outbox, so a bus that forgets everything loses nothing: the relay publishes again from the delivered position.
 */
export interface Bus {
  /**
   * Hands events of one stream, in order of position, to every group and tap. Resolves when the bus has taken them, which may
   * mean waiting for room: a full group holds the relay back, never drops.
   */
  publish(stream: Area, events: readonly EventEnvelope[]): Promise<void>;
  /**
   * Asked by the relay before each round. Returns the position to go on after: lower than `published` when a group has come late or
   * the bus has forgotten, higher when another relay of the stream is further. Throws when the bus cannot say.
   */
  resume(stream: Area, known: RelayPositions): Promise<bigint>;
  /**
   * Greatest position that every group of the stream has finished for good (applied or parked) with all before it; undefined while
   * that is unknown.
   */
  safePosition(stream: Area): Promise<bigint | undefined>;
  /** A durable group: at-least-once, in order per key, with bounded retries and dead letters behind `handle`. */
  consume(group: ConsumerGroup): Consumption;
  /**
   * A listener without memory (live queries, caches): sees each position at most once, in order, from now on. It may begin with some
   * events from just before, and positions jump where the bus has lost events that all groups had finished: who needs them reads the
   * log (`EventStream`). Must not throw or wait.
   */
  tap(stream: Area, listener: (event: EventEnvelope) => void): () => void;
  stop(deadlineMs: number): Promise<void>;
}

/** What the relay knows of its stream. */
export interface RelayPositions {
  /** The last position it handed to the bus; at first the delivered one. */
  readonly published: bigint;
  /** Every expected group had finished everything up to here when the outbox was last told: a bus without memory begins here. */
  readonly delivered: bigint;
  /**
   * Does the outbox have this very event at its position? Asked by a bus that keeps events beyond a process, about one of them, before it
   * gives a position: a bus of another database would have events counted as delivered that nobody was told. true when the outbox keeps
   * that position no longer.
   */
  readonly isOwn?: (event: EventEnvelope) => Promise<boolean>;
}

export interface ConsumerGroup {
  readonly name: string;
  readonly stream: Area;
  /** Event types this group wants; others are finished at once. */
  readonly types: readonly string[];
  /** Applies the events in one transaction with their inbox rows; idempotent. Throws to be tried again. */
  handle(event: EventEnvelope): Promise<void>;
  /**
   * Called when retries are used up: parks the event, and from then on the key. Called with no error and 0 attempts for an event
   * that waits behind a parked one. Must be durable before it resolves; parking the same event again changes nothing.
   */
  park(event: EventEnvelope, error: unknown, attempts: number): Promise<void>;
  /** Is an earlier event of this key parked? Then later ones are parked behind it, in order. */
  isKeyParked(key: string): Promise<boolean>;
}

export interface Consumption {
  /** Greatest position below which this group has finished everything; readers with a consistency token wait for it. */
  position(): bigint;
  /** Resolves true when `position()` reaches it, false when the deadline passes first. */
  reached(position: bigint, deadlineMs: number): Promise<boolean>;
}

/** The owning area's range endpoint: what was published, from PostgreSQL. Used behind the bus's horizon (api.md, Subscriptions). */
export interface EventStream {
  readonly stream: Area;
  /** The newest published position; 0 when there is none. */
  head(): Promise<bigint>;
  /** Events with position > after, in order, at most `limit` (≤ 1000). */
  range(after: bigint, limit: number): Promise<readonly EventEnvelope[]>;
}
