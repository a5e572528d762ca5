import { dayText, type TransactionData } from "@florin/linked-data";
import { z } from "zod";
import type { TransactionsPage } from "../plaid-port.js";
import { account } from "./account-answers.js";
import {
  amount,
  currencyFields,
  currencyOf,
  dayOrNull,
  id,
  instantOrNull,
  memberOrNull,
  orNull,
  receipt,
  textOrNull,
} from "./answer-fields.js";

const transaction = z
  .object({
    transaction_id: id,
    account_id: id,
    pending_transaction_id: textOrNull,
    amount,
    ...currencyFields,
    name: z.string(),
    merchant_name: textOrNull,
    personal_finance_category: orNull(z.object({ primary: z.string(), detailed: z.string() })),
    pending: z.boolean(),
    date: dayText,
    authorized_date: dayOrNull,
    datetime: instantOrNull,
    payment_channel: memberOrNull,
  })
  .transform((row): TransactionData => ({
    transactionId: row.transaction_id,
    accountId: row.account_id,
    pendingTransactionId: row.pending_transaction_id,
    amount: row.amount,
    currency: currencyOf(row),
    name: row.name,
    merchantName: row.merchant_name,
    categoryPrimary: row.personal_finance_category?.primary ?? null,
    categoryDetailed: row.personal_finance_category?.detailed ?? null,
    isPending: row.pending,
    date: row.date,
    authorizedDate: row.authorized_date,
    datetime: row.datetime,
    paymentChannel: row.payment_channel,
  }));

/** "At most 256 characters of base64" (§1.3 rule 5), with room. */
const cursor = z.string().max(1_024);

export const transactionsPage = receipt
  .extend({
    transactions_update_status: z.string(),
    added: z.array(transaction),
    modified: z.array(transaction),
    removed: z.array(z.object({ transaction_id: id, account_id: textOrNull })),
    next_cursor: cursor,
    has_more: z.boolean(),
    accounts: z.array(account),
  })
  .transform((answer): TransactionsPage => ({
    status: answer.transactions_update_status,
    added: answer.added,
    modified: answer.modified,
    removed: answer.removed.map((row) => ({
      transactionId: row.transaction_id,
      accountId: row.account_id ?? undefined,
    })),
    nextCursor: answer.next_cursor,
    hasMore: answer.has_more,
    accounts: answer.accounts,
    requestId: answer.request_id,
  }));
