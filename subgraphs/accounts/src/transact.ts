import { classifyDatabaseError, type Database, type Transaction } from "@florin/db";
import { RequestError, temporarilyUnavailable } from "@florin/kernel";
import { retry } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";

/** One transaction of a command. */
export type Transact = <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>;

const RETRY = { attempts: 3, baseMs: 20, maxMs: 200 } as const;
const RETRY_AFTER_MS = 500;

/**
 * Runs `work` again when PostgreSQL says that nothing has happened (a deadlock, a restart). When the outcome is unknown the caller is
 * told to send the same request again: every command here is keyed, so that a repetition finds what was done.
 */
export function createTransact(database: Database, logger: Logger, random: () => number): Transact {
  return async (work) => {
    try {
      return await retry(() => database.transaction(work), {
        ...RETRY,
        random,
        shouldRetry: (error) => !(error instanceof RequestError) && classifyDatabaseError(error) === "not-applied",
      });
    } catch (error) {
      if (error instanceof RequestError || classifyDatabaseError(error) === "refused") throw error;
      logger.warn({ err: error }, "A transaction failed; its caller was asked to send the request again.");
      throw temporarilyUnavailable(RETRY_AFTER_MS);
    }
  };
}
