import { dayText, type HoldingData, type InvestmentTransactionData, type SecurityData } from "@florin/linked-data";
import { z } from "zod";
import type { HoldingsAnswer, InvestmentTransactionsPage } from "../plaid-port.js";
import { toAccountsAnswer, withAccounts } from "./account-answers.js";
import {
  amount,
  amountOrNull,
  booleanOrNull,
  currencyFields,
  currencyOf,
  dayOrNull,
  id,
  instantOrNull,
  memberOrNull,
  orNull,
  textOrNull,
} from "./answer-fields.js";

const optionContract = z
  .object({
    contract_type: z.string(),
    expiration_date: dayText,
    strike_price: amount,
    underlying_security_ticker: z.string(),
  })
  .transform((row) => ({
    contractType: row.contract_type,
    expirationDate: row.expiration_date,
    strikePrice: row.strike_price,
    underlyingSecurityTicker: row.underlying_security_ticker,
  }));

const fixedIncome = z
  .object({
    yield_rate: orNull(z.object({ percentage: amount, type: memberOrNull })),
    maturity_date: dayOrNull,
    issue_date: dayOrNull,
    face_value: amountOrNull,
  })
  .transform((row) => ({
    yieldRate: row.yield_rate,
    maturityDate: row.maturity_date,
    issueDate: row.issue_date,
    faceValue: row.face_value,
  }));

const security = z
  .object({
    security_id: id,
    figi: textOrNull,
    isin: textOrNull,
    cusip: textOrNull,
    institution_security_id: textOrNull,
    institution_id: textOrNull,
    proxy_security_id: textOrNull,
    name: textOrNull,
    ticker_symbol: textOrNull,
    is_cash_equivalent: booleanOrNull,
    type: memberOrNull,
    subtype: memberOrNull,
    close_price: amountOrNull,
    close_price_as_of: dayOrNull,
    update_datetime: instantOrNull,
    ...currencyFields,
    market_identifier_code: textOrNull,
    sector: textOrNull,
    industry: textOrNull,
    cfi_code: textOrNull,
    option_contract: orNull(optionContract),
    fixed_income: orNull(fixedIncome),
  })
  .transform((row): SecurityData => ({
    securityId: row.security_id,
    figi: row.figi,
    isin: row.isin,
    cusip: row.cusip,
    institutionSecurityId: row.institution_security_id,
    institutionId: row.institution_id,
    proxySecurityId: row.proxy_security_id,
    name: row.name,
    tickerSymbol: row.ticker_symbol,
    isCashEquivalent: row.is_cash_equivalent,
    type: row.type,
    subtype: row.subtype,
    closePrice: row.close_price,
    closePriceAsOf: row.close_price_as_of,
    updateDatetime: row.update_datetime,
    currency: currencyOf(row),
    marketIdentifierCode: row.market_identifier_code,
    sector: row.sector,
    industry: row.industry,
    cfiCode: row.cfi_code,
    optionContract: row.option_contract,
    fixedIncome: row.fixed_income,
  }));

const taxLot = z
  .object({
    institution_lot_id: textOrNull,
    original_purchase_datetime: instantOrNull,
    quantity: amountOrNull,
    purchase_price: amountOrNull,
    cost_basis: amountOrNull,
    current_value: amountOrNull,
    position_type: memberOrNull,
  })
  .transform((row) => ({
    institutionLotId: row.institution_lot_id,
    originalPurchaseDatetime: row.original_purchase_datetime,
    quantity: row.quantity,
    purchasePrice: row.purchase_price,
    costBasis: row.cost_basis,
    currentValue: row.current_value,
    positionType: row.position_type,
  }));

const holding = z
  .object({
    account_id: id,
    security_id: id,
    quantity: amount,
    institution_price: amount,
    institution_price_as_of: dayOrNull,
    institution_price_datetime: instantOrNull,
    institution_value: amount,
    cost_basis: amountOrNull,
    ...currencyFields,
    vested_quantity: amountOrNull,
    vested_value: amountOrNull,
    tax_lots: orNull(z.array(taxLot)),
  })
  .transform((row): HoldingData => ({
    accountId: row.account_id,
    securityId: row.security_id,
    quantity: row.quantity,
    institutionPrice: row.institution_price,
    institutionPriceAsOf: row.institution_price_as_of,
    institutionPriceDatetime: row.institution_price_datetime,
    institutionValue: row.institution_value,
    costBasis: row.cost_basis,
    currency: currencyOf(row),
    vestedQuantity: row.vested_quantity,
    vestedValue: row.vested_value,
    taxLots: row.tax_lots,
  }));

const investmentTransaction = z
  .object({
    investment_transaction_id: id,
    account_id: id,
    security_id: orNull(id),
    date: dayText,
    transaction_datetime: instantOrNull,
    name: z.string(),
    quantity: amount,
    amount,
    price: amount,
    fees: amountOrNull,
    type: z.string(),
    subtype: z.string(),
    ...currencyFields,
  })
  .transform((row): InvestmentTransactionData => ({
    investmentTransactionId: row.investment_transaction_id,
    accountId: row.account_id,
    securityId: row.security_id,
    date: row.date,
    transactionDatetime: row.transaction_datetime,
    name: row.name,
    quantity: row.quantity,
    amount: row.amount,
    price: row.price,
    fees: row.fees,
    type: row.type,
    subtype: row.subtype,
    currency: currencyOf(row),
  }));

export const holdingsAnswer = withAccounts
  .extend({ holdings: z.array(holding), securities: z.array(security) })
  .transform(({ holdings, securities, ...answer }): HoldingsAnswer => ({
    ...toAccountsAnswer(answer),
    holdings,
    securities,
  }));

export const investmentTransactionsPage = withAccounts
  .extend({
    investment_transactions: z.array(investmentTransaction),
    securities: z.array(security),
    total_investment_transactions: z.int().min(0),
  })
  .transform(
    ({
      investment_transactions: transactions,
      securities,
      total_investment_transactions: total,
      ...answer
    }): InvestmentTransactionsPage => ({ ...toAccountsAnswer(answer), transactions, securities, total }),
  );
