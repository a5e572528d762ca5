import type { InvestmentTransaction } from "plaid";
import type { Wire } from "../wire.js";
import { addDays } from "../world.js";
import {
  buildHolding,
  buildInvestmentTransaction,
  buildSecurity,
  type HoldingSketch,
  type SecuritySketch,
} from "./build-security.js";
import type { SeedContext, SeedInvestments } from "./seed-user.js";

/** Seven types of security. The sum of the holdings is not the balance of the account: at real banks it rarely is. */
const SECURITIES: readonly SecuritySketch[] = [
  { key: "usd", name: "U S Dollar", ticker: "CUR:USD", type: "cash", subtype: "cash", price: 1, isCash: true },
  {
    key: "alder",
    name: "Alder Rail Holdings",
    ticker: "ALDR",
    type: "equity",
    subtype: "common stock",
    price: 42.15,
    figi: "BBG00SIM0001",
    sector: "Industrials",
    industry: "Railroads",
    market: "XNAS",
  },
  {
    key: "brook",
    name: "Brook Instruments PLC",
    ticker: "BRKI",
    type: "equity",
    subtype: "depositary receipt",
    price: 11.0734,
    figi: "BBG00SIM0002",
    sector: "Technology",
    industry: "Scientific Instruments",
    market: "XNYS",
  },
  {
    key: "broad-market",
    name: "Broad Market Index Fund Shares",
    ticker: "BMIX",
    type: "etf",
    subtype: "etf",
    price: 214.88,
    figi: "BBG00SIM0003",
    market: "ARCX",
  },
  {
    key: "world-bonds",
    name: "World Bonds Exchange Traded",
    ticker: "WBND",
    type: "etf",
    subtype: "etf",
    price: 48.6071,
    market: "ARCX",
  },
  {
    key: "target-2045",
    name: "Target Horizon 2045 Fund",
    ticker: "THZ45",
    type: "mutual fund",
    subtype: "mutual fund",
    price: 34.73,
  },
  {
    key: "small-value",
    name: "Small Value Fund Institutional",
    ticker: "SMVI",
    type: "mutual fund",
    subtype: "mutual fund",
    price: 18.2201,
  },
  {
    key: "treasury",
    name: "US Treasury Note 4.25 2034",
    ticker: null,
    type: "fixed income",
    subtype: "bond",
    price: 94.808,
    fixedIncome: {
      face_value: 1000,
      issue_date: "2024-11-15",
      maturity_date: "2034-11-15",
      yield_rate: { percentage: 4.25, type: "coupon" },
    },
  },
  {
    key: "alder-call",
    name: "Alder Rail 45 Call",
    ticker: "ALDR2712C45",
    type: "derivative",
    subtype: "option",
    price: 1.35,
    option: {
      contract_type: "call",
      expiration_date: "2027-12-17",
      strike_price: 45,
      underlying_security_ticker: "ALDR",
    },
  },
  {
    key: "bitcoin",
    name: "Bitcoin",
    ticker: "BTC",
    type: "cryptocurrency",
    subtype: "cryptocurrency",
    price: 61234.5678,
  },
];

const HOLDINGS: readonly HoldingSketch[] = [
  { account: "ira", security: "alder", quantity: 4, price: 42.15, value: 168.6, cost: 131.2 },
  { account: "ira", security: "brook", quantity: 7.5, price: 11.0734, value: 83.0505, cost: 79.4 },
  { account: "ira", security: "usd", quantity: 69.11, price: 1, value: 69.11, cost: 69.11 },
  { account: "401k", security: "target-2045", quantity: 213.0871, price: 34.73, value: 7400.514983, cost: 5980.31 },
  { account: "401k", security: "small-value", quantity: 101.2045, price: 18.2201, value: 1843.95611045, cost: 1502.77 },
  {
    account: "401k",
    security: "broad-market",
    quantity: 31.4285714285714,
    price: 214.88,
    value: 6753.37142857142,
    cost: 4910.02,
    lots: [
      {
        institution_lot_id: "LOT-1",
        original_purchase_datetime: "2021-03-09T15:04:05Z",
        quantity: 20,
        purchase_price: 148.3,
        cost_basis: 2966,
        current_value: 4297.6,
        position_type: "LONG",
      },
      {
        institution_lot_id: null,
        original_purchase_datetime: null,
        quantity: 11.4285714285714,
        purchase_price: 170.10175,
        cost_basis: 1944.02,
        current_value: 2455.77142857142,
        position_type: "LONG",
      },
    ],
    vested: { quantity: 25, value: 5372 },
  },
  { account: "401k", security: "world-bonds", quantity: 55, price: 48.6071, value: 2673.3905, cost: 2801.15 },
  { account: "401k", security: "treasury", quantity: 3, price: 948.08, value: 2844.24, cost: 2950.5 },
  { account: "401k", security: "alder-call", quantity: 200, price: 1.35, value: 270, cost: 318.6 },
  { account: "401k", security: "bitcoin", quantity: 0.01234567, price: 61234.5678, value: 755.981766, cost: 402.5 },
  { account: "401k", security: "alder", quantity: 12.3456789, price: 42.15, value: 520.370365635, cost: null },
  { account: "401k", security: "brook", quantity: 40, price: 11.0734, value: 442.936, cost: 512.04 },
  { account: "401k", security: "usd", quantity: 1373.6865, price: 1, value: 1373.6865, cost: 1373.6865 },
];

export function goodInvestments(context: SeedContext): SeedInvestments {
  const priced = addDays(context.today, -1);
  return {
    securities: SECURITIES.map((it) => buildSecurity(context, it, priced)),
    holdings: HOLDINGS.map((it) => buildHolding(context, it, priced)),
    transactions: goodTransactions(context),
  };
}

/** A contribution and a purchase every two weeks, a dividend a quarter, a fee a year; newest first, two years. */
function goodTransactions(context: SeedContext): Wire<InvestmentTransaction>[] {
  const found: Wire<InvestmentTransaction>[] = [];
  for (let daysAgo = 3; daysAgo < 730; daysAgo += 14) {
    const date = addDays(context.today, -daysAgo);
    found.push(
      buildInvestmentTransaction(context, {
        account: "401k",
        security: "target-2045",
        date,
        name: "BUY Target Horizon 2045 Fund",
        quantity: 6.0467,
        amount: 210.0019,
        price: 34.73,
        fees: 0,
        type: "buy",
        subtype: "buy",
      }),
      buildInvestmentTransaction(context, {
        account: "401k",
        security: "usd",
        date,
        name: "Employee contribution",
        quantity: -210.0019,
        amount: -210.0019,
        price: 0,
        fees: null,
        type: "cash",
        subtype: "contribution",
      }),
    );
    if (daysAgo % 13 === 3) found.push(dividend(context, date));
  }
  found.push(
    buildInvestmentTransaction(context, {
      account: "ira",
      security: "alder",
      date: addDays(context.today, -40),
      name: "SELL Alder Rail Holdings",
      quantity: -2,
      amount: -83.12,
      price: 41.56,
      fees: 1.25,
      type: "sell",
      subtype: "sell",
    }),
    buildInvestmentTransaction(context, {
      account: "ira",
      security: null,
      date: addDays(context.today, -200),
      name: "Annual account fee",
      quantity: 0,
      amount: 15,
      price: 0,
      fees: 15,
      type: "fee",
      subtype: "account fee",
    }),
  );
  return found.sort((a, b) => (a.date < b.date ? 1 : a.date > b.date ? -1 : 0));
}

function dividend(context: SeedContext, date: string): Wire<InvestmentTransaction> {
  return buildInvestmentTransaction(context, {
    account: "ira",
    security: "brook",
    date,
    name: "Dividend Brook Instruments PLC",
    quantity: 0,
    amount: -1.35,
    price: 0,
    fees: null,
    type: "cash",
    subtype: "dividend",
  });
}
