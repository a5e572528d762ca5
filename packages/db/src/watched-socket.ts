import { Socket } from "node:net";

/**
 * A deadline on every database call, COMMIT included, by construction.
 *
 * A connection that was cut without a word (a dead machine, a dropped route) hangs the driver for ever, and `statement_timeout`
 * does not end a wait for COMMIT. So the socket itself watches: it counts what was asked (Sync, Query, Flush) and what was
 * answered (ReadyForQuery), and when an answer is due and no byte has come for `deadlineMs`, it destroys the connection. The
 * caller gets an error whose outcome is *unknown*. A cancel is never sent: it can turn a commit that waits for its replica into a
 * false success (reliability.md, finding 4).
 */
export class DatabaseDeadlineError extends Error {
  override readonly name = "DatabaseDeadlineError";
  readonly code = "DATABASE_DEADLINE";

  constructor(deadlineMs: number) {
    super(
      `The database did not answer within ${deadlineMs} ms; the connection was dropped and the outcome is unknown.`,
    );
  }
}

const SYNC = 0x53;
const QUERY = 0x51;
const FLUSH = 0x48;
const READY_FOR_QUERY = 0x5a;

export function connectWatchedSocket(host: string, port: number, deadlineMs: number): Socket {
  const socket = new Socket();
  const watchdog = new Watchdog(socket, deadlineMs);
  socket.connect(port, host); // before the next lines: `connect` puts the original `write` back
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  socket.write = (...args: [chunk: unknown, ...rest: unknown[]]) => {
    if (Buffer.isBuffer(args[0])) watchdog.asked(args[0]);
    return write(...args);
  };
  socket.on("data", (chunk: Buffer) => watchdog.answered(chunk));
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 10_000);
  return socket;
}

class Watchdog {
  readonly #socket: Socket;
  readonly #deadlineMs: number;
  #timer: NodeJS.Timeout | undefined;
  #progressAt = 0;
  /** ReadyForQuery messages that are due. */
  #due = 0;
  /** A Flush was sent after the last Sync: an answer without ReadyForQuery is due, and a Sync will follow it. */
  #isFlushed = false;
  /** Bytes of the current message that are still to come, and its header while it is incomplete. */
  #remaining = 0;
  #header: number[] = [];

  constructor(socket: Socket, deadlineMs: number) {
    this.#socket = socket;
    this.#deadlineMs = deadlineMs;
  }

  /** The driver writes whole messages, so each chunk starts at a message. */
  asked(chunk: Uint8Array): void {
    if (this.#due === 0 && !this.#isFlushed) this.#progressAt = performance.now();
    if (chunk[0] === 0) {
      this.#due++; // the start-up message has no type byte; it ends in ReadyForQuery
    } else {
      for (let at = 0; at + 5 <= chunk.length; at += 1 + readLength(chunk, at + 1)) {
        const type = chunk[at];
        if (type === SYNC || type === QUERY) {
          this.#due++;
          this.#isFlushed = false;
        } else if (type === FLUSH) this.#isFlushed = true;
      }
    }
    if (this.#timer === undefined && this.#isWaiting()) this.#arm(this.#deadlineMs);
  }

  answered(chunk: Uint8Array): void {
    this.#progressAt = performance.now();
    for (let at = 0; at < chunk.length;) {
      if (this.#remaining > 0) {
        const taken = Math.min(this.#remaining, chunk.length - at);
        this.#remaining -= taken;
        at += taken;
        continue;
      }
      this.#header.push(chunk[at++]!);
      if (this.#header.length < 5) continue;
      if (this.#header[0] === READY_FOR_QUERY && this.#due > 0) this.#due--;
      this.#remaining = readLength(this.#header, 1) - 4;
      this.#header = [];
    }
  }

  #isWaiting(): boolean {
    return this.#due > 0 || this.#isFlushed;
  }

  /** One timer a connection, moved lazily: a write or an answer costs a timestamp, not a timer. */
  #arm(afterMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#isWaiting() || this.#socket.destroyed) return;
      const leftMs = this.#progressAt + this.#deadlineMs - performance.now();
      if (leftMs > 0) this.#arm(leftMs);
      else this.#socket.destroy(new DatabaseDeadlineError(this.#deadlineMs));
    }, afterMs);
    this.#timer.unref();
  }
}

function readLength(bytes: ArrayLike<number>, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
