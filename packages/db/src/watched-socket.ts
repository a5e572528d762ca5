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
const ERROR_RESPONSE = 0x45;
/** Of an error's fields the first few are short and hold the code; the texts behind them are of no interest here. */
const ERROR_HEAD_BYTES = 64;

export function connectWatchedSocket(host: string, port: number, deadlineMs: number): Socket {
  const socket = new Socket();
  const watchdog = new Watchdog(socket, deadlineMs);
  connectTo(socket, watchdog, host, port);
  socket.on("data", (chunk: Buffer) => watchdog.answered(chunk));
  return socket;
}

export interface LateConnection {
  /** Where to connect. When it rejects, the socket is destroyed with its error. */
  choose(): Promise<{ readonly host: string; readonly port: number }>;
  /** SQLSTATE of each error that the server answers. */
  onServerError(state: string): void;
}

/**
 * A socket that the driver may write to at once and that learns later where it goes; the deadline runs from the first write, so
 * it covers the choice too. (The driver would wait for a socket without a deadline, and leak a place of its pool when that fails.)
 */
export function connectWatchedSocketLater({ choose, onServerError }: LateConnection, deadlineMs: number): Socket {
  const socket = new Socket();
  const watchdog = new Watchdog(socket, deadlineMs, onServerError);
  watchWrites(socket, watchdog);
  socket.on("data", (chunk: Buffer) => watchdog.answered(chunk));
  socket.cork(); // keeps what is written until there is a connection
  choose().then(
    ({ host, port }) => {
      if (socket.destroyed) return;
      connectTo(socket, watchdog, host, port);
      socket.uncork();
    },
    (error: unknown) => socket.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return socket;
}

function connectTo(socket: Socket, watchdog: Watchdog, host: string, port: number): void {
  socket.connect(port, host);
  watchWrites(socket, watchdog); // after it: `connect` puts the original `write` back
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 10_000);
}

function watchWrites(socket: Socket, watchdog: Watchdog): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  socket.write = (...args: [chunk: unknown, ...rest: unknown[]]) => {
    if (Buffer.isBuffer(args[0])) watchdog.asked(args[0]);
    return write(...args);
  };
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
  readonly #onServerError: ((state: string) => void) | undefined;
  /** The beginning of the error message that is being read. */
  #errorHead: number[] | undefined;

  constructor(socket: Socket, deadlineMs: number, onServerError?: (state: string) => void) {
    this.#socket = socket;
    this.#deadlineMs = deadlineMs;
    this.#onServerError = onServerError;
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
        if (this.#errorHead !== undefined) this.#readError(chunk.subarray(at, at + taken));
        at += taken;
        continue;
      }
      this.#header.push(chunk[at++]!);
      if (this.#header.length < 5) continue;
      if (this.#header[0] === READY_FOR_QUERY && this.#due > 0) this.#due--;
      if (this.#header[0] === ERROR_RESPONSE && this.#onServerError !== undefined) this.#errorHead = [];
      this.#remaining = readLength(this.#header, 1) - 4;
      this.#header = [];
    }
  }

  #readError(part: Uint8Array): void {
    if (this.#errorHead === undefined) return;
    this.#errorHead.push(...part.subarray(0, ERROR_HEAD_BYTES - this.#errorHead.length));
    if (this.#remaining > 0) return;
    const fields = Buffer.from(this.#errorHead).toString("latin1").split("\0");
    this.#errorHead = undefined;
    const code = fields.find((field) => field.startsWith("C"));
    if (code !== undefined) this.#onServerError?.(code.slice(1));
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
