import { z } from "zod";
import { dayText, decimalText } from "./decimal-text.js";

/**
 * Liabilities, field by field as nullable as Plaid's (linked-accounts.md §6). They carry no currency: it is their account's. Account and
 * reference numbers come masked (`••3154`), never whole (§5.5).
 */
const address = z.object({
  city: z.string().nullable(),
  region: z.string().nullable(),
  street: z.string().nullable(),
  postalCode: z.string().nullable(),
  country: z.string().nullable(),
});

const apr = z.object({
  percentage: decimalText,
  /** As it came: `purchase_apr`. */
  type: z.string(),
  balanceSubjectToApr: decimalText.nullable(),
  interestChargeAmount: decimalText.nullable(),
});

const interestRate = z.object({ percentage: decimalText.nullable(), type: z.string().nullable() });

export const creditCardData = z.object({
  accountId: z.string().nullable(),
  aprs: z.array(apr),
  isOverdue: z.boolean().nullable(),
  lastPaymentAmount: decimalText.nullable(),
  lastPaymentDate: dayText.nullable(),
  lastStatementIssueDate: dayText.nullable(),
  lastStatementBalance: decimalText.nullable(),
  minimumPaymentAmount: decimalText.nullable(),
  nextPaymentDueDate: dayText.nullable(),
});

export const mortgageData = z.object({
  accountId: z.string(),
  accountNumberMasked: z.string().nullable(),
  currentLateFee: decimalText.nullable(),
  escrowBalance: decimalText.nullable(),
  hasPmi: z.boolean().nullable(),
  hasPrepaymentPenalty: z.boolean().nullable(),
  interestRate,
  lastPaymentAmount: decimalText.nullable(),
  lastPaymentDate: dayText.nullable(),
  loanTerm: z.string().nullable(),
  loanTypeDescription: z.string().nullable(),
  maturityDate: dayText.nullable(),
  nextMonthlyPayment: decimalText.nullable(),
  nextPaymentDueDate: dayText.nullable(),
  originationDate: dayText.nullable(),
  originationPrincipalAmount: decimalText.nullable(),
  pastDueAmount: decimalText.nullable(),
  propertyAddress: address,
  ytdInterestPaid: decimalText.nullable(),
  ytdPrincipalPaid: decimalText.nullable(),
});

export const studentLoanData = z.object({
  accountId: z.string().nullable(),
  accountNumberMasked: z.string().nullable(),
  disbursementDates: z.array(dayText).nullable(),
  expectedPayoffDate: dayText.nullable(),
  guarantor: z.string().nullable(),
  interestRatePercentage: decimalText,
  isOverdue: z.boolean().nullable(),
  lastPaymentAmount: decimalText.nullable(),
  lastPaymentDate: dayText.nullable(),
  lastStatementBalance: decimalText.nullable(),
  lastStatementIssueDate: dayText.nullable(),
  loanName: z.string().nullable(),
  loanStatus: z.object({ endDate: dayText.nullable(), type: z.string().nullable() }),
  minimumPaymentAmount: decimalText.nullable(),
  nextPaymentDueDate: dayText.nullable(),
  originationDate: dayText.nullable(),
  originationPrincipalAmount: decimalText.nullable(),
  outstandingInterestAmount: decimalText.nullable(),
  paymentReferenceNumberMasked: z.string().nullable(),
  pslfStatus: z.object({
    estimatedEligibilityDate: dayText.nullable(),
    paymentsMade: z.int().nullable(),
    paymentsRemaining: z.int().nullable(),
  }),
  repaymentPlan: z.object({ description: z.string().nullable(), type: z.string().nullable() }),
  sequenceNumber: z.string().nullable(),
  servicerAddress: address,
  ytdInterestPaid: decimalText.nullable(),
  ytdPrincipalPaid: decimalText.nullable(),
});

export const loanData = z.object({
  accountId: z.string(),
  accountNumberMasked: z.string().nullable(),
  interestRate: interestRate.nullable(),
  principalBalance: decimalText.nullable(),
  originationPrincipalAmount: decimalText.nullable(),
  originationDate: dayText.nullable(),
  loanTermMonths: z.int().nullable(),
  maturityDate: dayText.nullable(),
  paymentCount: z.int().nullable(),
  paymentFrequency: z.string().nullable(),
  nextPaymentAmount: decimalText.nullable(),
  nextPaymentDueDate: dayText.nullable(),
  lastPaymentAmount: decimalText.nullable(),
  lastPaymentDate: dayText.nullable(),
  payoffAmount: decimalText.nullable(),
  ytdInterestPaid: decimalText.nullable(),
  compoundingPeriod: z.string().nullable(),
});

export const lineOfCreditData = z.object({
  accountId: z.string(),
  interestRate: interestRate.nullable(),
  creditLimit: decimalText.nullable(),
  availableCredit: decimalText.nullable(),
  principalBalance: decimalText.nullable(),
  minimumPaymentAmount: decimalText.nullable(),
  nextPaymentAmount: decimalText.nullable(),
  nextPaymentDueDate: dayText.nullable(),
  lastPaymentAmount: decimalText.nullable(),
  lastPaymentDate: dayText.nullable(),
  lastStatementBalance: decimalText.nullable(),
  lastStatementIssueDate: dayText.nullable(),
  pastDueAmount: decimalText.nullable(),
  financeCharges: decimalText.nullable(),
  drawPeriodEndDate: dayText.nullable(),
  aprs: z.array(apr),
});

/** One liability of any kind. */
export const liabilityData = z.discriminatedUnion("kind", [
  creditCardData.extend({ kind: z.literal("CREDIT") }),
  mortgageData.extend({ kind: z.literal("MORTGAGE") }),
  studentLoanData.extend({ kind: z.literal("STUDENT") }),
  loanData.extend({ kind: z.literal("LOAN") }),
  lineOfCreditData.extend({ kind: z.literal("LINE_OF_CREDIT") }),
]);
export type LiabilityData = z.infer<typeof liabilityData>;
