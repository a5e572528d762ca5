import {
  amountFromNumeric,
  amountToNumeric,
  netOf,
  parseCurrency,
  type CurrencyCode,
  type Tside,
} from "@florin/kernel";
import { getReadableAccount } from "../access.js";
import { balanceAfterPosting, balanceOfTotals, type AccountBalanceView } from "../account-balance.js";
import type { LedgerAccount, LedgerContext, Observation } from "../context.js";
import { observe, type ClockArguments } from "../observation.js";
import { accountIdOf } from "./account-reference.js";

export async function findBalance(
  context: LedgerContext,
  reference: { readonly id: string },
  clocks: ClockArguments,
): Promise<AccountBalanceView | null> {
  const account = await getReadableAccount(context, accountIdOf(reference));
  return findBalanceOf(context, account, await observe(context, clocks));
}

/** Of an account that the viewer may read, at a known time that is sealed. */
export async function findBalanceOf(
  context: LedgerContext,
  account: LedgerAccount,
  observation: Observation,
): Promise<AccountBalanceView | null> {
  const { readers } = context;
  if (observation.at !== undefined || observation.knownAt !== undefined) {
    const balance = await readers.findObservedBalance(account.accountId, observation);
    return balance === undefined ? null : balanceAfterPosting(account, balance);
  }
  const totals = await readers.findTotals(account.accountId, observation);
  return totals === undefined ? null : balanceOfTotals(account, totals);
}

/** A coordinate with all digits that the ledger keeps, and its net in the account's own sense. */
export function toCoordinateBalance<Row extends { denomination: string; totalDebit: string; totalCredit: string }>(
  row: Row,
  { tside, denomination }: { readonly tside: Tside; readonly denomination: CurrencyCode },
) {
  const currency = parseCurrency(row.denomination) ?? denomination;
  const sums = {
    totalDebit: amountFromNumeric(row.totalDebit, currency),
    totalCredit: amountFromNumeric(row.totalCredit, currency),
  };
  return {
    ...row,
    net: amountToNumeric(netOf(sums, tside), currency),
    totalDebit: amountToNumeric(sums.totalDebit, currency),
    totalCredit: amountToNumeric(sums.totalCredit, currency),
  };
}
