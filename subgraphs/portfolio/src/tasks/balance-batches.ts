import { classifyDatabaseError, type Sql } from "@florin/db";
import { applyToldBalances, listParkedKeys, type ToldBalanceEvent } from "@florin/db/portfolio";
import type { EventEnvelope } from "@florin/kernel";
import DataLoader from "dataloader";
import { parsePosted } from "./own-accounts.js";

/**
 * Balances told by the ledger, applied together. There is one for each account of each batch, so a statement for each would cost the book's
 * database more than the book does.
 *
 *   batch     what comes while a statement is under way goes with the next; nothing waits for company
 *   failure   of a batch that the database refused: each of it is tried alone, so that one does not take others with it
 *
 * Bounds: as many as the group handles at once, MAX_BATCH a statement; each promise is settled when its statement is.
 */
export interface BalanceBatches {
  /** Resolves when the balance is stored. Throws PoisonEvent for a payload that does not parse. */
  apply(event: EventEnvelope): Promise<void>;
  isKeyParked(key: string): Promise<boolean>;
}

const MAX_BATCH = 500;

interface Waiting extends ToldBalanceEvent {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export function createBalanceBatches(sql: Sql, consumer: string): BalanceBatches {
  const waiting: Waiting[] = [];
  let isRunning = false;
  const parked = new DataLoader<string, boolean>(
    async (keys) => {
      const open = await listParkedKeys(sql, consumer, keys);
      return keys.map((key) => open.has(key));
    },
    { cache: false },
  );

  async function run(): Promise<void> {
    if (isRunning) return;
    isRunning = true;
    // What is offered in this turn of the loop goes along.
    await Promise.resolve();
    while (waiting.length > 0) await settle(waiting.splice(0, MAX_BATCH));
    isRunning = false;
  }

  async function settle(batch: readonly Waiting[]): Promise<void> {
    try {
      await applyToldBalances(sql, consumer, batch);
      for (const { resolve } of batch) resolve();
    } catch (error) {
      // A database that is away refuses nothing: all of it is tried again, later.
      if (batch.length > 1 && classifyDatabaseError(error) === "refused") for (const one of batch) await settle([one]);
      else for (const { reject } of batch) reject(error);
    }
  }

  return {
    apply: (event) => {
      const balance = parsePosted(event);
      return new Promise((resolve, reject) => {
        waiting.push({ event, balance, resolve, reject });
        void run();
      });
    },
    isKeyParked: (key) => parked.load(key),
  };
}
