import type { Area } from "@florin/kernel";

/**
 * What a rule is: a query that finds nothing while the rule holds. Ids are those of docs/invariants.md (I1 … I13); a sentence that
 * begins with INV-, IDEM- or STR- names the rule of docs/ledger.md that it stands for.
 */
export interface Invariant {
  readonly id: InvariantId;
  /** What holds. It is told with each finding, so it must be a sentence that a tired person understands. */
  readonly sentence: string;
  /** Whose tables the query reads; it runs only where the role may see all of them. */
  readonly areas: readonly Area[];
  /**
   *   always   of every snapshot, whatever runs beside it
   *   at rest  when nothing is under way: every command answered, every event delivered
   */
  readonly holds: "always" | "at rest";
  /** A query with the columns `who` and `what`, both text. */
  readonly sql: (scope: InvariantScope) => string;
  /** Reads all rows whatever the scope is. Left out of bounded runs: a book of a hundred million rows is not read every minute. */
  readonly isWhole?: boolean;
  /** What it finds is money made or lost, or an effect that happened twice: the book takes no more writes until a person has looked. */
  readonly haltsWrites?: boolean;
}

/** I11 (recovery in bounded time) is no property of the tables: the test bench measures it. */
export type InvariantId = "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I7" | "I8" | "I9" | "I10" | "I12" | "I13";

/** What was checked before and need not be read again: batches at or before `seq`, events at or before `position`. */
export interface InvariantScope {
  readonly seq: bigint;
  readonly position: bigint;
}

export const WHOLE: InvariantScope = { seq: 0n, position: 0n };
