import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import { classifyDatabaseError, listen, type Database, type DatabaseErrorClass } from "@florin/db";
import {
  COMMAND_CHANNEL,
  insertCommands,
  LEASE_CHANNEL,
  LEDGER_CHANNEL,
  listCommands,
  type CommandRow,
} from "@florin/db/ledger";
import {
  RequestError,
  temporarilyUnavailable,
  type Clock,
  type IdSource,
  type Product,
  type Uuid,
} from "@florin/kernel";
import { FaultInjected, faultPoint, planPauseMs, retry, withDeadline } from "@florin/resilience";
import type { Logger, Metrics } from "@florin/telemetry";
import { needsQuietBook, type LedgerCommand, type LedgerWriter, type WriterOutcome } from "./command.js";
import { commandFromJson, toCommandRow } from "./command-json.js";
import { Committer, isMemoryWrong, LeaseLost, MAX_UNDER_WAY } from "./commit.js";
import { createLeaseKeeper, type LeaseKeeper } from "./lease-keeper.js";
import { PendingCommands, type PendingCommand } from "./pending-commands.js";
import type { LoadProduct } from "./product-catalogue.js";
import { findStoredOutcomes } from "./stored-outcomes.js";
import { WakeSignal } from "./wake-signal.js";
import { createWriteHalt, type WriteHalt } from "./write-halt.js";
import { createWriterMeters, type WriterMeters } from "./writer-meters.js";

/**
 * The book's one writer of money (README, "One writer of money", "One batch commit").
 *
 * One loop. With the lease: gather what callers brought and what waits in `ledger.command`, decide it and send it as one transaction; go on
 * with the next while it is under way, two at most; settle the callers of each when it is durable. What arrives while both are under way
 * is the next batch, so there is no linger timer. Without the lease: make what callers brought durable in `ledger.command`, and look for
 * the outcomes, all of them with one query.
 *
 * After any failure: nothing more is sent, what is under way ends, the writer's memory is dropped, and each commit that failed is
 * recovered in order. When an outcome is unknown, nothing is said before it was read again by key; when it cannot be read for `recoveryMs`,
 * callers are told TEMPORARILY_UNAVAILABLE, never a refusal. Sending a command again is always safe: the keys of the commit that went
 * through meanwhile are found before anything is decided.
 *
 * What bounds it: `queueLimit` commands in this process, `maxBatch` per commit, `commandTimeoutMs` per command, every database
 * call by the driver's deadline.
 */
export interface LedgerWriterOptions {
  /** As the ledger's role, with at least 3 connections. */
  readonly database: Database;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly products: readonly Product[];
  /** Makes products of uploaded sources; undefined: this process runs none. */
  readonly loadProduct?: LoadProduct | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Unique per process. */
  readonly holder: string;
  /** How long the book may stand still after its holder died; the database's connections should keep no lock for longer. */
  readonly leaseMs?: number;
  /** false only in the control of a test: then nothing keeps two writers apart. */
  readonly isFenced?: boolean;
  /** false only where a benchmark measures what the audit chain costs. */
  readonly isAudited?: boolean;
  /** Accounts held in memory, some 1.5 kB each. */
  readonly memoryLimit?: number;
  readonly maxBatch?: number;
  readonly queueLimit?: number;
  readonly recoveryMs?: number;
  readonly commandTimeoutMs?: number;
  /** After each commit that published something: the outbox's new head. Must not throw or wait. */
  readonly onCommitted?: (outboxPosition: bigint) => void;
}

export const DEFAULT_LEASE_MS = 3_000;
const MAIN_BOOK = 1;
/** Making a command durable may be tried again, as it has its key; within what a mutation keeps back for it. */
const INSERT_RETRY = { attempts: 3, baseMs: 20, maxMs: 100 } as const;
/** How late a command is found whose notification was lost. */
const POLL_MS = 250;
/** The gathered look for outcomes while somebody waits; notifications make it quicker. */
const OUTCOME_POLL_MS = 100;
/** A commit behind one that is under way is worth its cost from so many commands on; fewer wait for the one before. */
const WORTH_OVERLAPPING = 32;

interface FailedCommit {
  readonly epoch: bigint;
  readonly batch: readonly PendingCommand[];
  readonly error: unknown;
}

/** Starts at once; commands may be submitted before the lease is decided. */
export function createLedgerWriter(options: LedgerWriterOptions): LedgerWriter {
  const writer = new BookWriter(options);
  writer.start();
  return writer;
}

class BookWriter implements LedgerWriter {
  readonly #options: LedgerWriterOptions;
  readonly #bookId = MAIN_BOOK;
  readonly #pending: PendingCommands;
  readonly #keeper: LeaseKeeper;
  readonly #committer: Committer;
  readonly #halt: WriteHalt;
  readonly #signal = new WakeSignal();
  readonly #maxBatch: number;
  readonly #unreadable = new Set<Uuid>();
  readonly #listeners: { stop(): Promise<void> }[] = [];
  readonly #meters: WriterMeters;
  readonly #failed: FailedCommit[] = [];
  #failures = 0;
  #drainAfter = 0;
  #isStopping = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: LedgerWriterOptions) {
    this.#options = options;
    this.#maxBatch = options.maxBatch ?? 500;
    this.#pending = new PendingCommands(options.queueLimit ?? 10_000, options.commandTimeoutMs ?? 15_000);
    const { database, logger, metrics, holder, leaseMs = DEFAULT_LEASE_MS, isFenced = true } = options;
    const claim = { bookId: this.#bookId, holder, leaseMs };
    this.#halt = createWriteHalt({ database, bookId: this.#bookId, logger, metrics, onChange: () => this.wake() });
    const onChange = (): void => {
      void this.#halt.refresh();
      this.wake();
    };
    this.#keeper = createLeaseKeeper({ database, claim, logger, isFenced, onChange });
    this.#committer = new Committer({ ...options, bookId: this.#bookId, leaseMs, isFenced });
    this.#meters = createWriterMeters(options.metrics, () => this.#pending.size);
  }

  start(): void {
    this.#keeper.start();
    void this.#listen(COMMAND_CHANNEL, () => this.wake());
    void this.#listen(LEASE_CHANNEL, () => this.#keeper.hurry());
    void this.#listen(LEDGER_CHANNEL, () => {
      if (this.#keeper.epoch() === undefined) this.#signal.raise();
    });
    this.#running = this.#run();
  }

  async submit(command: LedgerCommand): Promise<WriterOutcome> {
    if (this.#isStopping) throw temporarilyUnavailable(1_000);
    const entry = this.#pending.add(command);
    if (entry === undefined) throw temporarilyUnavailable(1_000);
    if (entry.command.fingerprint !== command.fingerprint) return { kind: "key-reused" };
    this.#signal.raise();
    return await entry.outcome;
  }

  async enqueue(command: LedgerCommand): Promise<"durable" | "key-reused"> {
    const known = this.#pending.find(command.commandId);
    if (known !== undefined && known.command.fingerprint !== command.fingerprint) return "key-reused";
    if (this.#halt.isHalted() !== undefined) return await this.#findDurable(command);
    const stored = await this.#insert(command);
    this.wake();
    return (stored.get(command.commandId) ?? command.fingerprint) === command.fingerprint ? "durable" : "key-reused";
  }

  /** While the book is halted nothing new is recorded; what is there is there. */
  async #findDurable(command: LedgerCommand): Promise<"durable" | "key-reused"> {
    const found = await findStoredOutcomes(this.#options.database, this.#bookId, [command]);
    const outcome = found.get(command.commandId);
    if (outcome === undefined) throw this.#halt.refusal() ?? temporarilyUnavailable(1_000);
    return outcome.kind === "key-reused" ? "key-reused" : "durable";
  }

  /**
   * A lost answer is no refusal: the row is under the command's id, so the same statement again finds it or writes it. What is still
   * not known to be durable then is told as such: the same key may be sent again.
   */
  async #insert(command: LedgerCommand): Promise<ReadonlyMap<Uuid, string>> {
    try {
      return await retry(() => this.#insertRows([toCommandRow(command)]), {
        ...INSERT_RETRY,
        random: Math.random,
        shouldRetry: (error) => kindOfFailure(error) !== "refused",
      });
    } catch (error) {
      if (kindOfFailure(error) === "refused") throw error;
      this.#options.logger.warn({ err: error }, "ledger command could not be made durable");
      throw temporarilyUnavailable(1_000);
    }
  }

  async #insertRows(rows: readonly CommandRow[]): Promise<ReadonlyMap<Uuid, string>> {
    faultPoint("ledger.command.before-insert");
    const stored = await insertCommands(this.#options.database.sql, this.#bookId, rows);
    faultPoint("ledger.command.after-insert");
    return stored;
  }

  isLeader(): boolean {
    return this.#keeper.epoch() !== undefined;
  }

  wake(): void {
    this.#drainAfter = 0;
    this.#signal.raise();
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    this.#signal.raise();
    await withDeadline(this.#running, deadlineMs, "finishing the writer's last batch").catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, "ledger writer stopped before its last batch was known");
    });
    await withDeadline(this.#committer.idle(), Math.max(deadlineMs, 1), "the commits under way").catch(() => undefined);
    this.#pending.failAll();
    const parts = [
      this.#committer.stop(),
      this.#keeper.stop(),
      this.#halt.stop(),
      ...this.#listeners.map((listener) => listener.stop()),
    ];
    await withDeadline(Promise.allSettled(parts), Math.max(deadlineMs, 1), "releasing the lease").catch(
      () => undefined,
    );
  }

  async #run(): Promise<void> {
    while (!this.#isStopping || (this.#pending.hasQueued && this.isLeader())) {
      try {
        if (!(await this.#turn())) await this.#signal.sleep(this.#pending.size > 0 ? OUTCOME_POLL_MS : POLL_MS);
      } catch (error) {
        this.#options.logger.error({ err: error }, "ledger writer failed a turn and goes on");
        await delay(100);
      }
    }
    await this.#committer.idle();
    if (this.#failed.length > 0) await this.#recoverAll(); // so that whoever waits is told what became of it, if that can be read
  }

  /** Returns whether there may be more to do at once. */
  async #turn(): Promise<boolean> {
    this.#pending.expire(performance.now());
    if (this.#failed.length > 0) {
      await this.#recoverAll();
      return true;
    }
    if (this.#halt.isHalted() !== undefined) {
      await this.#quiesce();
      await this.#answerWhileHalted();
      return false;
    }
    const epoch = this.#keeper.epoch();
    if (epoch === undefined) {
      await this.#quiesce();
      if (this.#pending.hasQueued) await this.#forward();
      await this.#lookForOutcomes();
      return false;
    }
    await nextTurn(); // callers of one turn of the event loop come into one batch
    if (!this.#hasRoom()) return false; // whatever is under way wakes us when it ends
    const batch = await this.#gather();
    if (batch.length === 0) return false;
    await this.#send(epoch, batch);
    return true;
  }

  #hasRoom(): boolean {
    const { underWay } = this.#committer;
    return underWay === 0 || (underWay < MAX_UNDER_WAY && this.#pending.queued >= WORTH_OVERLAPPING);
  }

  /** Nothing is under way, and what memory holds is not believed in any more. */
  async #quiesce(): Promise<void> {
    await this.#committer.idle();
    this.#committer.forget();
  }

  /** What was decided before is answered again; everybody else is told that nothing has moved. Rows of `ledger.command` wait. */
  async #answerWhileHalted(): Promise<void> {
    const commands = [...this.#pending.cut(this.#maxBatch), ...this.#pending.waiting()].map((entry) => entry.command);
    if (commands.length === 0) return;
    this.#settle(await findStoredOutcomes(this.#options.database, this.#bookId, commands));
    const refusal = this.#halt.refusal() ?? temporarilyUnavailable(1_000);
    for (const { commandId } of commands) this.#pending.fail(commandId, refusal); // those that are left
    if (this.#pending.hasQueued) this.#signal.raise();
  }

  /** Rows of `ledger.command` get at least half of a batch, so that a busy process does not starve the others. */
  async #gather(): Promise<PendingCommand[]> {
    const drained = performance.now() >= this.#drainAfter ? await this.#drain() : [];
    return [...drained, ...this.#pending.cut(this.#batchLimit() - drained.length)];
  }

  /** Smaller after each failure in a row: what is too much for one statement goes through in parts. */
  #batchLimit(): number {
    return Math.max(1, this.#maxBatch >> Math.min(this.#failures, 5));
  }

  async #drain(): Promise<PendingCommand[]> {
    const limit = this.#pending.hasQueued ? Math.ceil(this.#batchLimit() / 2) : this.#batchLimit();
    this.#drainAfter = performance.now() + POLL_MS;
    const page = { limit, except: [...this.#unreadable] };
    const rows = await listCommands(this.#options.database.sql, this.#bookId, page);
    if (rows.length === limit) this.#drainAfter = 0;
    const adopted = rows.map((row) => this.#adopt(row)).filter((entry) => entry !== undefined);
    // What waited here for another leader and has no row any more was decided by that leader, before the lease came to us.
    if (this.#pending.hasWaiting) await this.#lookForOutcomes();
    return adopted;
  }

  /** A row that this version cannot read stays where it is, for a version that can; it is reported once. */
  #adopt(row: CommandRow): PendingCommand | undefined {
    try {
      return this.#pending.adopt(commandFromJson(row.payload));
    } catch (error) {
      this.#unreadable.add(row.commandId);
      this.#options.logger.error(
        { err: error, commandId: row.commandId },
        "ledger command cannot be read and is left aside",
      );
      return undefined;
    }
  }

  /** Commands that need the book to themselves get it: what is before them is through, and nothing follows until they are. */
  async #send(epoch: bigint, batch: readonly PendingCommand[]): Promise<void> {
    const needsQuiet = batch.some((entry) => needsQuietBook(entry.command));
    if (needsQuiet) await this.#committer.idle();
    if (this.#failed.length > 0) {
      this.#pending.requeue(batch);
      return;
    }
    const { ended } = await this.#begin(epoch, batch);
    if (needsQuiet) await ended;
  }

  /** Sends the batch. The promise it gives never rejects: it is through, or stands among the failed ones. */
  async #begin(epoch: bigint, batch: readonly PendingCommand[]): Promise<{ readonly ended: Promise<void> }> {
    const stored = batch.filter((entry) => entry.isStored).map((entry) => entry.command.commandId);
    const startedAt = performance.now();
    const fail = (error: unknown): void => {
      this.#failed.push({ epoch, batch, error });
      this.#signal.raise();
    };
    try {
      const commands = batch.map((entry) => entry.command);
      const { outcomes, outboxPosition, renewedAt, done } = await this.#committer.send(epoch, commands, stored);
      const settle = (): void => {
        if (renewedAt !== undefined) this.#keeper.markRenewed(renewedAt);
        this.#failures = 0;
        this.#settle(outcomes);
        this.#meters.batch(batch.length, performance.now() - startedAt);
        this.#options.onCommitted?.(outboxPosition);
        this.#signal.raise();
      };
      return { ended: done.then(settle).catch(fail) };
    } catch (error) {
      fail(error);
      return { ended: Promise.resolve() };
    }
  }

  /** One commit and its end, with nothing else under way. Throws what it failed of. */
  async #commitAlone(epoch: bigint, batch: readonly PendingCommand[]): Promise<void> {
    const { ended } = await this.#begin(epoch, batch);
    await ended;
    const failed = this.#failed.pop();
    if (failed !== undefined) throw failed.error;
  }

  async #recoverAll(): Promise<void> {
    await this.#quiesce();
    const failed = this.#failed.splice(0);
    if (this.#failures++ > 0) await delay(planPauseMs(this.#failures, { baseMs: 5, maxMs: 100, random: Math.random }));
    // The last first, so that what goes back to the queue stands there in its order.
    for (const { epoch, batch, error } of failed.reverse()) await this.#recover(epoch, batch, error);
  }

  /** From here on nothing is said to a caller that was not read from the database. */
  async #recover(epoch: bigint, batch: readonly PendingCommand[], error: unknown): Promise<void> {
    const kind = kindOfFailure(error);
    this.#meters.failure(kind);
    if (this.#halt.isRefusedByHalt(error)) {
      await this.#halt.refresh();
      this.#pending.requeue(batch);
      return;
    }
    if (kind === "fenced") {
      this.#keeper.markLost();
      this.#pending.requeue(batch);
      return;
    }
    if (isMemoryWrong(error)) {
      this.#pending.requeue(batch);
      return;
    }
    if (kind === "refused") {
      await this.#isolate(epoch, batch, error);
      return;
    }
    this.#options.logger.warn(
      { err: error, commands: batch.length },
      "ledger commit is in doubt; reading it again by key",
    );
    for (const entry of batch) entry.wasSent = true;
    await this.#readAgain(batch);
  }

  async #readAgain(batch: readonly PendingCommand[]): Promise<void> {
    const until = performance.now() + (this.#options.recoveryMs ?? 10_000);
    const commands = batch.map((entry) => entry.command);
    for (let failures = 1; ; failures++) {
      try {
        this.#settle(await findStoredOutcomes(this.#options.database, this.#bookId, commands));
        this.#pending.requeue(batch); // those that are left
        return;
      } catch (error) {
        const pauseMs = planPauseMs(failures, { baseMs: 50, maxMs: 1_000, random: Math.random });
        if (this.#isStopping || performance.now() + pauseMs > until) {
          this.#options.logger.error(
            { err: error, commands: batch.length },
            "ledger commit is still in doubt; callers are told so",
          );
          for (const { commandId } of commands) this.#pending.fail(commandId, temporarilyUnavailable(1_000));
          return;
        }
        await delay(pauseMs);
      }
    }
  }

  /**
   * The database refused the batch. It is tried once more from a fresh memory; then one command at a time shows whose fault it is, and the
   * others go through.
   */
  async #isolate(epoch: bigint, batch: readonly PendingCommand[], error: unknown): Promise<void> {
    const [only, ...others] = batch;
    if (only === undefined) return;
    this.#committer.forget();
    if (others.length > 0) {
      const half = Math.ceil(batch.length / 2);
      for (const part of [batch.slice(0, half), batch.slice(half)])
        await this.#commitAlone(epoch, part).catch((again: unknown) => this.#recover(epoch, part, again));
      return;
    }
    const { commandId } = only.command;
    this.#options.logger.error(
      { err: error, commandId },
      "ledger command was refused by the database and is left aside",
    );
    if (only.isStored) this.#unreadable.add(commandId);
    this.#pending.fail(commandId, new RequestError("INTERNAL", "This could not be written. Nothing has moved."));
  }

  /** Makes what is queued durable, for the process that holds the lease. Asking twice changes nothing. */
  async #forward(): Promise<void> {
    const batch = this.#pending.cut(this.#maxBatch).filter((entry) => !this.#failStale(entry.command));
    for (const entry of batch) entry.wasSent = true;
    try {
      const stored = await this.#insertRows(batch.map((entry) => toCommandRow(entry.command)));
      for (const entry of batch) {
        const { commandId, fingerprint } = entry.command;
        entry.state = "WAITING";
        entry.isStored = true;
        if ((stored.get(commandId) ?? fingerprint) !== fingerprint)
          this.#pending.settle(commandId, { kind: "key-reused" });
      }
      if (this.#pending.hasQueued) this.#signal.raise();
    } catch (error) {
      this.#pending.requeue(batch);
      throw error;
    }
  }

  /** What a hook said was worked out over what this process knew while it led. Whoever leads now works it out again. */
  #failStale(command: LedgerCommand): boolean {
    const isOfHook = command.kind === "posting" && command.origin === "CONTRACT";
    if (isOfHook) this.#pending.fail(command.commandId, temporarilyUnavailable(1_000));
    return isOfHook;
  }

  async #lookForOutcomes(): Promise<void> {
    const commands = this.#pending.waiting().map((entry) => entry.command);
    if (commands.length > 0) this.#settle(await findStoredOutcomes(this.#options.database, this.#bookId, commands));
  }

  #settle(outcomes: ReadonlyMap<Uuid, WriterOutcome>): void {
    for (const [commandId, outcome] of outcomes) {
      this.#pending.settle(commandId, outcome);
      this.#meters.outcome(outcome);
    }
  }

  async #listen(channel: string, onNews: () => void): Promise<void> {
    for (;;) {
      try {
        const listener = await listen(this.#options.database, channel, onNews);
        if (this.#isStopping) await listener.stop();
        else this.#listeners.push(listener);
        return;
      } catch (error) {
        if (this.#isStopping) return;
        this.#options.logger.warn({ err: error, channel }, "ledger writer cannot listen; it polls and tries again");
        await delay(1_000, undefined, { ref: false });
      }
    }
  }
}

/** Where a fault was injected after COMMIT, the effect is there: a failure that is not the database's own says nothing of it. */
function kindOfFailure(error: unknown): "fenced" | DatabaseErrorClass {
  if (error instanceof LeaseLost) return "fenced";
  return error instanceof FaultInjected ? "unknown" : classifyDatabaseError(error);
}
