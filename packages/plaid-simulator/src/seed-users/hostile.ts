import type { LiabilitiesObject, Transaction } from "plaid";
import { outsideTheTypes, type Wire } from "../wire.js";
import { addDays } from "../world.js";
import { buildAccount } from "./build-account.js";
import { buildHolding, buildInvestmentTransaction, buildSecurity } from "./build-security.js";
import { buildTransaction } from "./build-transaction.js";
import type { SeedAccount, SeedContext, SeedInvestments, SeedUser } from "./seed-user.js";

/**
 * Everything that Plaid permits and that an application may have forgotten: all that may be null is null, names of 50 kB,
 * emoji and right-to-left text, currencies without an ISO code, numbers at the edge of a double, members of enums that
 * appeared after the types were made, two equal positions in one account, a card that belongs to no account.
 */
const FIFTY_KILOBYTES = "long name ".repeat(5_120);

function hostileAccounts(): SeedAccount[] {
  const wallet = buildAccount({
    key: "wallet",
    name: "🪙 ארנק 💥 \u202Ewallet\u202C <b>&amp;'\"",
    mask: null,
    type: "other",
    subtype: null,
    available: null,
    current: 0.12345678,
  });
  const novelty = buildAccount({
    key: "novelty",
    name: FIFTY_KILOBYTES,
    mask: null,
    type: outsideTheTypes("carbon"),
    subtype: outsideTheTypes("carbon credit vault"),
    available: 1e-7,
    current: null,
  });
  const silent = buildAccount({
    key: "silent",
    name: "",
    mask: null,
    type: "depository",
    subtype: null,
    available: 90071992547409.91,
    current: -0.01,
  });
  return [
    { ...wallet, base: { ...wallet.base, balances: inBitcoin(wallet.base.balances), holder_category: null } },
    { ...novelty, base: { ...novelty.base, holder_category: null } },
    silent,
    buildAccount({
      key: "card",
      name: "Overpaid card",
      mask: null,
      type: "credit",
      subtype: null,
      available: null,
      current: -12.34,
    }),
    buildAccount({
      key: "brokerage",
      name: "حساب الاستثمار",
      mask: null,
      type: "investment",
      subtype: null,
      available: null,
      current: 0,
    }),
    buildAccount({
      key: "study",
      name: "Study",
      mask: null,
      type: "loan",
      subtype: "student",
      available: null,
      current: 1,
    }),
  ];
}

function inBitcoin(balances: SeedAccount["base"]["balances"]): SeedAccount["base"]["balances"] {
  return { ...balances, iso_currency_code: null, unofficial_currency_code: "BTC" };
}

export const userHostile: SeedUser = {
  userName: "user_hostile",
  description: "Everything a bank may send and nobody expects",
  products: ["transactions", "liabilities", "investments"],
  accounts: hostileAccounts(),
  transactions: hostileTransactions,
  liabilities: hostileLiabilities,
  investments: hostileInvestments,
};

function hostileTransactions(context: SeedContext): Wire<Transaction>[] {
  const base = { date: context.today, category: null, merchant: null, originalDescription: null } as const;
  const on = (key: string) => ({
    ...base,
    transactionId: context.nextTransactionId(),
    accountId: context.accountId(key),
  });
  const novel = buildTransaction({ ...on("silent"), date: addDays(context.today, -2), amount: 12.5, name: "Novelty" });
  const orphan = { ...on("silent"), date: addDays(context.today, -3) };
  return [
    // Says it came from a pending transaction that nobody ever saw.
    buildTransaction({ ...orphan, amount: 7, name: "Orphan", pendingTransactionId: context.nextTransactionId() }),
    {
      ...novel,
      payment_channel: outsideTheTypes("telepathy"),
      transaction_code: outsideTheTypes("barter"),
      personal_finance_category: { primary: "TIME_TRAVEL", detailed: "TIME_TRAVEL_RETURN" },
    },
    buildTransaction({ ...on("wallet"), amount: 1e-7, name: "Dust", currency: null, unofficialCurrency: "BTC" }),
    buildTransaction({ ...on("silent"), amount: 0, name: "" }),
    buildTransaction({ ...on("silent"), amount: 123456789012345.67, name: "Very much" }),
    buildTransaction({ ...on("silent"), amount: -0.1, name: FIFTY_KILOBYTES }),
    buildTransaction({ ...on("silent"), amount: 19.990000000000002, name: "👩‍👩‍👧 مقهى \u0000 ‮evil‬" }),
    // The same purchase twice, honestly: two coffees.
    buildTransaction({ ...on("silent"), amount: 3.5, name: "Coffee" }),
    buildTransaction({ ...on("silent"), amount: 3.5, name: "Coffee" }),
  ];
}

function hostileLiabilities(context: SeedContext): Wire<LiabilitiesObject> {
  const nothing = {
    is_overdue: null,
    last_payment_amount: null,
    last_payment_date: null,
    last_statement_issue_date: null,
    minimum_payment_amount: null,
    next_payment_due_date: null,
  };
  const nowhere = { city: null, country: null, postal_code: null, region: null, street: null };
  return {
    credit: [
      { ...nothing, account_id: null, aprs: [], last_statement_balance: -12.34 },
      {
        ...nothing,
        account_id: context.accountId("card"),
        aprs: [
          {
            apr_percentage: 1e-7,
            apr_type: outsideTheTypes("moonlight_apr"),
            balance_subject_to_apr: null,
            interest_charge_amount: null,
          },
        ],
        last_statement_balance: null,
      },
    ],
    mortgage: null,
    student: [
      {
        ...nothing,
        account_id: context.accountId("study"),
        account_number: null,
        disbursement_dates: null,
        expected_payoff_date: null,
        guarantor: null,
        interest_rate_percentage: 0,
        loan_name: null,
        loan_status: { end_date: null, type: outsideTheTypes(null) },
        origination_date: null,
        origination_principal_amount: null,
        outstanding_interest_amount: null,
        payment_reference_number: null,
        pslf_status: { estimated_eligibility_date: null, payments_made: null, payments_remaining: null },
        repayment_plan: { description: null, type: outsideTheTypes(null) },
        sequence_number: null,
        servicer_address: nowhere,
        ytd_interest_paid: null,
        ytd_principal_paid: null,
      },
    ],
  };
}

function hostileInvestments(context: SeedContext): SeedInvestments {
  const nameless = { name: null, ticker: null, isCash: null, price: null } as const;
  const bitcoin = { currency: null, unofficialCurrency: "BTC" } as const;
  const position = { account: "brokerage", security: "nameless", cost: null } as const;
  return {
    securities: [
      buildSecurity(context, { ...nameless, key: "nameless", type: null, currency: null }, null),
      buildSecurity(context, { ...nameless, ...bitcoin, key: "novel", type: "tulip bulb" }, null),
    ],
    holdings: [
      buildHolding(
        context,
        { ...position, quantity: 12345678.901234567, price: 1e-7, value: 1.2345678901234567 },
        null,
      ),
      // The same security twice in one account: two positions, not one.
      buildHolding(
        context,
        { ...position, quantity: 12345678.901234567, price: 1e-7, value: 1.2345678901234567 },
        null,
      ),
      buildHolding(
        context,
        { ...position, ...bitcoin, security: "novel", quantity: -3, price: 0.1, value: -0.30000000000000004 },
        null,
      ),
    ],
    transactions: [
      {
        ...buildInvestmentTransaction(context, {
          ...bitcoin,
          account: "brokerage",
          security: null,
          date: context.today,
          name: "🌷",
          quantity: 0.0000001,
          amount: -1e-7,
          price: 0,
          fees: null,
          type: outsideTheTypes("barter"),
          subtype: outsideTheTypes("swap of bulbs"),
        }),
      },
    ],
  };
}
