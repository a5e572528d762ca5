import { createWaiters, type Waiters } from "@florin/resilience";
import type { Uuid } from "@florin/kernel";

/**
 * People who wait for the ledger's answer about an account, and for the number that the relay gives to their event.
 *
 * Who waits starts to wait before the transaction that asks, so that the news cannot come between. The answer itself is read from
 * the account's row: a wake-up says only that it is worth a look.
 */
export interface LedgerAnswers {
  /** Starts to wait for the answer about an account. */
  expectAccount(accountId: Uuid, waitMs: number): Promise<void>;
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
    expectAccount: async (accountId, waitMs) => void (await accounts.wait(accountId, waitMs)),
    expectPosition: (eventId, waitMs) => positions.wait(eventId, Math.max(waitMs, POSITION_WAIT_MS)),
    settleAccount: (accountId) => void accounts.settle(accountId, true),
    settlePosition: (eventId, position) => void positions.settle(eventId, position),
    stop: () => {
      accounts.stop();
      positions.stop();
    },
  };
}
