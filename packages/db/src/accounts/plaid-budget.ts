import { formatInstant, type Instant } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

export interface BudgetShare {
  /** `balances`, `balances:<user>`: whose money it is. */
  readonly scope: string;
  /** A day (UTC). */
  readonly limit: number;
}

/**
 * Takes one of each share, or none of them: counted before the call is made, so that a call whose answer was lost is paid for too.
 * undefined: taken. Else the scope that is used up; the transaction must then be rolled back by the caller, who throws.
 */
export async function takeBudget(
  tx: Transaction,
  at: Instant,
  shares: readonly BudgetShare[],
): Promise<string | undefined> {
  for (const { scope, limit } of shares) {
    const taken = await tx`
      insert into accounts.plaid_budget as b (day, scope, used)
      select (${formatInstant(at)}::timestamptz at time zone 'UTC')::date, ${scope}, 1 where ${limit} > 0
      on conflict (day, scope) do update set used = b.used + 1 where b.used < ${limit} returning 1`;
    if (taken.length === 0) return scope;
  }
  return undefined;
}

/** Of days that are long over. */
export async function deleteOldBudgets(sql: Sql, before: Instant): Promise<void> {
  await sql`
    delete from accounts.plaid_budget where day < (${formatInstant(before)}::timestamptz at time zone 'UTC')::date`;
}
