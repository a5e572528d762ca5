import type { AccountData } from "@florin/linked-data";
import { z } from "zod";
import type { AccountsAnswer } from "../plaid-port.js";
import {
  amountOrNull,
  currencyFields,
  currencyOf,
  id,
  instantOrNull,
  memberOrNull,
  receipt,
  textOrNull,
} from "./answer-fields.js";

export const account = z
  .object({
    account_id: id,
    persistent_account_id: textOrNull,
    name: z.string(),
    official_name: textOrNull,
    mask: textOrNull,
    type: z.string(),
    subtype: memberOrNull,
    holder_category: memberOrNull,
    apy: amountOrNull,
    balances: z.object({
      available: amountOrNull,
      current: amountOrNull,
      limit: amountOrNull,
      last_updated_datetime: instantOrNull,
      ...currencyFields,
    }),
  })
  .transform((row): AccountData => ({
    accountId: row.account_id,
    persistentAccountId: row.persistent_account_id,
    name: row.name,
    officialName: row.official_name,
    mask: row.mask,
    type: row.type,
    subtype: row.subtype,
    holderCategory: row.holder_category,
    apy: row.apy,
    balance: {
      available: row.balances.available,
      current: row.balances.current,
      limit: row.balances.limit,
      currency: currencyOf(row.balances),
      lastUpdatedAt: row.balances.last_updated_datetime,
    },
  }));

/** What accounts, balances, liabilities and investments answer alike. */
export const withAccounts = receipt.extend({ accounts: z.array(account), item: z.object({ item_id: id }) });

export function toAccountsAnswer(answer: z.infer<typeof withAccounts>): AccountsAnswer {
  return { plaidItemId: answer.item.item_id, accounts: answer.accounts, requestId: answer.request_id };
}

export const accountsAnswer = withAccounts.transform(toAccountsAnswer);
