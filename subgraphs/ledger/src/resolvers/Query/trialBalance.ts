import { mayDo } from "@florin/auth";
import { amountFromNumeric, amountToNumeric, parseCurrency, RequestError } from "@florin/kernel";
import type { LedgerContext, TrialBalanceRow } from "../../context.js";
import { parseObservation, type ClockArguments } from "../Account.js";
import { toAccountReference } from "../account-reference.js";

/** Every internal account, and the customers' accounts summed by product: debits equal credits, or something is very wrong. */
export async function trialBalance(_root: unknown, args: ClockArguments, context: LedgerContext) {
  if (!mayDo(context.viewer, "trial-balance:read").allowed)
    throw new RequestError("FORBIDDEN", "The trial balance is for staff and auditors.");
  const now = context.clock.now();
  const observation = parseObservation(args, now);
  const rows = await context.readers.listTrialBalance(observation);
  const knownAt = observation.knownAt ?? (await context.readers.findKnownAt()) ?? now;
  return {
    isBalanced: isBalanced(rows),
    at: observation.at ?? now,
    knownAt,
    rows: rows.map((row) => ({
      ...row,
      account: row.accountId === null ? null : toAccountReference(row.accountId),
      debit: toDecimal(row.debit, row),
      credit: toDecimal(row.credit, row),
    })),
  };
}

/** INV-1 over the whole book: Σ debits = Σ credits per (asset, denomination, phase). */
function isBalanced(rows: readonly TrialBalanceRow[]): boolean {
  const differences = new Map<string, bigint>();
  for (const row of rows) {
    const key = `${row.asset}|${row.denomination}|${row.phase}`;
    differences.set(key, (differences.get(key) ?? 0n) + amountOf(row.debit, row) - amountOf(row.credit, row));
  }
  return [...differences.values()].every((difference) => difference === 0n);
}

function amountOf(numeric: string, row: TrialBalanceRow): bigint {
  return amountFromNumeric(numeric, currencyOf(row));
}

function toDecimal(numeric: string, row: TrialBalanceRow): string {
  const currency = currencyOf(row);
  return amountToNumeric(amountFromNumeric(numeric, currency), currency);
}

function currencyOf(row: TrialBalanceRow) {
  const currency = parseCurrency(row.denomination);
  if (currency === undefined) throw new Error(`the book holds ${row.denomination}, which is not registered`);
  return currency;
}
