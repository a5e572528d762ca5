import type { AccountBase, Holding, InvestmentTransaction, LiabilitiesObject, Security, Transaction } from "plaid";
import type { Wire } from "../wire.js";
import type { Product } from "../world.js";

/**
 * A login that an institution knows: what a person sees there. The user name chooses it. Everything is relative to the
 * day the Item is made, so that a demonstration never shows last year's data.
 */
export interface SeedContext {
  /** YYYY-MM-DD, the simulator's day. */
  readonly today: string;
  /** How far back transactions go. */
  readonly daysRequested: number;
  /** The Item's id for an account, by the account's key. */
  accountId(key: string): string;
  /** A fresh transaction id. */
  nextTransactionId(): string;
  nextInvestmentTransactionId(): string;
  /** The same security has the same id in every Item. */
  securityId(key: string): string;
}

export interface SeedAccount {
  readonly key: string;
  readonly base: Omit<Wire<AccountBase>, "account_id">;
}

export interface SeedInvestments {
  readonly securities: Wire<Security>[];
  readonly holdings: Wire<Holding>[];
  readonly transactions: Wire<InvestmentTransaction>[];
}

export interface SeedUser {
  readonly userName: string;
  /** One line for the hosted page. */
  readonly description: string;
  /** What the institution can give for this login. */
  readonly products: readonly Product[];
  readonly accounts: readonly SeedAccount[];
  /** Oldest first. */
  transactions(context: SeedContext): Wire<Transaction>[];
  liabilities?(context: SeedContext): Wire<LiabilitiesObject>;
  investments?(context: SeedContext): SeedInvestments;
  /** /transactions/refresh finds news, and /sandbox/transactions/create is allowed. */
  readonly isDynamic?: boolean;
  /** /transactions/sync answers "complete" with an empty cursor for ever, as investment-only logins do. */
  readonly hasNoTransactionStream?: boolean;
}
