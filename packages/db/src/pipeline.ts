import { OutcomeUnknownError } from "./database-errors.js";
import type { Sql } from "./sql.js";

/** One statement that changes everything a transaction changes, and its parameters as the server reads them. */
export interface PipelinedStatement {
  readonly text: string;
  readonly parameters: readonly (string | null)[];
}

/**
 * Transactions of one statement each, one behind the other on one connection, several of them under way: BEGIN, statement and COMMIT are
 * sent without waiting, so the server works on the next while the answer of the one before is on its way.
 *
 * Resolves with the statement's rows after the server said COMMIT, and only then is it durable: an aborted transaction answers its COMMIT
 * with ROLLBACK, which is an error here. Rejections are what `classifyDatabaseError` knows; when the connection is lost everything
 * under way is in doubt. All or nothing needs one statement: should the connection be lost between BEGIN and it, the driver may send it on
 * the next connection, where it is its own transaction; the caller reads again by key, as after every doubt.
 *
 * The caller sees to it that a later transaction fails when an earlier one did (the ledger swaps its head row), and bounds how many are
 * under way.
 */
export interface Pipeline {
  commit<Row extends object>(statement: PipelinedStatement): Promise<readonly Row[]>;
  stop(): Promise<void>;
}

export function createPipeline(driver: Sql, abandonedSyncWaits: () => number, deadlineMs: number): Pipeline {
  return {
    commit: async <Row extends object>({ text, parameters }: PipelinedStatement): Promise<readonly Row[]> => {
      const before = abandonedSyncWaits();
      const sent = [
        driver.unsafe("begin isolation level read committed"),
        driver.unsafe<Row[]>(text, [...parameters], { prepare: true }),
        driver.unsafe("commit"),
      ] as const;
      const [begun, done, committed] = await Promise.allSettled(sent);
      // What the statement says comes first: it knows why. A lost COMMIT is in doubt whatever came before.
      if (committed.status === "rejected" && done.status === "fulfilled") throw committed.reason;
      if (done.status === "rejected") throw done.reason;
      if (begun.status === "rejected" || committed.status === "rejected") throw new OutcomeUnknownError();
      if (committed.value.command !== "COMMIT") throw new OutcomeUnknownError();
      // The notice does not say whose COMMIT it was, so it counts for all that were under way.
      if (abandonedSyncWaits() !== before) throw new OutcomeUnknownError();
      return done.value;
    },
    stop: () => driver.end({ timeout: deadlineMs / 1000 }),
  };
}
