import { mayDo } from "@florin/auth";
import { amountFromNumeric, amountToNumeric, parseCurrency, RequestError, type Amount } from "@florin/kernel";
import type { LedgerContext, TrialBalanceRow } from "../../context.js";
import { observeSealed, type ClockArguments } from "../../observation.js";
import { rollUp } from "../../chart-of-accounts.js";
import { toAccountReference } from "../account-reference.js";

/**
 * Every internal account, and the customers' accounts summed by product, at any point of both clocks: debits equal credits, or something is
 * very wrong. Then the same by the chart of accounts. Without a known time it is as of the last commit, which is named.
 */
export async function trialBalance(_root: unknown, args: ClockArguments, context: LedgerContext) {
  if (!mayDo(context.viewer, "trial-balance:read").allowed)
    throw new RequestError("FORBIDDEN", "The trial balance is for staff and auditors.");
  const observation = await observeSealed(context, args);
  const [rows, chart] = await Promise.all([
    context.readers.listTrialBalance(observation),
    context.readers.listChartNodes(),
  ]);
  const now = context.clock.now();
  const amounts = rows.map(toAmounts);
  const totals = totalsOf(amounts);
  return {
    isBalanced: totals.every((total) => total.isBalanced),
    at: observation.at ?? now,
    knownAt: observation.knownAt ?? now,
    rows: amounts.map((row) => ({
      ...row,
      account: row.accountId === null ? null : toAccountReference(row.accountId),
      ...toDecimals(row),
    })),
    totals: totals.map((total) => ({ ...total, ...toDecimals(total) })),
    nodes: rollUp(amounts, chart).map((node) => ({ ...node, ...toDecimals(node) })),
  };
}

interface Sums {
  readonly denomination: string;
  readonly debit: Amount;
  readonly credit: Amount;
}

function toAmounts(row: TrialBalanceRow) {
  const currency = currencyOf(row);
  return { ...row, debit: amountFromNumeric(row.debit, currency), credit: amountFromNumeric(row.credit, currency) };
}

/** INV-1 over the whole book: Σ debits = Σ credits per (asset, denomination, phase). */
function totalsOf<Row extends Sums & Pick<TrialBalanceRow, "asset" | "phase">>(rows: readonly Row[]) {
  const sums = new Map<string, Row>();
  for (const row of rows) {
    const key = `${row.asset}|${row.denomination}|${row.phase}`;
    const known = sums.get(key);
    if (known === undefined) sums.set(key, row);
    else sums.set(key, { ...known, ...add(known, row) });
  }
  return [...sums.values()].map(({ asset, denomination, phase, debit, credit }) => {
    return { asset, denomination, phase, debit, credit, isBalanced: debit === credit };
  });
}

const add = (a: Sums, b: Sums) => ({
  debit: (a.debit + b.debit) as Amount,
  credit: (a.credit + b.credit) as Amount,
});

function toDecimals(sums: Sums) {
  const currency = currencyOf(sums);
  return { debit: amountToNumeric(sums.debit, currency), credit: amountToNumeric(sums.credit, currency) };
}

function currencyOf(row: { readonly denomination: string }) {
  const currency = parseCurrency(row.denomination);
  if (currency === undefined) throw new Error(`the book holds ${row.denomination}, which is not registered`);
  return currency;
}
