import type { Transaction } from "plaid";
import type { Wire } from "../wire.js";
import { addDays } from "../world.js";
import { buildTransaction, category } from "./build-transaction.js";
import { everydaySpending } from "./everyday-spending.js";
import { GOOD_ACCOUNTS } from "./good.js";
import type { SeedContext, SeedUser } from "./seed-user.js";

/** The newest purchase is still pending: the first refresh posts it. */
export const userTransactionsDynamic: SeedUser = {
  userName: "user_transactions_dynamic",
  description: "An ordinary login whose transactions change at every refresh",
  products: ["transactions"],
  accounts: GOOD_ACCOUNTS.filter((it) => ["checking", "savings", "credit-card"].includes(it.key)),
  isDynamic: true,
  transactions: (context) => [
    ...everydaySpending(context, ["checking", "savings", "credit-card"]),
    pendingPurchase(context, 0),
  ],
};

const PURCHASES = [
  { name: "Paper Crane Books", cents: 2_349, primary: "GENERAL_MERCHANDISE", detail: "BOOKSTORES_AND_NEWSSTANDS" },
  { name: "Saltmarsh Kitchen", cents: 4_180, primary: "FOOD_AND_DRINK", detail: "RESTAURANT" },
  { name: "Blue Heron Fuel", cents: 3_905, primary: "TRANSPORTATION", detail: "GAS" },
] as const;

/** A card purchase of today that the bank has not posted yet. `turn` chooses which. */
export function pendingPurchase(
  context: Pick<SeedContext, "today" | "accountId" | "nextTransactionId">,
  turn: number,
): Wire<Transaction> {
  const purchase = PURCHASES[turn % PURCHASES.length] ?? PURCHASES[0];
  return buildTransaction({
    transactionId: context.nextTransactionId(),
    accountId: context.accountId("credit-card"),
    date: addDays(context.today, 0),
    amount: purchase.cents / 100,
    name: purchase.name,
    merchant: purchase.name,
    category: category(purchase.primary, purchase.detail),
    isPending: true,
  });
}
