import { temporarilyUnavailable, type Uuid } from "@florin/kernel";
import type { LedgerCommand, WriterOutcome } from "./command.js";

/**
 * A command on its way through this process.
 *
 *   QUEUED      in memory; the next commit takes it, or it is forwarded when the lease is elsewhere
 *   COMMITTING  in a commit whose outcome is not known yet
 *   WAITING     durable in `ledger.command`; whoever holds the lease decides it, and we look for the outcome
 *
 * It leaves by being settled (the effect is committed) or failed (nothing is promised; the same key may be sent again).
 */
export interface PendingCommand {
  readonly command: LedgerCommand;
  readonly outcome: Promise<WriterOutcome>;
  /** Milliseconds on the scale of performance.now(). */
  readonly expiresAt: number;
  state: "QUEUED" | "COMMITTING" | "WAITING";
  /** Has it a row in `ledger.command` that its commit must delete? */
  isStored: boolean;
  /** Something with this command in it was sent before: what is found stored may be our own doing and no replay. */
  wasSent: boolean;
}

interface Entry extends PendingCommand {
  readonly resolve: (outcome: WriterOutcome) => void;
  readonly reject: (error: Error) => void;
}

/** Every command of this process by its id: one entry however many callers wait for it (IDEM-3). Bounded by `limit`. */
export class PendingCommands {
  readonly #entries = new Map<Uuid, Entry>();
  #queue: Entry[] = [];
  readonly #limit: number;
  readonly #timeoutMs: number;

  constructor(limit: number, timeoutMs: number) {
    this.#limit = limit;
    this.#timeoutMs = timeoutMs;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Something for the next commit, or for the forwarding. Failed ones may still be counted. */
  get hasQueued(): boolean {
    return this.#queue.length > 0;
  }

  get queued(): number {
    return this.#queue.length;
  }

  find(commandId: Uuid): PendingCommand | undefined {
    return this.#entries.get(commandId);
  }

  /** Queues the command, or joins the one under its id. undefined: full. */
  add(command: LedgerCommand): PendingCommand | undefined {
    const known = this.#entries.get(command.commandId);
    if (known !== undefined) return known;
    if (this.#entries.size >= this.#limit) return undefined;
    const entry = createEntry(command, performance.now() + this.#timeoutMs);
    this.#entries.set(command.commandId, entry);
    this.#queue.push(entry);
    return entry;
  }

  /** Takes up to `limit` from the front of the queue. */
  cut(limit: number): PendingCommand[] {
    const taken: Entry[] = [];
    let used = 0;
    for (const entry of this.#queue) {
      if (taken.length === limit) break;
      used++;
      if (this.#entries.get(entry.command.commandId) === entry) taken.push(entry); // not failed meanwhile
    }
    this.#queue = this.#queue.slice(used);
    for (const entry of taken) entry.state = "COMMITTING";
    return taken;
  }

  /** Takes a row of `ledger.command` for the next commit. undefined: its command is in the queue here. */
  adopt(command: LedgerCommand): PendingCommand | undefined {
    const known = this.#entries.get(command.commandId);
    if (known !== undefined) {
      // Another input under the same key waits its turn and is then found to be a key reused.
      if (known.command.fingerprint !== command.fingerprint) return undefined;
      known.isStored = true;
      if (known.state !== "WAITING") return undefined;
      known.state = "COMMITTING";
      return known;
    }
    const entry = createEntry(command, performance.now() + this.#timeoutMs);
    entry.state = "COMMITTING";
    entry.isStored = true;
    this.#entries.set(command.commandId, entry);
    return entry;
  }

  /** Back to the front of the queue, in order. */
  requeue(commands: readonly PendingCommand[]): void {
    const back: Entry[] = [];
    for (const { command } of commands) {
      const entry = this.#entries.get(command.commandId);
      if (entry === undefined) continue;
      entry.state = "QUEUED";
      back.push(entry);
    }
    this.#queue = [...back, ...this.#queue];
  }

  /** Some wait for the process that holds the lease, or held it. */
  get hasWaiting(): boolean {
    for (const entry of this.#entries.values()) if (entry.state === "WAITING") return true;
    return false;
  }

  waiting(): PendingCommand[] {
    return [...this.#entries.values()].filter((entry) => entry.state === "WAITING");
  }

  settle(commandId: Uuid, outcome: WriterOutcome): void {
    const entry = this.#entries.get(commandId);
    if (entry === undefined) return;
    this.#entries.delete(commandId);
    entry.resolve(asOurs(entry, outcome));
  }

  fail(commandId: Uuid, error: Error): void {
    const entry = this.#entries.get(commandId);
    if (entry === undefined) return;
    this.#entries.delete(commandId);
    entry.reject(error);
  }

  /** Fails what has waited too long; a commit in flight is left to its own end. Entries stand in order of age. */
  expire(now: number): void {
    for (const entry of this.#entries.values()) {
      if (entry.expiresAt > now) return;
      if (entry.state !== "COMMITTING") this.fail(entry.command.commandId, temporarilyUnavailable(1_000));
    }
  }

  failAll(): void {
    for (const commandId of [...this.#entries.keys()]) this.fail(commandId, temporarilyUnavailable(1_000));
  }
}

function createEntry(command: LedgerCommand, expiresAt: number): Entry {
  const { promise, resolve, reject } = newPromise();
  promise.catch(() => undefined); // a drained command has nobody who waits
  return { command, outcome: promise, resolve, reject, expiresAt, state: "QUEUED", isStored: false, wasSent: false };
}

function newPromise() {
  let resolve: (outcome: WriterOutcome) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<WriterOutcome>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** An operation that we sent and then found stored is a replay only if it was made by an earlier call. */
function asOurs(entry: PendingCommand, outcome: WriterOutcome): WriterOutcome {
  if (!entry.wasSent || outcome.kind !== "operation" || !outcome.isReplay) return outcome;
  const isReplay = outcome.operation.createdAt !== entry.command.createdAt;
  return { ...outcome, isReplay };
}
