import { setTimeout as pause } from "node:timers/promises";
import type { Bus, EventStream } from "@florin/events";
import type { EventEnvelope } from "@florin/kernel";
import { cursorExpired, unavailable } from "./live-error.js";

/**
 * One reader's ordered, gapless view of a stream: the log from PostgreSQL behind it, the bus's tap at its head.
 *
 * States: LIVE (every position up to `seen` is taken; taps extend it one by one) and BEHIND (positions between `seen` and
 * `tapped` are missing; only the log can give them). A tap that jumps, or a full buffer, turns LIVE into BEHIND; a short page
 * of the log that reaches `tapped` turns it back. Positions are gapless, so a missing one is always noticed, and the buffer is
 * only a cache of the log: dropping it loses nothing.
 *
 * Bounds: the buffer holds at most `bufferLimit` events plus one page; a page has 500; a page is tried 4 times.
 */
export interface FeedOptions {
  readonly bus: Pick<Bus, "tap">;
  readonly stream: EventStream;
  readonly wants: (event: EventEnvelope) => boolean;
  /** Events with one key replace each other while they wait; the latest stands at the end. */
  readonly conflateBy?: ((event: EventEnvelope) => string) | undefined;
  readonly bufferLimit: number;
}

const PAGE = 500;
const READ_PAUSES_MS = [50, 250, 1000];
const READ_DEADLINE_MS = 5_000;
/** How long the log may lag behind what the bus already told. */
const LAG_PAUSES = 40;
const LAG_PAUSE_MS = 50;

export class EventFeed {
  readonly #options: FeedOptions;
  readonly #untap: () => void;
  readonly #buffer = new Map<string, EventEnvelope>();
  #seen: bigint | undefined;
  #tapped = 0n;
  #behind = true;
  #stopped = false;
  #wake: (() => void) | undefined;

  /** The tap is registered here, before any position is read: nothing can fall between the log and the tap. */
  constructor(options: FeedOptions) {
    this.#options = options;
    this.#untap = options.bus.tap(options.stream.stream, (event) => this.#take(event));
  }

  /** Starts behind `position`, once: all later events come, in order, each once. */
  startAfter(position: bigint): void {
    if (this.#seen !== undefined) return;
    this.#seen = position; // still BEHIND: what came since the position was read is only in the log
    this.#wake?.();
  }

  /** Every position up to here has been taken or was not wanted. */
  get seen(): bigint {
    return this.#seen ?? 0n;
  }

  /** Nothing waits and nothing is missing. */
  get isCaughtUp(): boolean {
    return this.#seen !== undefined && !this.#behind && this.#buffer.size === 0;
  }

  /** Somebody else has seen the log up to here: read it too before you call yourself caught up. */
  mustReach(position: bigint): void {
    if (position > this.#tapped) this.#tapped = position;
    if (this.#tapped > this.seen) this.#behind = true;
  }

  /** The next wanted event; undefined once stopped. Throws when the log cannot be read or no longer reaches back. */
  async next(): Promise<EventEnvelope | undefined> {
    for (;;) {
      if (this.#stopped) return undefined;
      for (const [key, event] of this.#buffer) {
        this.#buffer.delete(key);
        return event;
      }
      if (this.#seen !== undefined && this.#behind) await this.#readLog();
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Reads the log until it is caught up or an event waits. For readers that replay and then join others. */
  async fill(): Promise<void> {
    while (!this.#stopped && this.#behind && this.#buffer.size === 0) await this.#readLog();
  }

  stop(): void {
    this.#stopped = true;
    this.#untap();
    this.#buffer.clear();
    this.#wake?.();
  }

  #take(event: EventEnvelope): void {
    if (event.position > this.#tapped) this.#tapped = event.position;
    if (this.#seen === undefined || this.#behind || event.position <= this.#seen) return;
    if (event.position !== this.#seen + 1n || this.#buffer.size >= this.#options.bufferLimit) {
      this.#behind = true;
    } else {
      this.#accept(event);
    }
    this.#wake?.();
  }

  #accept(event: EventEnvelope): void {
    this.#seen = event.position;
    if (!this.#options.wants(event)) return;
    const key = this.#options.conflateBy?.(event) ?? String(event.position);
    this.#buffer.delete(key); // so that the replacement goes to the end and positions stay in order
    this.#buffer.set(key, event);
  }

  async #readLog(): Promise<void> {
    for (let lag = 0; lag <= LAG_PAUSES && !this.#stopped; lag++) {
      const page = await this.#readPage();
      if (this.#stopped) return;
      for (const event of page) {
        if (event.position <= this.seen) continue;
        if (event.position !== this.seen + 1n) throw cursorExpired();
        this.#accept(event);
      }
      if (page.length < PAGE && this.seen >= this.#tapped) this.#behind = false;
      if (page.length > 0 || !this.#behind) return;
      await pause(LAG_PAUSE_MS);
    }
    if (!this.#stopped) throw unavailable();
  }

  async #readPage(): Promise<readonly EventEnvelope[]> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await withDeadline(this.#options.stream.range(this.seen, PAGE), READ_DEADLINE_MS);
      } catch {
        const wait = READ_PAUSES_MS[attempt];
        if (wait === undefined || this.#stopped) throw unavailable();
        await pause(wait);
      }
    }
  }
}

/** Rejects with TEMPORARILY_UNAVAILABLE when `work` takes longer; the work's own late result is ignored. */
export async function withDeadline<T>(work: Promise<T>, deadlineMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unavailable()), deadlineMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
