import { createWaiters, type Waiters } from "@florin/resilience";
import type { Uuid } from "@florin/kernel";

/**
 * People who wait for the ledger's answer about an account, and for the number that the relay gives to their event.
 *
 * A wake-up says only that the account is worth a look (it may be late news of something else): whoever waits looks, and waits on when
 * the answer is not there. Waiting begins before the look, so that the news cannot come between.
 */
export interface LedgerAnswers {
  /** What `read` gives as soon as it is not pending any more, or at the end of `waitMs` as it is then. */
  waitForAccount<T>(
    accountId: Uuid,
    waitMs: number,
    read: () => Promise<T>,
    isPending: (present: T) => boolean,
  ): Promise<T>;
  /** Starts to wait for the position of an event, for a consistency token. */
  expectPosition(eventId: Uuid, waitMs: number): Promise<bigint | undefined>;
  /** Called by the consumer of the ledger's events, after its commit. */
  settleAccount(accountId: Uuid): void;
  /** Called as the area's own events pass on the bus. */
  settlePosition(eventId: Uuid, position: bigint): void;
  stop(): void;
}

/** The relay numbers an event within milliseconds; an answer that need not wait for more waits this long for the number. */
const POSITION_WAIT_MS = 100;

export function createLedgerAnswers(): LedgerAnswers {
  const accounts: Waiters<true> = createWaiters();
  const positions: Waiters<bigint> = createWaiters();
  return {
    waitForAccount: async (accountId, waitMs, read, isPending) => {
      const end = performance.now() + waitMs;
      for (;;) {
        const news = accounts.wait(accountId, end - performance.now());
        const present = await read();
        if (!isPending(present)) return present;
        // Nothing came in time, or no more may wait here, or the process stops: as it is now.
        if ((await news) === undefined) return read();
      }
    },
    expectPosition: (eventId, waitMs) => positions.wait(eventId, Math.max(waitMs, POSITION_WAIT_MS)),
    settleAccount: (accountId) => void accounts.settle(accountId, true),
    settlePosition: (eventId, position) => void positions.settle(eventId, position),
    stop: () => {
      accounts.stop();
      positions.stop();
    },
  };
}
