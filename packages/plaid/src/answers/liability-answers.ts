import { dayText, type LiabilityData } from "@florin/linked-data";
import { z } from "zod";
import type { LiabilitiesAnswer } from "../plaid-port.js";
import { toAccountsAnswer, withAccounts } from "./account-answers.js";
import {
  amount,
  amountOrNull,
  booleanOrNull,
  countOrNull,
  dayOrNull,
  id,
  maskNumber,
  memberOrNull,
  orNull,
  textOrNull,
} from "./answer-fields.js";

/** Nullable exactly where Plaid's are, and in the two fields of student loans where the client's types are wrong (§2). */
type Liability<Kind extends LiabilityData["kind"]> = Extract<LiabilityData, { kind: Kind }>;

const address = z
  .object({ city: textOrNull, region: textOrNull, street: textOrNull, postal_code: textOrNull, country: textOrNull })
  .transform(({ postal_code: postalCode, ...rest }) => ({ ...rest, postalCode }));

const apr = z
  .object({
    apr_percentage: amount,
    apr_type: z.string(),
    balance_subject_to_apr: amountOrNull,
    interest_charge_amount: amountOrNull,
  })
  .transform((row) => ({
    percentage: row.apr_percentage,
    type: row.apr_type,
    balanceSubjectToApr: row.balance_subject_to_apr,
    interestChargeAmount: row.interest_charge_amount,
  }));

const interestRate = z.object({ percentage: amountOrNull, type: memberOrNull });

const credit = z
  .object({
    account_id: orNull(id),
    aprs: z.array(apr),
    is_overdue: booleanOrNull,
    last_payment_amount: amountOrNull,
    last_payment_date: dayOrNull,
    last_statement_issue_date: dayOrNull,
    last_statement_balance: amountOrNull,
    minimum_payment_amount: amountOrNull,
    next_payment_due_date: dayOrNull,
  })
  .transform((row): Liability<"CREDIT"> => ({
    kind: "CREDIT",
    accountId: row.account_id,
    aprs: row.aprs,
    isOverdue: row.is_overdue,
    lastPaymentAmount: row.last_payment_amount,
    lastPaymentDate: row.last_payment_date,
    lastStatementIssueDate: row.last_statement_issue_date,
    lastStatementBalance: row.last_statement_balance,
    minimumPaymentAmount: row.minimum_payment_amount,
    nextPaymentDueDate: row.next_payment_due_date,
  }));

const mortgage = z
  .object({
    account_id: id,
    account_number: textOrNull,
    current_late_fee: amountOrNull,
    escrow_balance: amountOrNull,
    has_pmi: booleanOrNull,
    has_prepayment_penalty: booleanOrNull,
    interest_rate: interestRate,
    last_payment_amount: amountOrNull,
    last_payment_date: dayOrNull,
    loan_term: textOrNull,
    loan_type_description: textOrNull,
    maturity_date: dayOrNull,
    next_monthly_payment: amountOrNull,
    next_payment_due_date: dayOrNull,
    origination_date: dayOrNull,
    origination_principal_amount: amountOrNull,
    past_due_amount: amountOrNull,
    property_address: address,
    ytd_interest_paid: amountOrNull,
    ytd_principal_paid: amountOrNull,
  })
  .transform((row): Liability<"MORTGAGE"> => ({
    kind: "MORTGAGE",
    accountId: row.account_id,
    accountNumberMasked: maskNumber(row.account_number),
    currentLateFee: row.current_late_fee,
    escrowBalance: row.escrow_balance,
    hasPmi: row.has_pmi,
    hasPrepaymentPenalty: row.has_prepayment_penalty,
    interestRate: row.interest_rate,
    lastPaymentAmount: row.last_payment_amount,
    lastPaymentDate: row.last_payment_date,
    loanTerm: row.loan_term,
    loanTypeDescription: row.loan_type_description,
    maturityDate: row.maturity_date,
    nextMonthlyPayment: row.next_monthly_payment,
    nextPaymentDueDate: row.next_payment_due_date,
    originationDate: row.origination_date,
    originationPrincipalAmount: row.origination_principal_amount,
    pastDueAmount: row.past_due_amount,
    propertyAddress: row.property_address,
    ytdInterestPaid: row.ytd_interest_paid,
    ytdPrincipalPaid: row.ytd_principal_paid,
  }));

const student = z
  .object({
    account_id: orNull(id),
    account_number: textOrNull,
    disbursement_dates: orNull(z.array(dayText)),
    expected_payoff_date: dayOrNull,
    guarantor: textOrNull,
    interest_rate_percentage: amount,
    is_overdue: booleanOrNull,
    last_payment_amount: amountOrNull,
    last_payment_date: dayOrNull,
    last_statement_balance: amountOrNull,
    last_statement_issue_date: dayOrNull,
    loan_name: textOrNull,
    loan_status: z.object({ end_date: dayOrNull, type: memberOrNull }),
    minimum_payment_amount: amountOrNull,
    next_payment_due_date: dayOrNull,
    origination_date: dayOrNull,
    origination_principal_amount: amountOrNull,
    outstanding_interest_amount: amountOrNull,
    payment_reference_number: textOrNull,
    pslf_status: z.object({
      estimated_eligibility_date: dayOrNull,
      payments_made: countOrNull,
      payments_remaining: countOrNull,
    }),
    repayment_plan: z.object({ description: textOrNull, type: memberOrNull }),
    sequence_number: textOrNull,
    servicer_address: address,
    ytd_interest_paid: amountOrNull,
    ytd_principal_paid: amountOrNull,
  })
  .transform((row): Liability<"STUDENT"> => ({
    kind: "STUDENT",
    accountId: row.account_id,
    accountNumberMasked: maskNumber(row.account_number),
    disbursementDates: row.disbursement_dates,
    expectedPayoffDate: row.expected_payoff_date,
    guarantor: row.guarantor,
    interestRatePercentage: row.interest_rate_percentage,
    isOverdue: row.is_overdue,
    lastPaymentAmount: row.last_payment_amount,
    lastPaymentDate: row.last_payment_date,
    lastStatementBalance: row.last_statement_balance,
    lastStatementIssueDate: row.last_statement_issue_date,
    loanName: row.loan_name,
    loanStatus: { endDate: row.loan_status.end_date, type: row.loan_status.type },
    minimumPaymentAmount: row.minimum_payment_amount,
    nextPaymentDueDate: row.next_payment_due_date,
    originationDate: row.origination_date,
    originationPrincipalAmount: row.origination_principal_amount,
    outstandingInterestAmount: row.outstanding_interest_amount,
    paymentReferenceNumberMasked: maskNumber(row.payment_reference_number),
    pslfStatus: {
      estimatedEligibilityDate: row.pslf_status.estimated_eligibility_date,
      paymentsMade: row.pslf_status.payments_made,
      paymentsRemaining: row.pslf_status.payments_remaining,
    },
    repaymentPlan: row.repayment_plan,
    sequenceNumber: row.sequence_number,
    servicerAddress: row.servicer_address,
    ytdInterestPaid: row.ytd_interest_paid,
    ytdPrincipalPaid: row.ytd_principal_paid,
  }));

const loan = z
  .object({
    account_id: id,
    account_number: textOrNull,
    interest_rate: orNull(interestRate),
    principal_balance: amountOrNull,
    origination_principal_amount: amountOrNull,
    origination_date: dayOrNull,
    loan_term_months: countOrNull,
    maturity_date: dayOrNull,
    payment_count: countOrNull,
    payment_frequency: memberOrNull,
    next_payment_amount: amountOrNull,
    next_payment_due_date: dayOrNull,
    last_payment_amount: amountOrNull,
    last_payment_date: dayOrNull,
    payoff_amount: amountOrNull,
    ytd_interest_paid: amountOrNull,
    compounding_period: memberOrNull,
  })
  .transform((row): Liability<"LOAN"> => ({
    kind: "LOAN",
    accountId: row.account_id,
    accountNumberMasked: maskNumber(row.account_number),
    interestRate: row.interest_rate,
    principalBalance: row.principal_balance,
    originationPrincipalAmount: row.origination_principal_amount,
    originationDate: row.origination_date,
    loanTermMonths: row.loan_term_months,
    maturityDate: row.maturity_date,
    paymentCount: row.payment_count,
    paymentFrequency: row.payment_frequency,
    nextPaymentAmount: row.next_payment_amount,
    nextPaymentDueDate: row.next_payment_due_date,
    lastPaymentAmount: row.last_payment_amount,
    lastPaymentDate: row.last_payment_date,
    payoffAmount: row.payoff_amount,
    ytdInterestPaid: row.ytd_interest_paid,
    compoundingPeriod: row.compounding_period,
  }));

const lineOfCredit = z
  .object({
    account_id: id,
    interest_rate: orNull(interestRate),
    credit_limit: amountOrNull,
    available_credit: amountOrNull,
    principal_balance: amountOrNull,
    minimum_payment_amount: amountOrNull,
    next_payment_amount: amountOrNull,
    next_payment_due_date: dayOrNull,
    last_payment_amount: amountOrNull,
    last_payment_date: dayOrNull,
    last_statement_balance: amountOrNull,
    last_statement_issue_date: dayOrNull,
    past_due_amount: amountOrNull,
    finance_charges: amountOrNull,
    draw_period_end_date: dayOrNull,
    aprs: z.array(apr),
  })
  .transform((row): Liability<"LINE_OF_CREDIT"> => ({
    kind: "LINE_OF_CREDIT",
    accountId: row.account_id,
    interestRate: row.interest_rate,
    creditLimit: row.credit_limit,
    availableCredit: row.available_credit,
    principalBalance: row.principal_balance,
    minimumPaymentAmount: row.minimum_payment_amount,
    nextPaymentAmount: row.next_payment_amount,
    nextPaymentDueDate: row.next_payment_due_date,
    lastPaymentAmount: row.last_payment_amount,
    lastPaymentDate: row.last_payment_date,
    lastStatementBalance: row.last_statement_balance,
    lastStatementIssueDate: row.last_statement_issue_date,
    pastDueAmount: row.past_due_amount,
    financeCharges: row.finance_charges,
    drawPeriodEndDate: row.draw_period_end_date,
    aprs: row.aprs,
  }));

/** The first three keys are always there in a whole answer; the last two came later and may be missing. */
export const liabilitiesAnswer = withAccounts
  .extend({
    liabilities: z.object({
      credit: z.array(credit).nullable(),
      mortgage: z.array(mortgage).nullable(),
      student: z.array(student).nullable(),
      loan: z.array(loan).nullish(),
      line_of_credit: z.array(lineOfCredit).nullish(),
    }),
  })
  .transform(({ liabilities, ...answer }): LiabilitiesAnswer => {
    const lists = [
      liabilities.credit,
      liabilities.mortgage,
      liabilities.student,
      liabilities.loan,
      liabilities.line_of_credit,
    ];
    return { ...toAccountsAnswer(answer), liabilities: lists.flatMap((list): LiabilityData[] => list ?? []) };
  });
