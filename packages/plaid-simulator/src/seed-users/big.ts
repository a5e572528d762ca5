import type { Transaction } from "plaid";
import type { Wire } from "../wire.js";
import { addDays } from "../world.js";
import { buildAccount } from "./build-account.js";
import { buildTransaction, category } from "./build-transaction.js";
import type { SeedContext, SeedUser } from "./seed-user.js";

export const BIG_ACCOUNTS = 40;
export const BIG_TRANSACTIONS = 20_000;

const FOOD = category("FOOD_AND_DRINK", "GROCERIES");

/** Forty accounts and twenty thousand transactions, whatever history was asked for: they are spread over its days. */
export const userBig: SeedUser = {
  userName: "user_big",
  description: "Forty accounts with twenty thousand transactions",
  products: ["transactions"],
  accounts: Array.from({ length: BIG_ACCOUNTS }, (_, index) =>
    buildAccount({
      key: keyOf(index),
      name: `Ledger Account ${index + 1}`,
      mask: String(5000 + index),
      type: "depository",
      subtype: index % 2 === 0 ? "checking" : "savings",
      available: 1000 + index,
      current: 1000 + index,
    }),
  ),
  transactions: bigTransactions,
};

function bigTransactions(context: SeedContext): Wire<Transaction>[] {
  return Array.from({ length: BIG_TRANSACTIONS }, (_, index) => {
    const daysAgo = context.daysRequested - 1 - Math.floor((index * context.daysRequested) / BIG_TRANSACTIONS);
    return buildTransaction({
      transactionId: context.nextTransactionId(),
      accountId: context.accountId(keyOf(index % BIG_ACCOUNTS)),
      date: addDays(context.today, -daysAgo),
      amount: (100 + ((index * 7919) % 90_000)) / 100,
      name: `Purchase ${index + 1}`,
      merchant: null,
      category: FOOD,
    });
  });
}

function keyOf(index: number): string {
  return `account-${index + 1}`;
}
