import { z } from "zod";
import { currencyPair, dayText, decimalText, instantText } from "./decimal-text.js";

export const securityData = z.object({
  /** Plaid's; may change on a corporate action, so `figi` is preferred where there is one (linked-accounts.md §6). */
  securityId: z.string().min(1),
  figi: z.string().nullable(),
  isin: z.string().nullable(),
  cusip: z.string().nullable(),
  institutionSecurityId: z.string().nullable(),
  institutionId: z.string().nullable(),
  proxySecurityId: z.string().nullable(),
  name: z.string().nullable(),
  tickerSymbol: z.string().nullable(),
  isCashEquivalent: z.boolean().nullable(),
  type: z.string().nullable(),
  subtype: z.string().nullable(),
  closePrice: decimalText.nullable(),
  closePriceAsOf: dayText.nullable(),
  updateDatetime: instantText.nullable(),
  currency: currencyPair,
  marketIdentifierCode: z.string().nullable(),
  sector: z.string().nullable(),
  industry: z.string().nullable(),
  cfiCode: z.string().nullable(),
  optionContract: z
    .object({
      contractType: z.string(),
      expirationDate: dayText,
      strikePrice: decimalText,
      underlyingSecurityTicker: z.string(),
    })
    .nullable(),
  fixedIncome: z
    .object({
      yieldRate: z.object({ percentage: decimalText, type: z.string().nullable() }).nullable(),
      maturityDate: dayText.nullable(),
      issueDate: dayText.nullable(),
      faceValue: decimalText.nullable(),
    })
    .nullable(),
});
export type SecurityData = z.infer<typeof securityData>;

export const holdingData = z.object({
  accountId: z.string(),
  securityId: z.string(),
  quantity: decimalText,
  institutionPrice: decimalText,
  institutionPriceAsOf: dayText.nullable(),
  institutionPriceDatetime: instantText.nullable(),
  institutionValue: decimalText,
  /** Of the whole position, not of a unit. */
  costBasis: decimalText.nullable(),
  currency: currencyPair,
  vestedQuantity: decimalText.nullable(),
  vestedValue: decimalText.nullable(),
  /** Empty: the institution gives none. Null: absent. */
  taxLots: z
    .array(
      z.object({
        institutionLotId: z.string().nullable(),
        originalPurchaseDatetime: instantText.nullable(),
        quantity: decimalText.nullable(),
        purchasePrice: decimalText.nullable(),
        costBasis: decimalText.nullable(),
        currentValue: decimalText.nullable(),
        positionType: z.string().nullable(),
      }),
    )
    .nullable(),
});
export type HoldingData = z.infer<typeof holdingData>;

export const investmentTransactionData = z.object({
  investmentTransactionId: z.string().min(1),
  accountId: z.string(),
  securityId: z.string().nullable(),
  date: dayText,
  transactionDatetime: instantText.nullable(),
  name: z.string(),
  quantity: decimalText,
  /** Positive: cash out (a buy). */
  amount: decimalText,
  price: decimalText,
  fees: decimalText.nullable(),
  type: z.string(),
  subtype: z.string(),
  currency: currencyPair,
});
export type InvestmentTransactionData = z.infer<typeof investmentTransactionData>;
