import { classifyDatabaseError, type Database, type Transaction } from "@florin/db";
import { RequestError, temporarilyUnavailable } from "@florin/kernel";
import { FaultInjected, faultPoint, retry } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";

/** One transaction of a command. `work` may run again, also after it was committed: it must find by its key what it did before. */
export type Transact = <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>;

const RETRY = { attempts: 3, baseMs: 20, maxMs: 200 } as const;
const RETRY_AFTER_MS = 500;

/**
 * Runs `work` again when PostgreSQL says that nothing has happened (a deadlock, a restart), and when nobody knows: a COMMIT whose answer
 * was lost. The second run waits for the first one's end at their common key, and reads there what became of it. What fails all
 * the same is for `orUnavailable` to tell.
 */
export function createTransact(database: Database, random: () => number): Transact {
  return (work) =>
    retry(
      async () => {
        const done = await database.transaction(async (tx) => {
          const result = await work(tx);
          faultPoint("accounts.command.before-commit");
          return result;
        });
        faultPoint("accounts.command.after-commit");
        return done;
      },
      {
        ...RETRY,
        random,
        shouldRetry: (error) =>
          error instanceof FaultInjected ||
          (!(error instanceof RequestError) && classifyDatabaseError(error) !== "refused"),
      },
    );
}

/**
 * A database that is away, or whose answer was lost, is no bug of ours: the caller is told to send the same request again. That is safe
 * for every request here: reads change nothing, and writes are keyed, so a repetition finds what was done.
 */
export async function orUnavailable<T>(logger: Logger, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RequestError || classifyDatabaseError(error) === "refused") throw error;
    logger.warn({ err: error }, "The database failed; the caller was asked to send the request again.");
    throw temporarilyUnavailable(RETRY_AFTER_MS);
  }
}
