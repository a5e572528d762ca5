import { amountFromNumeric, formatId, formatTransactionId, notFound, parseTransactionId } from "@florin/kernel";
import { getReadableAccount } from "../access.js";
import type { LedgerContext, TransactionRow } from "../context.js";
import { toAccountReference } from "./account-reference.js";
import { toMoney } from "./money.js";

async function resolveReference(reference: { readonly id: string }, context: LedgerContext): Promise<TransactionRow> {
  const key = parseTransactionId(reference.id);
  if (key === undefined) throw notFound("transaction");
  await getReadableAccount(context, key.accountId);
  const row = await context.readers.findTransaction(key);
  if (row === undefined) throw notFound("transaction");
  return row;
}

/** The other side: an internal account by its name, a customer's by its id and nothing more. */
function counterpartyOf(row: TransactionRow): { name: string | null; accountId: string | null } | null {
  if (row.otherAccountId === null) return null;
  if (row.otherName !== null) return { name: row.otherName, accountId: null };
  return { name: null, accountId: formatId("account", row.otherAccountId) };
}

export const Transaction = {
  __resolveReference: resolveReference,
  id: (row: TransactionRow) => formatTransactionId(row.accountId, row.accountSeq),
  account: (row: TransactionRow) => toAccountReference(row.accountId),
  /** In the account's own sense: CREDIT when its balance grew. */
  direction: (row: TransactionRow) => ((row.side === "CREDIT") === (row.tside === "LIABILITY") ? "CREDIT" : "DEBIT"),
  amount: (row: TransactionRow) => toMoney(amountFromNumeric(row.amount, row.denomination), row.denomination),
  balanceAfter: (row: TransactionRow) =>
    toMoney(amountFromNumeric(row.committedAfter, row.denomination), row.denomination),
  status: (row: TransactionRow) => (row.isReversed ? "REVERSED" : "POSTED"),
  description: (row: TransactionRow) => row.reference,
  counterparty: counterpartyOf,
  batchId: (row: TransactionRow) => formatId("batch", row.batchId),
};
