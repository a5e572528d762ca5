import { z } from "zod";
import { currencyPair, dayText, decimalText, instantText } from "./decimal-text.js";

/** A transaction at an institution (linked-accounts.md §1.3). `amount` is signed as Plaid signs it: positive leaves the account. */
export const transactionData = z.object({
  transactionId: z.string().min(1),
  accountId: z.string().min(1),
  /** Of a posted one: the pending one that it replaces. May be null, and may be wrong (§1.3 rule 6). */
  pendingTransactionId: z.string().nullable(),
  amount: decimalText,
  currency: currencyPair,
  name: z.string(),
  merchantName: z.string().nullable(),
  /** Personal finance category, such as FOOD_AND_DRINK; null where the institution gives none. */
  categoryPrimary: z.string().nullable(),
  categoryDetailed: z.string().nullable(),
  isPending: z.boolean(),
  date: dayText,
  authorizedDate: dayText.nullable(),
  datetime: instantText.nullable(),
  paymentChannel: z.string().nullable(),
});
export type TransactionData = z.infer<typeof transactionData>;
