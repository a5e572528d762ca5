import { getReadableAccount } from "../access.js";
import type { LedgerContext } from "../context.js";
import { closeOfBusinessDate, observe, type ClockArguments } from "../observation.js";
import { DEFAULT_PROCESSING_GROUP } from "../writer/plan-remarks.js";
import { accountIdOf, type AccountReference } from "./account-reference.js";
import { getBalanceHistory, type BalanceHistoryArguments } from "./balance-history.js";
import { findBalance, toCoordinateBalance } from "./find-balance.js";
import { listTransactionConnection, type TransactionListArguments } from "./transaction-connection.js";

interface CoordinateFilter extends ClockArguments {
  readonly address?: string | null | undefined;
  readonly phase?: string | null | undefined;
}

async function listCoordinates(reference: AccountReference, args: CoordinateFilter, context: LedgerContext) {
  const account = await getReadableAccount(context, accountIdOf(reference));
  const observation = await observe(context, args);
  const totals = await context.readers.findTotals(account.accountId, observation);
  return (totals?.coordinates ?? [])
    .filter((one) => (args.address ?? one.address) === one.address && (args.phase ?? one.phase) === one.phase)
    .map((one) => toCoordinateBalance(one, account));
}

/** Every field authorises on its own: an Account arrives here as a key that anybody may have written. */
export const Account = {
  __resolveReference: async (reference: AccountReference, context: LedgerContext): Promise<AccountReference> => {
    await getReadableAccount(context, accountIdOf(reference));
    return { __typename: "Account", id: reference.id };
  },
  balance: (reference: AccountReference, args: ClockArguments, context: LedgerContext) =>
    findBalance(context, reference, args),
  balances: listCoordinates,
  balanceHistory: async (reference: AccountReference, args: BalanceHistoryArguments, context: LedgerContext) =>
    getBalanceHistory(context, await getReadableAccount(context, accountIdOf(reference)), args),
  closeOfBusinessDay: (
    reference: AccountReference,
    { date, knownAt }: Pick<ClockArguments, "knownAt"> & { readonly date: string },
    context: LedgerContext,
  ) => findBalance(context, reference, { at: closeOfBusinessDate(date, DEFAULT_PROCESSING_GROUP), knownAt }),
  transactions: async (reference: AccountReference, args: TransactionListArguments, context: LedgerContext) => {
    const account = await getReadableAccount(context, accountIdOf(reference));
    return listTransactionConnection(context, account, args);
  },
};
