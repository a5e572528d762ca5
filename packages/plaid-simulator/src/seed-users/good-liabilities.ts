import type { LiabilitiesObject } from "plaid";
import type { Wire } from "../wire.js";
import { addDays } from "../world.js";
import type { SeedContext } from "./seed-user.js";

type Liabilities = Wire<LiabilitiesObject>;

/** Two cards, a mortgage and a student loan. */
export function goodLiabilities(context: SeedContext): Liabilities {
  return { credit: cards(context), mortgage: [mortgage(context)], student: [studentLoan(context)] };
}

function cards({ accountId, today }: SeedContext): NonNullable<Liabilities["credit"]> {
  return [
    {
      account_id: accountId("credit-card"),
      aprs: [
        { apr_percentage: 12.5, apr_type: "purchase_apr", balance_subject_to_apr: 410, interest_charge_amount: 4.27 },
        { apr_percentage: 27.24, apr_type: "cash_apr", balance_subject_to_apr: 0, interest_charge_amount: 0 },
        { apr_percentage: 0, apr_type: "special", balance_subject_to_apr: null, interest_charge_amount: null },
      ],
      is_overdue: false,
      last_payment_amount: 168.25,
      last_payment_date: addDays(today, -18),
      last_statement_balance: 398.44,
      last_statement_issue_date: addDays(today, -9),
      minimum_payment_amount: 20,
      next_payment_due_date: addDays(today, 16),
    },
    {
      account_id: accountId("business-credit-card"),
      aprs: [
        {
          apr_percentage: 19.99,
          apr_type: "purchase_apr",
          balance_subject_to_apr: 5020,
          interest_charge_amount: 83.62,
        },
        { apr_percentage: 29.99, apr_type: "penalty_apr", balance_subject_to_apr: null, interest_charge_amount: null },
      ],
      is_overdue: true,
      last_payment_amount: 250,
      last_payment_date: addDays(today, -47),
      last_statement_balance: 4871.9,
      last_statement_issue_date: addDays(today, -12),
      minimum_payment_amount: 135.5,
      next_payment_due_date: addDays(today, -3),
    },
  ];
}

function mortgage({ accountId, today }: SeedContext): NonNullable<Liabilities["mortgage"]>[number] {
  return {
    account_id: accountId("mortgage"),
    account_number: "3120194154",
    current_late_fee: 25,
    escrow_balance: 3141.54,
    has_pmi: true,
    has_prepayment_penalty: true,
    interest_rate: { percentage: 3.99, type: "fixed" },
    last_payment_amount: 1408.6,
    last_payment_date: addDays(today, -21),
    loan_term: "30 year",
    loan_type_description: "conventional",
    maturity_date: "2045-07-31",
    next_monthly_payment: 1408.6,
    next_payment_due_date: addDays(today, 9),
    origination_date: "2015-08-01",
    origination_principal_amount: 114500,
    past_due_amount: 0,
    property_address: { city: "Millbrook", country: "US", postal_code: "12545", region: "NY", street: "18 Alder Lane" },
    ytd_interest_paid: 2096.11,
    ytd_principal_paid: 7204.83,
  };
}

function studentLoan({ accountId, today }: SeedContext): NonNullable<Liabilities["student"]>[number] {
  return {
    account_id: accountId("student-loan"),
    account_number: "4277075694",
    disbursement_dates: ["2012-08-28", "2013-08-27"],
    expected_payoff_date: "2036-06-15",
    guarantor: "DEPT OF ED",
    interest_rate_percentage: 5.25,
    is_overdue: false,
    last_payment_amount: 138.05,
    last_payment_date: addDays(today, -24),
    last_statement_balance: 65390.12,
    last_statement_issue_date: addDays(today, -30),
    loan_name: "Consolidation",
    loan_status: { end_date: "2036-06-15", type: "repayment" },
    minimum_payment_amount: 25,
    next_payment_due_date: addDays(today, 6),
    origination_date: "2012-08-28",
    origination_principal_amount: 71000,
    outstanding_interest_amount: 6227.36,
    payment_reference_number: "4277075694",
    pslf_status: { estimated_eligibility_date: null, payments_made: null, payments_remaining: null },
    repayment_plan: { description: "Standard Repayment", type: "standard" },
    sequence_number: "1",
    servicer_address: { city: "Dover", country: "US", postal_code: "19901", region: "DE", street: "P.O. Box 4410" },
    ytd_interest_paid: 280.55,
    ytd_principal_paid: 271.65,
  };
}
