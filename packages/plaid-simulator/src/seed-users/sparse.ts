import { addDays } from "../world.js";
import { buildAccount } from "./build-account.js";
import { everydaySpending } from "./everyday-spending.js";
import { GOOD_ACCOUNTS } from "./good.js";
import { goodInvestments } from "./good-investments.js";
import type { SeedUser } from "./seed-user.js";

/** Nothing but deposits: liabilities and investments are refused, and that must disturb nothing else. */
export const userDepositOnly: SeedUser = {
  userName: "user_deposit_only",
  description: "A checking and a savings account, no loans, no investments",
  products: ["transactions", "liabilities", "investments"],
  accounts: GOOD_ACCOUNTS.filter((it) => it.key === "checking" || it.key === "savings"),
  transactions: (context) => everydaySpending(context, ["checking", "savings"]),
};

/** Nothing but investments: the stream of transactions is complete, empty and without a cursor for ever. */
export const userInvestmentOnly: SeedUser = {
  userName: "user_investment_only",
  description: "A retirement plan and a brokerage account, no transactions",
  products: ["transactions", "investments"],
  accounts: GOOD_ACCOUNTS.filter((it) => it.key === "ira" || it.key === "401k"),
  hasNoTransactionStream: true,
  transactions: () => [],
  investments: goodInvestments,
};

/** Loans of the kinds that Plaid added last: an instalment loan and a line of credit. */
export const userLoans: SeedUser = {
  userName: "user_loans",
  description: "A car loan and a home equity line of credit",
  products: ["transactions", "liabilities"],
  accounts: [
    buildAccount({
      key: "checking",
      name: "Everyday Checking",
      mask: "4410",
      type: "depository",
      subtype: "checking",
      available: 1204.55,
      current: 1254.55,
    }),
    buildAccount({
      key: "auto-loan",
      name: "Auto Loan",
      mask: "4411",
      type: "loan",
      subtype: "auto",
      available: null,
      current: 14210.77,
    }),
    buildAccount({
      key: "line-of-credit",
      name: "Home Equity Line",
      mask: "4412",
      type: "loan",
      subtype: "line of credit",
      available: 31500,
      current: 8500,
      limit: 40000,
    }),
  ],
  transactions: (context) => everydaySpending(context, ["checking"]),
  liabilities: ({ accountId, today }) => ({
    credit: null,
    mortgage: null,
    student: null,
    loan: [
      {
        account_id: accountId("auto-loan"),
        account_number: "7781004411",
        compounding_period: "daily",
        interest_rate: { percentage: 6.49, type: "fixed" },
        last_payment_amount: 431.18,
        last_payment_date: addDays(today, -20),
        loan_term_months: 60,
        maturity_date: "2029-09-05",
        next_payment_amount: 431.18,
        next_payment_due_date: addDays(today, 10),
        origination_date: "2024-09-05",
        origination_principal_amount: 22050,
        payment_count: 60,
        payment_frequency: "monthly",
        payoff_amount: 14288.02,
        principal_balance: 14210.77,
        ytd_interest_paid: 812.04,
      },
    ],
    line_of_credit: [
      {
        account_id: accountId("line-of-credit"),
        aprs: [
          { apr_percentage: 8.75, apr_type: "cash_apr", balance_subject_to_apr: 8500, interest_charge_amount: 61.98 },
        ],
        available_credit: 31500,
        credit_limit: 40000,
        draw_period_end_date: "2033-06-30",
        finance_charges: 61.98,
        interest_rate: { percentage: 8.75, type: "variable" },
        last_payment_amount: 300,
        last_payment_date: addDays(today, -25),
        last_statement_balance: 8561.98,
        last_statement_issue_date: addDays(today, -14),
        minimum_payment_amount: 85,
        next_payment_amount: 300,
        next_payment_due_date: addDays(today, 5),
        past_due_amount: null,
        principal_balance: 8500,
      },
    ],
  }),
};
