import { Holding } from "./Holding.js";
import { InvestmentTransaction } from "./InvestmentTransaction.js";
import { Investments } from "./Investments.js";
import { LinkedAccount } from "./LinkedAccount.js";
import { cashFlow } from "./Query/cashFlow.js";
import { investments } from "./Query/investments.js";
import { liabilities } from "./Query/liabilities.js";
import { netWorth } from "./Query/netWorth.js";
import { netWorthHistory } from "./Query/netWorthHistory.js";
import { spendingByCategory } from "./Query/spendingByCategory.js";
import { Security } from "./Security.js";

/** The schema's fields that need more than their name. */
export const resolvers = {
  Query: { liabilities, investments, netWorth, netWorthHistory, cashFlow, spendingByCategory },
  Investments,
  LinkedAccount,
  Holding,
  Security,
  InvestmentTransaction,
};
