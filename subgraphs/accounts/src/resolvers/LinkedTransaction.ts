import { formatId } from "@florin/kernel";
import type { AccountsContext } from "../context.js";
import { toCurrency } from "./linked-currency.js";

/** A transaction's row, as the readers and commands give it. */
type TransactionSource = Awaited<ReturnType<AccountsContext["linked"]["getTransaction"]>>;

export const LinkedTransaction = {
  __resolveReference: (reference: { readonly id: string }, context: AccountsContext) =>
    context.linked.getTransaction(reference.id),
  id: (transaction: TransactionSource) => formatId("linkedTransaction", transaction.linkedTransactionId),
  account: (transaction: TransactionSource, _args: unknown, context: AccountsContext) =>
    context.linked.accountOf(transaction),
  // The institution signs: positive leaves the account.
  direction: ({ amount }: TransactionSource) => (amount.startsWith("-") ? "IN" : "OUT"),
  amount: ({ amount }: TransactionSource) => amount.replace(/^-/, ""),
  currency: (transaction: TransactionSource) => toCurrency(transaction),
  category: ({ userCategory, categoryPrimary }: TransactionSource) => userCategory ?? categoryPrimary,
  institutionCategory: ({ categoryPrimary }: TransactionSource) => categoryPrimary,
  note: ({ userNote }: TransactionSource) => userNote,
};
