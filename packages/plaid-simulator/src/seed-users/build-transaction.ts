import type { Transaction } from "plaid";
import type { Wire } from "../wire.js";

export interface TransactionSketch {
  readonly transactionId: string;
  readonly accountId: string;
  readonly date: string;
  /** Positive: money leaves the account. */
  readonly amount: number;
  readonly name: string;
  readonly merchant?: string | null;
  readonly category: Wire<Transaction>["personal_finance_category"];
  readonly channel?: Wire<Transaction>["payment_channel"];
  readonly isPending?: boolean;
  readonly pendingTransactionId?: string | null;
  readonly currency?: string | null;
  readonly unofficialCurrency?: string | null;
  readonly originalDescription?: string | null;
}

/** A transaction with all the members that Plaid always sends. */
export function buildTransaction(sketch: TransactionSketch): Wire<Transaction> {
  return {
    account_id: sketch.accountId,
    account_owner: null,
    amount: sketch.amount,
    authorized_date: sketch.date,
    authorized_datetime: null,
    category: null,
    category_id: null,
    check_number: null,
    counterparties: counterparties(sketch.merchant ?? null),
    date: sketch.date,
    datetime: null,
    iso_currency_code: sketch.currency === undefined ? "USD" : sketch.currency,
    location: {
      address: null,
      city: null,
      country: null,
      lat: null,
      lon: null,
      postal_code: null,
      region: null,
      store_number: null,
    },
    logo_url: null,
    merchant_entity_id: null,
    merchant_name: sketch.merchant ?? null,
    name: sketch.name,
    original_description:
      sketch.originalDescription === undefined ? sketch.name.toUpperCase() : sketch.originalDescription,
    payment_channel: sketch.channel ?? "in store",
    payment_meta: {
      by_order_of: null,
      payee: null,
      payer: null,
      payment_method: null,
      payment_processor: null,
      ppd_id: null,
      reason: null,
      reference_number: null,
    },
    pending: sketch.isPending ?? false,
    pending_transaction_id: sketch.pendingTransactionId ?? null,
    personal_finance_category: sketch.category,
    transaction_code: null,
    transaction_id: sketch.transactionId,
    transaction_type: "place",
    unofficial_currency_code: sketch.unofficialCurrency ?? null,
    website: null,
  };
}

function counterparties(merchant: string | null): Wire<Transaction>["counterparties"] {
  if (merchant === null) return [];
  return [
    { confidence_level: "HIGH", entity_id: null, logo_url: null, name: merchant, type: "merchant", website: null },
  ];
}

/** The two levels of Plaid's taxonomy. */
export function category(primary: string, detail: string): Wire<Transaction>["personal_finance_category"] {
  return { confidence_level: "VERY_HIGH", detailed: `${primary}_${detail}`, primary };
}
