/**
 * Subscribers of one operation, with one upstream execution per event between them.
 *
 * Who may share: the key holds everything that can change an answer - the snapshot, the document, the operation's name, the
 * variables (without the resume cursor) and the principal with its roles and scopes. Never across principals.
 *
 * Joining: without a cursor a subscriber starts at the newest position. With one it replays the log on a feed of its own, at
 * the pace of its socket, until it has seen all that the group has; then it joins, and skips what it has already had. The
 * check and the join happen in one synchronous step, so no event falls between them and none comes twice.
 */
import type { Bus, EventStream } from "@florin/events";
import type { EventEnvelope } from "@florin/kernel";
import type { FormattedExecutionResult } from "graphql";
import type { Emission, EmissionQueue } from "./emission-queue.js";
import { EventFeed, withDeadline } from "./event-feed.js";
import { LiveQueryError, unavailable } from "./live-error.js";
import { isBehind, sealCursor, WHOLE_EVENT, type LivePosition, type LiveSealer } from "./live-cursor.js";
import { emissionsOf, readAccountPosted, type AccountField, type RootValue } from "./live-events.js";
import type { LiveCaller, LiveExecutor, LiveLogger, LiveOperation } from "./live-execution.js";

export interface GroupOptions {
  readonly field: AccountField;
  readonly operation: LiveOperation;
  readonly wants: (event: EventEnvelope) => boolean;
  readonly bus: Pick<Bus, "tap">;
  readonly stream: EventStream;
  readonly executor: LiveExecutor;
  readonly sealer: LiveSealer;
  readonly logger: LiveLogger;
  readonly bufferLimit: number;
  readonly onFeed: (change: 1 | -1) => void;
  readonly onEmpty: (group: ExecutionGroup) => void;
}

export interface Member {
  readonly queue: EmissionQueue;
  readonly caller: LiveCaller;
}

const HEAD_DEADLINE_MS = 5_000;

export class ExecutionGroup {
  readonly #options: GroupOptions;
  /** Each member with the position up to which it needs nothing. */
  readonly #members = new Map<Member, bigint>();
  #feed: EventFeed | undefined;
  /** Those that replay the log and will join. */
  #replaying = 0;

  constructor(options: GroupOptions) {
    this.#options = options;
  }

  /** From now on this member gets everything behind `upTo`; nobody else does this for it. */
  join(member: Member, upTo: bigint): void {
    this.#members.set(member, upTo);
    if (this.#feed !== undefined) return;
    const feed = this.#openFeed();
    this.#feed = feed;
    feed.startAfter(upTo);
    void this.#run(feed);
  }

  leave(member: Member): void {
    this.#members.delete(member);
    this.#retireIfEmpty();
  }

  /**
   * Hands out everything behind `after`, up to `head` at least, then joins. Resolves when it has joined or its queue is closed;
   * what goes wrong is told through the queue.
   */
  async replayThenJoin(member: Member, after: LivePosition, head: bigint): Promise<void> {
    this.#replaying++;
    const feed = this.#openFeed();
    feed.startAfter(replayStart(this.#options.field, after));
    feed.mustReach(head);
    try {
      while (!member.queue.isClosed) {
        await feed.fill();
        if (this.#feed !== undefined) feed.mustReach(this.#feed.seen);
        // Nothing can be published between the check and the join: both happen in this turn.
        if (feed.isCaughtUp && !member.queue.isClosed) return this.join(member, feed.seen);
        if (!(await this.#replayOne(member, feed, after))) return;
      }
    } catch (error) {
      this.#fail(member, error);
    } finally {
      this.#replaying--;
      this.#closeFeed(feed);
      this.#retireIfEmpty();
    }
  }

  async #replayOne(member: Member, feed: EventFeed, after: LivePosition): Promise<boolean> {
    const event = feed.isCaughtUp ? undefined : await feed.next();
    if (event === undefined) return !member.queue.isClosed;
    for (const emission of this.#emissionsOf(event)) {
      if (isBehind({ position: event.position, index: emission.index }, after)) continue;
      await member.queue.room();
      if (member.queue.isClosed) return false;
      const result = await this.#options.executor.runPatiently(
        this.#options.operation,
        emission.root,
        () => member.caller,
      );
      if (result === undefined) throw unavailable();
      member.queue.push(asEmission(emission, result));
    }
    return true;
  }

  async #run(feed: EventFeed): Promise<void> {
    try {
      for (let event = await feed.next(); event !== undefined; event = await feed.next()) {
        for (const emission of this.#emissionsOf(event)) await this.#deliver(feed, event, emission);
      }
    } catch (error) {
      for (const member of [...this.#members.keys()]) this.#fail(member, error);
    }
  }

  async #deliver(feed: EventFeed, event: EventEnvelope, emission: RootEmission): Promise<void> {
    // A feed that was stopped while its last event was under way has nobody: later members are the next feed's.
    const wanting = (): Member[] =>
      [...this.#members].flatMap(([member, upTo]) => (this.#feed === feed && event.position > upTo ? [member] : []));
    if (wanting().length === 0) return;
    const result = await this.#options.executor.runPatiently(
      this.#options.operation,
      emission.root,
      () => wanting()[0]?.caller,
    );
    for (const member of wanting()) {
      if (result === undefined) member.queue.fail(unavailable(member.queue.lastCursor));
      else member.queue.push(asEmission(emission, result));
    }
  }

  #emissionsOf(event: EventEnvelope): readonly RootEmission[] {
    const { field, sealer, stream } = this.#options;
    const cursorAt = (index: number): string =>
      sealCursor(sealer, stream.stream, field, { position: event.position, index });
    return emissionsOf(field, event, cursorAt).map((emission, index) => ({ ...emission, index }));
  }

  #fail(member: Member, error: unknown): void {
    if (!(error instanceof LiveQueryError))
      this.#options.logger.error({ err: error }, "a live query stopped by a fault of ours");
    const code = error instanceof LiveQueryError ? error.extensions["code"] : undefined;
    const told = error instanceof LiveQueryError && code !== "TEMPORARILY_UNAVAILABLE" ? error : undefined;
    member.queue.fail(told ?? unavailable(member.queue.lastCursor));
  }

  #openFeed(): EventFeed {
    const { bus, stream, wants, bufferLimit, field } = this.#options;
    const conflateBy = field === "balanceChanged" ? accountOf : undefined;
    this.#options.onFeed(1);
    return new EventFeed({ bus, stream, wants, bufferLimit, conflateBy });
  }

  #closeFeed(feed: EventFeed): void {
    feed.stop();
    this.#options.onFeed(-1);
  }

  #retireIfEmpty(): void {
    if (this.#members.size > 0) return;
    this.#stopFeed();
    if (this.#replaying === 0) this.#options.onEmpty(this);
  }

  #stopFeed(): void {
    const feed = this.#feed;
    this.#feed = undefined;
    if (feed !== undefined) this.#closeFeed(feed);
  }
}

/** The newest published position. Throws TEMPORARILY_UNAVAILABLE. */
export async function readHead(stream: EventStream): Promise<bigint> {
  return withDeadline(stream.head(), HEAD_DEADLINE_MS).catch(() => {
    throw unavailable();
  });
}

interface RootEmission {
  readonly key: string;
  readonly cursor: string;
  readonly root: RootValue;
  readonly index: number;
}

function asEmission(emission: RootEmission, result: FormattedExecutionResult): Emission {
  return { key: emission.key, cursor: emission.cursor, result };
}

function accountOf(event: EventEnvelope): string {
  return readAccountPosted(event)?.accountId ?? event.key;
}

/** An event with several emissions is read again: the cursor may stand in its middle. */
export function replayStart(field: AccountField, after: LivePosition): bigint {
  const isWhole = field === "balanceChanged" || after.index === WHOLE_EVENT || after.position === 0n;
  return isWhole ? after.position : after.position - 1n;
}
