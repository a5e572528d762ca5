/** An event that a group has taken and not finished. */
export interface Unfinished {
  readonly position: bigint;
  isFinished: boolean;
}

/**
 * The events that a group holds, in order of position, and so its low-water mark. Events finish in any order; the mark moves when the
 * oldest one does. What is finished behind an unfinished one stays counted, so the length is bounded by the group's queue limit.
 */
export class UnfinishedEvents {
  #entries: Unfinished[] = [];
  #start = 0;

  get length(): number {
    return this.#entries.length - this.#start;
  }

  add(position: bigint): Unfinished {
    const entry = { position, isFinished: false };
    this.#entries.push(entry);
    return entry;
  }

  /** Forgets the finished ones at the front; the oldest position that is still open, if any. */
  dropFinished(): bigint | undefined {
    while (this.#start < this.#entries.length && this.#entries[this.#start]!.isFinished) this.#start += 1;
    if (this.#start > 1024 && this.#start * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#start);
      this.#start = 0;
    }
    return this.#entries[this.#start]?.position;
  }
}
