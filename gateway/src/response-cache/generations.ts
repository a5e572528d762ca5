/**
 * How new a cached answer must be: for each person, the newest position at which an event of a stream concerned that person.
 *
 * The position is part of an answer's key, so an answer from before an event is not found any more, by nobody and at no level. What is
 * not known is never taken for old news: somebody without an entry, because nothing came since the start or because the entry was
 * evicted, has the floor, and the floor is never below any event that such a person may have had.
 *
 *   floor = the head of the stream at the start; raised to an evicted entry's position, and to what a gap in the tap may have hidden
 *
 * Every type of event counts: a type that does not matter costs one fetch. Bound: `principals` entries a stream, about 100 bytes each.
 */
import type { Bus, EventStream } from "@florin/events";
import type { EventEnvelope } from "@florin/kernel";
import { withDeadline } from "../live/event-feed.js";
import type { CachedArea } from "./cacheable-fetch.js";

const HEAD_DEADLINE_MS = 5_000;
const HEAD_AGAIN_MS = 1_000;

export interface GenerationOptions {
  readonly bus: Pick<Bus, "tap">;
  readonly streams: Readonly<Record<CachedArea, EventStream>>;
  /** People whose newest event is remembered, for each stream. */
  readonly principals: number;
  /** Milliseconds, never decreasing. */
  readonly now: () => number;
}

export interface Generations {
  /** undefined: the head of the stream is not known yet, so nothing may be taken from a cache. */
  of(area: CachedArea, principal: string): bigint | undefined;
  /** A write of this person that was acknowledged before its event came round. */
  note(area: CachedArea, principal: string, position: bigint): void;
  stop(): void;
}

export function createGenerations(options: GenerationOptions): Generations {
  const accounts = new StreamGenerations(options, "accounts");
  const portfolio = new StreamGenerations(options, "portfolio");
  const streams = { accounts, portfolio };
  return {
    of: (area, principal) => streams[area].of(principal),
    note: (area, principal, position) => streams[area].note(principal, position),
    stop() {
      accounts.stop();
      portfolio.stop();
    },
  };
}

class StreamGenerations {
  readonly #options: GenerationOptions;
  readonly #stream: EventStream;
  readonly #untap: () => void;
  /** In the order in which they were last told: the first is the one to forget. */
  readonly #newest = new Map<string, bigint>();
  #floor = 0n;
  /** The newest position that the tap told. */
  #told = 0n;
  #isHeadKnown = false;
  #isAsking = false;
  #askAgainAt = 0;

  /** The tap is registered before the head is read: no event falls between the two. */
  constructor(options: GenerationOptions, area: CachedArea) {
    this.#options = options;
    this.#stream = options.streams[area];
    this.#untap = options.bus.tap(area, (event) => this.#take(event));
    void this.#readHead();
  }

  of(principal: string): bigint | undefined {
    if (!this.#isHeadKnown) {
      void this.#readHead();
      return undefined;
    }
    const newest = this.#newest.get(principal) ?? 0n;
    return newest > this.#floor ? newest : this.#floor;
  }

  note(principal: string, position: bigint): void {
    const known = this.#newest.get(principal);
    if (position <= this.#floor || (known !== undefined && known >= position)) return;
    this.#newest.delete(principal);
    this.#newest.set(principal, position);
    for (const [oldest, at] of this.#newest) {
      if (this.#newest.size <= this.#options.principals) break;
      this.#newest.delete(oldest);
      this.#raiseFloor(at);
    }
  }

  stop(): void {
    this.#untap();
    this.#newest.clear();
    this.#isHeadKnown = false;
    this.#isAsking = true; // never again
  }

  #take(event: EventEnvelope): void {
    const { position, audience } = event;
    // The bus may have lost events; whom they concerned nobody knows.
    if (this.#isHeadKnown && position > this.#told + 1n) this.#raiseFloor(position - 1n);
    if (position > this.#told) this.#told = position;
    for (const entry of audience) if (!entry.startsWith("role:")) this.note(entry, position);
  }

  #raiseFloor(position: bigint): void {
    if (position > this.#floor) this.#floor = position;
  }

  async #readHead(): Promise<void> {
    if (this.#isHeadKnown || this.#isAsking || this.#options.now() < this.#askAgainAt) return;
    this.#isAsking = true;
    try {
      const head = await withDeadline(this.#stream.head(), HEAD_DEADLINE_MS);
      if (head > this.#told) this.#told = head;
      this.#raiseFloor(this.#told);
      this.#isHeadKnown = true;
    } catch {
      this.#askAgainAt = this.#options.now() + HEAD_AGAIN_MS; // the next request asks again
    } finally {
      this.#isAsking = false;
    }
  }
}
