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
import type { LedgerCommand, LedgerWriter, WriterOutcome } from "./command.js";
import { commandFromJson, toCommandRow } from "./command-json.js";
import { createCommitter, LeaseLost, type Committer } from "./commit.js";
import { createLeaseKeeper, type LeaseKeeper } from "./lease-keeper.js";
import { PendingCommands, type PendingCommand } from "./pending-commands.js";
import { findStoredOutcomes } from "./stored-outcomes.js";
import { WakeSignal } from "./wake-signal.js";
import { createWriteHalt, type WriteHalt } from "./write-halt.js";
import { createWriterMeters, type WriterMeters } from "./writer-meters.js";

/**
 * The book's one writer of money (README, "One writer of money", "One batch commit").
 *
 * One loop. With the lease: gather what callers brought and what waits in `ledger.command`, commit it as one transaction, settle
 * the callers, again; the running commit gathers the next batch, so there is no linger timer. Without the lease: make what
 * callers brought durable in `ledger.command`, and look for the outcomes, all of them with one query.
 *
 * What bounds it: `queueLimit` commands in this process, `maxBatch` per commit, `commandTimeoutMs` per command, every database
 * call by the driver's deadline. When a commit's outcome is unknown, nothing is said before it was read again by key; when it
 * cannot be read for `recoveryMs`, callers are told TEMPORARILY_UNAVAILABLE, never a refusal. Sending a command again is always
 * safe: a commit that went through meanwhile has moved the head, so ours fails, reads again and finds the operation.
 */
export interface LedgerWriterOptions {
  /** As the ledger's role, with at least 3 connections. */
  readonly database: Database;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly products: readonly Product[];
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Unique per process. */
  readonly holder: string;
  /** How long the book may stand still after its holder died; the database's connections should keep no lock for longer. */
  readonly leaseMs?: number;
  /** false only in the control of a test: then nothing keeps two writers apart. */
  readonly isFenced?: boolean;
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
    this.#committer = createCommitter({ ...options, bookId: this.#bookId, leaseMs, isFenced });
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
    this.#pending.failAll();
    const parts = [this.#keeper.stop(), this.#halt.stop(), ...this.#listeners.map((listener) => listener.stop())];
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
  }

  /** Returns whether there may be more to do at once. */
  async #turn(): Promise<boolean> {
    this.#pending.expire(performance.now());
    if (this.#halt.isHalted() !== undefined) {
      await this.#answerWhileHalted();
      return false;
    }
    const epoch = this.#keeper.epoch();
    if (epoch === undefined) {
      if (this.#pending.hasQueued) await this.#forward();
      await this.#lookForOutcomes();
      return false;
    }
    await nextTurn(); // callers of one turn of the event loop come into one batch
    const batch = await this.#gather();
    if (batch.length === 0) return false;
    await this.#commit(epoch, batch);
    return true;
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
    return [...drained, ...this.#pending.cut(this.#maxBatch - drained.length)];
  }

  async #drain(): Promise<PendingCommand[]> {
    const limit = this.#pending.hasQueued ? Math.ceil(this.#maxBatch / 2) : this.#maxBatch;
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

  async #commit(epoch: bigint, batch: readonly PendingCommand[]): Promise<void> {
    const stored = batch.filter((entry) => entry.isStored).map((entry) => entry.command.commandId);
    const startedAt = performance.now();
    try {
      const commands = batch.map((entry) => entry.command);
      const { outcomes, outboxPosition, renewedAt } = await this.#committer.commit(epoch, commands, stored);
      if (renewedAt !== undefined) this.#keeper.markRenewed(renewedAt);
      this.#settle(outcomes);
      this.#meters.batch(batch.length, performance.now() - startedAt);
      this.#options.onCommitted?.(outboxPosition);
    } catch (error) {
      await this.#recover(epoch, batch, error);
    }
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

  /** The database refused the batch. One command at a time shows whose fault it is; the others go through. */
  async #isolate(epoch: bigint, batch: readonly PendingCommand[], error: unknown): Promise<void> {
    const [only, ...others] = batch;
    if (only === undefined) return;
    if (others.length > 0) {
      const half = Math.ceil(batch.length / 2);
      await this.#commit(epoch, batch.slice(0, half));
      await this.#commit(epoch, batch.slice(half));
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
    const batch = this.#pending.cut(this.#maxBatch);
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
