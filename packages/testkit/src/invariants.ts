import { checkInvariants, connectDatabase, describeFinding } from "@florin/db";
import { areas, type Area } from "@florin/kernel";
import { foldBalances } from "./fold-balances.js";

export interface BookCheckOptions {
  /** Nothing is under way any more: then also the rules that hold at rest. */
  readonly isAtRest?: boolean;
  /** Of a test that runs one area alone; rules between areas are then left out. Default: both. */
  readonly areas?: readonly Area[];
}

/**
 * Every rule that the books break, in words: empty when they are in order. To be asserted after each test that moves money.
 * Reads one snapshot, so it may run beside a writer.
 */
export async function checkBooks(url: string, options: BookCheckOptions = {}): Promise<string[]> {
  const database = connectDatabase({
    url,
    applicationName: "florin-check-books",
    maxConnections: 1,
    deadlineMs: 60_000,
  });
  try {
    const { findings, unchecked } = await checkInvariants(database, { areas, ...options });
    const folded = await database.transaction(async (tx) => {
      await tx`set transaction isolation level repeatable read, read only`;
      return await foldBalances(tx);
    });
    return [
      ...findings.map(describeFinding),
      ...folded,
      ...unchecked.map((rule) => `${rule.sentence}: ${rule.reason}`),
    ];
  } finally {
    await database.stop();
  }
}
