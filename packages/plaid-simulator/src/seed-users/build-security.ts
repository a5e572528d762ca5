import type { Holding, InvestmentTransaction, Security } from "plaid";
import type { Wire } from "../wire.js";
import type { SeedContext } from "./seed-user.js";

export interface SecuritySketch {
  readonly key: string;
  readonly name: string | null;
  readonly ticker: string | null;
  readonly type: string | null;
  readonly subtype?: string | null;
  readonly price: number | null;
  readonly figi?: string | null;
  readonly isCash?: boolean | null;
  readonly sector?: string | null;
  readonly industry?: string | null;
  readonly market?: string | null;
  readonly currency?: string | null;
  readonly unofficialCurrency?: string | null;
  readonly option?: Wire<Security>["option_contract"];
  readonly fixedIncome?: Wire<Security>["fixed_income"];
}

/** A security with all the members that Plaid always sends. CUSIP, ISIN and SEDOL are licensed data: null. */
export function buildSecurity(context: SeedContext, sketch: SecuritySketch, asOf: string | null): Wire<Security> {
  return {
    cfi_code: null,
    close_price: sketch.price,
    close_price_as_of: sketch.price === null ? null : asOf,
    cusip: null,
    figi: sketch.figi ?? null,
    fixed_income: sketch.fixedIncome ?? null,
    industry: sketch.industry ?? null,
    institution_id: null,
    institution_security_id: null,
    is_cash_equivalent: sketch.isCash === undefined ? false : sketch.isCash,
    isin: null,
    iso_currency_code: sketch.currency === undefined ? "USD" : sketch.currency,
    market_identifier_code: sketch.market ?? null,
    name: sketch.name,
    option_contract: sketch.option ?? null,
    proxy_security_id: null,
    sector: sketch.sector ?? null,
    security_id: context.securityId(sketch.key),
    sedol: null,
    subtype: sketch.subtype ?? null,
    ticker_symbol: sketch.ticker,
    type: sketch.type,
    unofficial_currency_code: sketch.unofficialCurrency ?? null,
    update_datetime: null,
  };
}

export interface HoldingSketch {
  readonly account: string;
  readonly security: string;
  readonly quantity: number;
  readonly price: number;
  readonly value: number;
  /** Of the whole position. */
  readonly cost: number | null;
  readonly lots?: Wire<Holding>["tax_lots"];
  readonly vested?: { readonly quantity: number; readonly value: number };
  readonly currency?: string | null;
  readonly unofficialCurrency?: string | null;
}

export function buildHolding(context: SeedContext, sketch: HoldingSketch, asOf: string | null): Wire<Holding> {
  return {
    account_id: context.accountId(sketch.account),
    cost_basis: sketch.cost,
    institution_price: sketch.price,
    institution_price_as_of: asOf,
    institution_price_datetime: null,
    institution_value: sketch.value,
    iso_currency_code: sketch.currency === undefined ? "USD" : sketch.currency,
    quantity: sketch.quantity,
    security_id: context.securityId(sketch.security),
    tax_lots: sketch.lots ?? [],
    unofficial_currency_code: sketch.unofficialCurrency ?? null,
    vested_quantity: sketch.vested?.quantity ?? null,
    vested_value: sketch.vested?.value ?? null,
  };
}

export interface InvestmentTransactionSketch {
  readonly account: string;
  readonly security: string | null;
  readonly date: string;
  readonly name: string;
  readonly quantity: number;
  /** Positive: cash leaves the account (a purchase). */
  readonly amount: number;
  readonly price: number;
  readonly fees: number | null;
  readonly type: Wire<InvestmentTransaction>["type"];
  readonly subtype: Wire<InvestmentTransaction>["subtype"];
  readonly currency?: string | null;
  readonly unofficialCurrency?: string | null;
}

export function buildInvestmentTransaction(
  context: SeedContext,
  sketch: InvestmentTransactionSketch,
): Wire<InvestmentTransaction> {
  return {
    account_id: context.accountId(sketch.account),
    amount: sketch.amount,
    cancel_transaction_id: null,
    date: sketch.date,
    fees: sketch.fees,
    investment_transaction_id: context.nextInvestmentTransactionId(),
    iso_currency_code: sketch.currency === undefined ? "USD" : sketch.currency,
    name: sketch.name,
    price: sketch.price,
    quantity: sketch.quantity,
    security_id: sketch.security === null ? null : context.securityId(sketch.security),
    subtype: sketch.subtype,
    type: sketch.type,
    unofficial_currency_code: sketch.unofficialCurrency ?? null,
  };
}
