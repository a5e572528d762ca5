import {
  amountFromNumeric,
  amountToNumeric,
  assertInput,
  coordinateKey,
  formatId,
  parseCurrency,
  type Amount,
  type CurrencyCode,
  type Instant,
} from "@florin/kernel";
import type { BalanceChange, LedgerAccount, LedgerContext } from "../context.js";
import { observeSealed } from "../observation.js";
import { findBalanceOf } from "./find-balance.js";

/**
 * T-4: the balance at the start of an interval of value time, what changed it in `(valueGt, valueLte]` by (value time, seq), and the balance at
 * its end, all as of one known time. Bounded: an interval with more changes is refused, never cut off in silence.
 */
export interface BalanceHistoryArguments {
  readonly valueGt: Instant;
  readonly valueLte: Instant;
  readonly knownAt?: Instant | null | undefined;
}

const MAX_CHANGES = 1_000;

export async function getBalanceHistory(context: LedgerContext, account: LedgerAccount, args: BalanceHistoryArguments) {
  const { valueGt: start, valueLte: end } = args;
  if (start > end)
    assertInput([{ path: "valueLte", code: "RANGE_EMPTY", message: "It lies before valueGt. Send a time behind it." }]);
  const { knownAt } = await observeSealed(context, args);
  const [opening, closing, openingTotals, changes] = await Promise.all([
    findBalanceOf(context, account, { at: start, knownAt }),
    findBalanceOf(context, account, { at: end, knownAt }),
    context.readers.findTotals(account.accountId, { at: start, knownAt }),
    context.readers.listBalanceChanges(account.accountId, { start, end, knownAt }, MAX_CHANGES + 1),
  ]);
  if (changes.length > MAX_CHANGES)
    assertInput([
      {
        path: "valueLte",
        code: "RANGE_TOO_LONG",
        message: `More than ${MAX_CHANGES} postings changed the balance in this interval. Ask for a shorter one.`,
      },
    ]);
  const nets = new Map(
    (openingTotals?.coordinates ?? []).map((one) => {
      const currency = currencyOf(one.denomination, account);
      const [debit, credit] = [
        amountFromNumeric(one.totalDebit, currency),
        amountFromNumeric(one.totalCredit, currency),
      ];
      return [coordinateKey({ ...one, denomination: currency }), inOwnSense(account, credit - debit)];
    }),
  );
  return { opening, closing, changes: changes.map((one) => withNetAfter(one, nets, account)) };
}

function withNetAfter(change: BalanceChange, nets: Map<string, bigint>, account: LedgerAccount) {
  const currency = currencyOf(change.denomination, account);
  const key = coordinateKey({ ...change, denomination: currency });
  const amount = amountFromNumeric(change.amount, currency);
  const net = (nets.get(key) ?? 0n) + inOwnSense(account, change.side === "CREDIT" ? amount : -amount);
  nets.set(key, net);
  return { ...toBalanceChange(change, account), netAfter: amountToNumeric(net as Amount, currency) };
}

/** A posting as the graph tells it. */
export function toBalanceChange(change: BalanceChange, account: LedgerAccount) {
  const currency = currencyOf(change.denomination, account);
  return {
    ...change,
    batchId: formatId("batch", change.batchId),
    amount: amountToNumeric(amountFromNumeric(change.amount, currency), currency),
    isBackdated: change.valueAt < change.bookedAt,
  };
}

const inOwnSense = ({ tside }: LedgerAccount, credits: bigint): bigint => (tside === "LIABILITY" ? credits : -credits);

const currencyOf = (denomination: string, account: LedgerAccount): CurrencyCode =>
  parseCurrency(denomination) ?? account.denomination;
