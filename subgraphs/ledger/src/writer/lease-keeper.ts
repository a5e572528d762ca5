import { claimLease, releaseLease, renewLease, type LeaseClaim } from "@florin/db/ledger";
import type { Database } from "@florin/db";
import type { Logger } from "@florin/telemetry";

/**
 * Holds the book's lease, or tries to get it, every third of its length. The lease is for speed: two processes that both believe
 * they hold it cannot both commit, since each batch swaps the head row under its epoch.
 */
export interface LeaseKeeper {
  /** Of the lease that we hold; undefined while it is elsewhere or nobody could be asked. */
  epoch(): bigint | undefined;
  /** A commit has shown that the lease is gone. */
  markLost(): void;
  /** A commit has renewed it. */
  markRenewed(): void;
  start(): void;
  /** Gives the lease back. Never throws: it also runs out by itself. */
  stop(): Promise<void>;
}

export function createLeaseKeeper(options: {
  readonly database: Database;
  readonly claim: LeaseClaim;
  readonly logger: Logger;
  /** Called after each change of hands, and after the first attempt. */
  readonly onChange: () => void;
}): LeaseKeeper {
  const { database, claim, logger, onChange } = options;
  const periodMs = claim.leaseMs / 3;
  let epoch: bigint | undefined;
  let renewedAt = 0;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let isStopped = false;

  function setEpoch(next: bigint | undefined): void {
    if (next === epoch) return;
    epoch = next;
    logger.info(
      { book: claim.bookId, epoch: next?.toString() },
      next === undefined ? "ledger lease lost" : "ledger lease taken",
    );
    onChange();
  }

  async function beat(): Promise<void> {
    const startedAt = performance.now();
    const held = epoch;
    try {
      if (held === undefined) {
        const claimed = await claimLease(database.sql, claim);
        if (claimed !== undefined) renewedAt = startedAt;
        setEpoch(claimed);
      } else if (startedAt - renewedAt >= periodMs * 0.9) {
        const isRenewed = await renewLease(database.sql, claim, held);
        if (isRenewed) renewedAt = startedAt;
        else if (epoch === held) setEpoch(undefined);
      }
    } catch (error) {
      logger.warn({ err: error, book: claim.bookId }, "ledger lease could not be claimed or renewed");
      if (epoch !== undefined && performance.now() - renewedAt > claim.leaseMs) setEpoch(undefined);
    }
  }

  function schedule(delayMs: number): void {
    timer = setTimeout(() => {
      running = beat().finally(() => {
        if (!isStopped) schedule(periodMs);
      });
    }, delayMs);
  }

  return {
    epoch: () => epoch,
    markLost: () => setEpoch(undefined),
    markRenewed: () => {
      renewedAt = performance.now();
    },
    start: () => schedule(0),
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      await running;
      const held = epoch;
      epoch = undefined;
      if (held === undefined) return;
      await releaseLease(database.sql, claim, held).catch((error: unknown) => {
        logger.warn({ err: error, book: claim.bookId }, "ledger lease could not be released; it runs out by itself");
      });
    },
  };
}
