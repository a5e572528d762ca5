/**
 * Finds a pattern in bytes that arrive in pieces, however they are cut: the end of what was seen is remembered, so a pattern that
 * begins in one piece and ends in a later one counts at the piece that completes it.
 */
export class ByteWatch {
  readonly #pattern: Buffer;
  #tail: Buffer = Buffer.alloc(0);

  constructor(pattern: Buffer | string) {
    this.#pattern = Buffer.from(pattern);
    if (this.#pattern.length === 0) throw new Error("a pattern to watch for has at least one byte");
  }

  /** For each time the pattern is completed in `piece`: how many bytes of `piece` lie up to its end, in order. */
  feed(piece: Buffer): number[] {
    const bytes = this.#tail.length === 0 ? piece : Buffer.concat([this.#tail, piece]);
    const before = bytes.length - piece.length;
    const ends: number[] = [];
    let from = 0;
    for (let at = bytes.indexOf(this.#pattern); at >= 0; at = bytes.indexOf(this.#pattern, from)) {
      from = at + this.#pattern.length;
      ends.push(from - before);
    }
    const keep = Math.min(bytes.length - from, this.#pattern.length - 1);
    this.#tail = Buffer.from(bytes.subarray(bytes.length - keep));
    return ends;
  }

  get length(): number {
    return this.#pattern.length;
  }
}
