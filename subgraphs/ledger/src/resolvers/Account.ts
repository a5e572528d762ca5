import { amountFromNumeric, amountToNumeric, assertInput, netOf, parseCurrency, type Instant } from "@florin/kernel";
import { getReadableAccount } from "../access.js";
import { balanceOfTotals, type AccountBalanceView } from "../account-balance.js";
import type { LedgerContext, Observation } from "../context.js";
import { accountIdOf, type AccountReference } from "./account-reference.js";
import { listTransactionConnection, type TransactionListArguments } from "./transaction-connection.js";

export interface ClockArguments {
  readonly at?: Instant | null | undefined;
  readonly knownAt?: Instant | null | undefined;
}

/** T-3: both clocks, inclusive. A known time that has not come yet would give an answer that changes later. */
export function parseObservation(given: ClockArguments, now: Instant): Observation {
  if (given.knownAt !== null && given.knownAt !== undefined && given.knownAt > now)
    assertInput([
      {
        path: "knownAt",
        code: "KNOWN_AT_NOT_SEALED",
        message: "What will be known later cannot be told. Send a time that has passed.",
      },
    ]);
  return { at: given.at ?? undefined, knownAt: given.knownAt ?? undefined };
}

export async function findBalance(
  context: LedgerContext,
  reference: { readonly id: string },
  clocks: ClockArguments,
): Promise<AccountBalanceView | null> {
  const observation = parseObservation(clocks, context.clock.now());
  const account = await getReadableAccount(context, accountIdOf(reference));
  const totals = await context.readers.findTotals(account.accountId, observation);
  return totals === undefined ? null : balanceOfTotals(account, totals);
}

interface CoordinateFilter extends ClockArguments {
  readonly address?: string | null | undefined;
  readonly phase?: string | null | undefined;
}

async function listCoordinates(reference: AccountReference, args: CoordinateFilter, context: LedgerContext) {
  const observation = parseObservation(args, context.clock.now());
  const account = await getReadableAccount(context, accountIdOf(reference));
  const totals = await context.readers.findTotals(account.accountId, observation);
  return (totals?.coordinates ?? [])
    .filter((one) => (args.address ?? one.address) === one.address && (args.phase ?? one.phase) === one.phase)
    .map((one) => {
      const currency = parseCurrency(one.denomination) ?? account.denomination;
      const sums = {
        totalDebit: amountFromNumeric(one.totalDebit, currency),
        totalCredit: amountFromNumeric(one.totalCredit, currency),
      };
      return {
        ...one,
        net: amountToNumeric(netOf(sums, account.tside), currency),
        totalDebit: amountToNumeric(sums.totalDebit, currency),
        totalCredit: amountToNumeric(sums.totalCredit, currency),
      };
    });
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
  transactions: async (reference: AccountReference, args: TransactionListArguments, context: LedgerContext) => {
    const account = await getReadableAccount(context, accountIdOf(reference));
    return listTransactionConnection(context, account, args);
  },
};
