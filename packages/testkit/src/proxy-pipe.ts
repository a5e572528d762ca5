import type { Socket } from "node:net";
import { ByteWatch } from "./byte-watch.js";

/**
 * One direction of one connection through the proxy.
 *
 *   source ──► watched for a pattern ──► counted ──► queue (each piece with its time) ──► sliced, paced ──► destination
 *
 * Bytes keep their order whatever the faults. The queue is bounded: a full one pauses the source, so that a fault which holds bytes
 * back pushes back on the sender as a slow network does. The end of the stream travels through the queue like bytes.
 */
export interface DirectionFaults {
  latencyMs: number;
  jitterMs: number;
  bytesPerSecond: number;
  sliceBytes: number;
  /** Bytes are taken and held; healed, they go on, as TCP sends again after a partition. */
  isSilent: boolean;
  /** Of each connection, counted from when it was set. */
  limit: { readonly bytes: number } | undefined;
  cut: Cut | undefined;
}

export interface Cut {
  readonly pattern: Buffer | string;
  /** Whether the pattern itself still reaches the other side. */
  readonly forward: boolean;
  readonly nth: number;
  /** Over all connections since it was armed. */
  seen: number;
  readonly fired: () => void;
}

export function noFaults(): DirectionFaults {
  return {
    latencyMs: 0,
    jitterMs: 0,
    bytesPerSecond: Infinity,
    sliceBytes: Infinity,
    isSilent: false,
    limit: undefined,
    cut: undefined,
  };
}

type End = "stream" | "reset" | "after-flush";
type Item = { readonly bytes: Buffer; readonly dueAt: number } | { readonly end: End; readonly dueAt: number };

const MAX_QUEUED_BYTES = 256 * 1024;
const PACE_MS = 20;

export interface PipeEnds {
  readonly source: Socket;
  readonly destination: Socket;
  /** The whole connection goes: with RST, or after what was written has left. */
  readonly destroyBoth: (how: "reset" | "after-flush") => void;
}

export class ProxyPipe {
  readonly #ends: PipeEnds;
  readonly #faults: () => DirectionFaults;
  readonly #random: () => number;
  readonly #queue: Item[] = [];
  #queuedBytes = 0;
  #lastDueAt = 0;
  #nextAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #isWriting = false;
  #isClosed = false;
  #isEnding = false;
  #watched: { readonly cut: Cut; readonly watch: ByteWatch } | undefined;
  #counted: { readonly limit: { readonly bytes: number }; left: number } | undefined;

  constructor(ends: PipeEnds, faults: () => DirectionFaults, random: () => number) {
    this.#ends = ends;
    this.#faults = faults;
    this.#random = random;
    ends.source.on("data", (bytes: Buffer) => this.#take(bytes));
    ends.source.on("end", () => this.#push({ end: "stream", dueAt: this.#dueAt() }));
  }

  /** Faults changed: what was held may go. */
  wake(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pump();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#queue.length = 0;
  }

  #take(piece: Buffer): void {
    if (this.#isClosed || this.#isEnding) return;
    const bytes = this.#cutOut(piece);
    if (this.#isClosed) return;
    const allowed = this.#countOut(bytes);
    this.#push({ bytes: bytes.subarray(0, allowed), dueAt: this.#dueAt() });
    if (allowed === bytes.length) return;
    this.#finishWith("reset");
  }

  /** What of `piece` may pass: all of it, unless the awaited pattern ends here. */
  #cutOut(piece: Buffer): Buffer {
    const { cut } = this.#faults();
    if (cut === undefined) return piece;
    if (this.#watched?.cut !== cut) this.#watched = { cut, watch: new ByteWatch(cut.pattern) };
    for (const end of this.#watched.watch.feed(piece)) {
      if (++cut.seen !== cut.nth) continue;
      cut.fired();
      if (!cut.forward) {
        this.#ends.destroyBoth("reset");
        return piece.subarray(0, 0);
      }
      this.#push({ bytes: piece.subarray(0, end), dueAt: this.#dueAt() });
      this.#finishWith("after-flush");
      return piece.subarray(0, 0);
    }
    return piece;
  }

  /** Nothing that arrives from here on passes; what is queued does, and then the connection ends. */
  #finishWith(end: End): void {
    this.#isEnding = true;
    this.#push({ end, dueAt: this.#dueAt() });
  }

  #countOut(bytes: Buffer): number {
    const { limit } = this.#faults();
    if (limit === undefined) return bytes.length;
    if (this.#counted?.limit !== limit) this.#counted = { limit, left: limit.bytes };
    const allowed = Math.min(bytes.length, this.#counted.left);
    this.#counted.left -= allowed;
    return allowed;
  }

  #dueAt(): number {
    const { latencyMs, jitterMs } = this.#faults();
    const dueAt = performance.now() + latencyMs + jitterMs * this.#random();
    return (this.#lastDueAt = Math.max(this.#lastDueAt, dueAt));
  }

  #push(item: Item): void {
    if (this.#isClosed || ("bytes" in item && item.bytes.length === 0)) return;
    this.#queue.push(item);
    if ("bytes" in item) this.#queuedBytes += item.bytes.length;
    if (this.#queuedBytes > MAX_QUEUED_BYTES) this.#ends.source.pause();
    this.#pump();
  }

  #pump(): void {
    const item = this.#queue[0];
    if (item === undefined || this.#isClosed || this.#isWriting || this.#timer !== undefined) return;
    if (this.#faults().isSilent) return;
    const waitMs = Math.max(item.dueAt, this.#nextAt) - performance.now();
    if (waitMs > 0) {
      this.#timer = setTimeout(() => this.wake(), Math.ceil(waitMs));
      return;
    }
    if ("end" in item) return this.#finish(item.end);
    this.#write(item);
  }

  #write(item: { readonly bytes: Buffer; readonly dueAt: number }): void {
    const { sliceBytes, bytesPerSecond } = this.#faults();
    const size = Math.max(1, Math.min(item.bytes.length, sliceBytes, Math.ceil((bytesPerSecond * PACE_MS) / 1_000)));
    const piece = item.bytes.subarray(0, size);
    if (size === item.bytes.length) this.#queue.shift();
    else this.#queue[0] = { ...item, bytes: item.bytes.subarray(size) };
    this.#queuedBytes -= size;
    this.#nextAt = Math.max(this.#nextAt, performance.now()) + (size * 1_000) / bytesPerSecond;
    this.#isWriting = true;
    this.#ends.destination.write(piece, () => {
      this.#isWriting = false;
      if (this.#queuedBytes <= MAX_QUEUED_BYTES / 2) this.#ends.source.resume();
      setImmediate(() => this.#pump()); // a turn of the loop apart, so that slices leave as slices
    });
  }

  #finish(end: End): void {
    this.#queue.shift();
    if (end === "stream") this.#ends.destination.end();
    else this.#ends.destroyBoth(end);
  }
}
