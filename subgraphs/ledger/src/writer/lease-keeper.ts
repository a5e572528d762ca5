import { claimLease, releaseLease, renewLease, type LeaseClaim } from "@florin/db/ledger";
import type { Database } from "@florin/db";
import { faultPoint } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";

/**
 * Holds the book's lease, or tries to get it. The lease is for speed and for a quick change of hands; it is no lock: two processes
 * that both believe they hold it cannot both commit, since each batch swaps the head row under its epoch.
 *
 *   held       renewed every third of its length, by a batch or else here
 *   elsewhere  asked for again when it would run out, at the latest after a third of its length, and at once when it is given back
 *   in doubt   not renewed for its whole length by our own monotonic clock (the process was frozen, the database is away): we do not
 *              lead, and ask; a renewal then still succeeds when nobody has taken it meanwhile
 *
 * So a dead or frozen holder is followed within the lease's length and one question to the database: its locks are gone by then too,
 * as its connections keep them no longer than a lease (connectDatabase, `idleInTransactionMs`).
 */
export interface LeaseKeeper {
  /** Of the lease that we hold; undefined while it is elsewhere, in doubt, or nobody could be asked. */
  epoch(): bigint | undefined;
  /** A commit has shown that the lease is gone. */
  markLost(): void;
  /** A commit has renewed it. @param since performance.now() before the statement that did was sent. */
  markRenewed(since: number): void;
  /** The lease was given back by who held it: asks now. */
  hurry(): void;
  start(): void;
  /** Gives the lease back. Never throws: it also runs out by itself. */
  stop(): Promise<void>;
}

export interface LeaseKeeperOptions {
  readonly database: Database;
  readonly claim: LeaseClaim;
  readonly logger: Logger;
  /** Called after each change of hands, and when a lease in doubt turned out to be ours still. */
  readonly onChange: () => void;
  /** false only in the control of a test: what was held once is believed in for ever. */
  readonly isFenced: boolean;
}

/** After the end that the database named, so that the question is not asked a moment too early. */
const AFTER_END_MS = 10;
/** The database could not be asked. */
const FAILED_PAUSE_MS = 250;

export function createLeaseKeeper(options: LeaseKeeperOptions): LeaseKeeper {
  const keeper = new Keeper(options);
  return {
    epoch: () => keeper.epoch(),
    markLost: () => keeper.setEpoch(undefined),
    markRenewed: (since) => keeper.markRenewed(since),
    hurry: () => keeper.hurry(),
    start: () => keeper.schedule(0),
    stop: () => keeper.stop(),
  };
}

class Keeper {
  readonly #options: LeaseKeeperOptions;
  readonly #periodMs: number;
  #epoch: bigint | undefined;
  #renewedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isHurried = false;
  #isStopped = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#periodMs = options.claim.leaseMs / 3;
  }

  epoch(): bigint | undefined {
    return this.#isInDoubt() ? undefined : this.#epoch;
  }

  #isInDoubt(): boolean {
    const { claim, isFenced } = this.#options;
    return isFenced && performance.now() - this.#renewedAt >= claim.leaseMs;
  }

  setEpoch(next: bigint | undefined): void {
    if (next === this.#epoch || (next === undefined && !this.#options.isFenced)) return;
    this.#epoch = next;
    const { claim, logger, onChange } = this.#options;
    const facts = { book: claim.bookId, epoch: next?.toString() };
    logger.info(facts, next === undefined ? "ledger lease lost" : "ledger lease taken");
    onChange();
  }

  markRenewed(since: number): void {
    this.#renewedAt = Math.max(this.#renewedAt, since);
  }

  hurry(): void {
    if (this.#epoch !== undefined) return;
    this.#isHurried = true;
    if (this.#running === undefined) this.schedule(0);
  }

  schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#isHurried = false;
      this.#running = this.#ask().then((pauseMs) => {
        this.#running = undefined;
        this.schedule(this.#isHurried ? 0 : pauseMs);
      });
    }, delayMs);
  }

  /** Returns how long to wait before the next question. Never throws. */
  async #ask(): Promise<number> {
    try {
      return this.#epoch === undefined ? await this.#claim() : await this.#renew(this.#epoch);
    } catch (error) {
      const { claim, logger } = this.#options;
      logger.warn({ err: error, book: claim.bookId }, "ledger lease could not be claimed or renewed");
      return Math.min(FAILED_PAUSE_MS, this.#periodMs);
    }
  }

  async #claim(): Promise<number> {
    const { database, claim } = this.#options;
    const askedAt = performance.now();
    const claimed = await claimLease(database.sql, claim);
    if (claimed.epoch === undefined) return Math.min(claimed.leftMs + AFTER_END_MS, this.#periodMs);
    faultPoint("ledger.lease.after-claim");
    this.#renewedAt = askedAt;
    this.setEpoch(claimed.epoch);
    return this.#periodMs;
  }

  async #renew(held: bigint): Promise<number> {
    const { database, claim, onChange } = this.#options;
    const askedAt = performance.now();
    const sinceMs = askedAt - this.#renewedAt;
    if (sinceMs < this.#periodMs * 0.9) return this.#periodMs - sinceMs; // a batch has renewed it
    const wasInDoubt = this.#isInDoubt();
    faultPoint("ledger.lease.before-renew");
    if (await renewLease(database.sql, claim, held)) {
      this.markRenewed(askedAt);
      if (wasInDoubt) onChange();
      return this.#periodMs;
    }
    if (this.#epoch === held) this.setEpoch(undefined);
    return this.#epoch === undefined ? 0 : this.#periodMs;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#running;
    const held = this.#epoch;
    this.#epoch = undefined;
    if (held === undefined) return;
    const { database, claim, logger } = this.#options;
    await releaseLease(database.sql, claim, held).catch((error: unknown) => {
      logger.warn({ err: error, book: claim.bookId }, "ledger lease could not be released; it runs out by itself");
    });
  }
}
