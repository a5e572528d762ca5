import type { Transaction } from "plaid";
import type { Wire } from "../wire.js";
import { addDays } from "../world.js";
import { buildTransaction, category } from "./build-transaction.js";
import type { SeedContext } from "./seed-user.js";

/** What recurs in an ordinary life: every `everyDays`, from `startDay` days ago, on one account. Amounts are cents. */
interface Habit {
  readonly account: string;
  readonly name: string;
  readonly merchant: string | null;
  readonly primary: string;
  readonly detail: string;
  readonly everyDays: number;
  readonly firstDay: number;
  readonly cents: readonly number[];
  readonly channel: Wire<Transaction>["payment_channel"];
}

const HABITS: readonly Habit[] = [
  {
    account: "checking",
    name: "Payroll Northwind Mills",
    merchant: null,
    primary: "INCOME",
    detail: "WAGES",
    everyDays: 14,
    firstDay: 5,
    cents: [-241_350],
    channel: "other",
  },
  {
    account: "checking",
    name: "Juniper Court rent",
    merchant: "Juniper Court",
    primary: "RENT_AND_UTILITIES",
    detail: "RENT",
    everyDays: 30,
    firstDay: 9,
    cents: [129_500],
    channel: "online",
  },
  {
    account: "checking",
    name: "City Light and Power",
    merchant: "City Light",
    primary: "RENT_AND_UTILITIES",
    detail: "GAS_AND_ELECTRICITY",
    everyDays: 30,
    firstDay: 17,
    cents: [8_412, 9_107, 7_655],
    channel: "online",
  },
  {
    account: "checking",
    name: "Transfer to savings",
    merchant: null,
    primary: "TRANSFER_OUT",
    detail: "SAVINGS",
    everyDays: 30,
    firstDay: 6,
    cents: [25_000],
    channel: "other",
  },
  {
    account: "savings",
    name: "Transfer from checking",
    merchant: null,
    primary: "TRANSFER_IN",
    detail: "SAVINGS",
    everyDays: 30,
    firstDay: 6,
    cents: [-25_000],
    channel: "other",
  },
  {
    account: "savings",
    name: "Interest paid",
    merchant: null,
    primary: "INCOME",
    detail: "INTEREST_EARNED",
    everyDays: 30,
    firstDay: 2,
    cents: [-422, -437],
    channel: "other",
  },
  {
    account: "credit-card",
    name: "Green Basket Grocers",
    merchant: "Green Basket",
    primary: "FOOD_AND_DRINK",
    detail: "GROCERIES",
    everyDays: 6,
    firstDay: 3,
    cents: [6_314, 8_829, 4_571, 10_260],
    channel: "in store",
  },
  {
    account: "credit-card",
    name: "Copper Kettle Coffee",
    merchant: "Copper Kettle",
    primary: "FOOD_AND_DRINK",
    detail: "COFFEE",
    everyDays: 4,
    firstDay: 1,
    cents: [433, 512, 689],
    channel: "in store",
  },
  {
    account: "credit-card",
    name: "Harbour Line Transit",
    merchant: "Harbour Line",
    primary: "TRANSPORTATION",
    detail: "PUBLIC_TRANSIT",
    everyDays: 7,
    firstDay: 4,
    cents: [2_750],
    channel: "in store",
  },
  {
    account: "credit-card",
    name: "Lantern Streaming",
    merchant: "Lantern",
    primary: "ENTERTAINMENT",
    detail: "TV_AND_MOVIES",
    everyDays: 30,
    firstDay: 11,
    cents: [1_299],
    channel: "online",
  },
  {
    account: "business-credit-card",
    name: "Larkspur Office Supply",
    merchant: "Larkspur",
    primary: "GENERAL_MERCHANDISE",
    detail: "OFFICE_SUPPLIES",
    everyDays: 21,
    firstDay: 8,
    cents: [18_499, 5_215],
    channel: "online",
  },
];

/** The habits of `accounts` from the day before today back over the days asked for, oldest first. */
export function everydaySpending(context: SeedContext, accounts: readonly string[]): Wire<Transaction>[] {
  const found: { daysAgo: number; habit: Habit; turn: number }[] = [];
  for (const habit of HABITS) {
    if (!accounts.includes(habit.account)) continue;
    let turn = 0;
    for (let daysAgo = habit.firstDay; daysAgo < context.daysRequested; daysAgo += habit.everyDays) {
      found.push({ daysAgo, habit, turn: turn++ });
    }
  }
  found.sort((a, b) => b.daysAgo - a.daysAgo);
  return found.map(({ daysAgo, habit, turn }) =>
    buildTransaction({
      transactionId: context.nextTransactionId(),
      accountId: context.accountId(habit.account),
      date: addDays(context.today, -daysAgo),
      amount: (habit.cents[turn % habit.cents.length] ?? 0) / 100,
      name: habit.name,
      merchant: habit.merchant,
      category: category(habit.primary, habit.detail),
      channel: habit.channel,
    }),
  );
}
