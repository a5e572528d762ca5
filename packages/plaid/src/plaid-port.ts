import type {
  AccountData,
  HoldingData,
  InvestmentTransactionData,
  LiabilityData,
  SecurityData,
  TransactionData,
} from "@florin/linked-data";
import type { AccessToken } from "./access-token.js";
import type { PlaidErrorClass } from "./plaid-call-error.js";

/**
 * Everything that we ask of Plaid, in our own words. One implementation, around the unmodified client (`createPlaidPort`); it reaches the
 * simulator, Plaid's sandbox and its production by configuration alone.
 *
 * Every method rejects with PlaidCallError and with nothing else. Amounts, prices and quantities are plain decimal text with their
 * currency pair; enumerations are text as it came. Every call has a deadline, takes its turn at the shared rate limiter, and
 * stops at the breaker. Only reads that may be read twice are tried again here; of all others the caller decides.
 */
export interface PlaidPort {
  readonly environment: PlaidEnvironmentName;

  /** A session of Plaid's hosted page, for a new item (lives 4 h) or with `update` to repair one (30 min). Costs quota: one per wish. */
  createLinkToken(input: CreateLinkToken): Promise<LinkToken>;
  /** What happened in the hosted page so far. No sessions: none has ended. */
  getLinkToken(linkToken: string, call?: CallLimits): Promise<LinkTokenState>;
  /**
   * Makes an item of a public token (30 min, once). Not idempotent and never tried again: when `isOutcomeUnknown`, an item may
   * exist and be billed whose token nobody has (linked-accounts.md §1.9).
   */
  exchangePublicToken(publicToken: string, call?: CallLimits): Promise<ExchangedItem>;

  /** Works in every state of an item, and says which it is in. */
  getItem(item: ItemCall): Promise<ItemState>;
  /** Ends billing. GONE as an error means that it was removed before. */
  removeItem(item: ItemCall): Promise<Receipt>;
  /** A new token; the old one is dead at once. When `isOutcomeUnknown`, the item's token may be lost (§5.2). Never tried again. */
  invalidateAccessToken(item: ItemCall): Promise<{ readonly accessToken: AccessToken; readonly requestId: string }>;
  /** Where Plaid sends this item's webhooks; undefined: nowhere. */
  updateWebhook(item: ItemCall, webhookUrl: string | undefined): Promise<Receipt>;

  /** All accounts with Plaid's cached balances: free, about a day old. */
  getAccounts(item: ItemCall): Promise<AccountsAnswer>;
  /** All accounts with balances asked of the institution now: billed, slow (up to 90 s), never tried again. */
  getBalances(item: ItemCall, options?: { readonly minLastUpdatedAt?: string }): Promise<AccountsAnswer>;
  /** One page (§1.3). No cursor: from the beginning. The rules of a run are the caller's: restart, commit at the end, never store "". */
  syncTransactionsPage(item: ItemCall, options: SyncPageOptions): Promise<TransactionsPage>;
  /** Asks the institution for news now; they come by webhook. Billed, 2 a minute for an item. Never tried again. */
  refreshTransactions(item: ItemCall): Promise<Receipt>;
  getLiabilities(item: ItemCall): Promise<LiabilitiesAnswer>;
  getHoldings(item: ItemCall): Promise<HoldingsAnswer>;
  /** Newest first. The first call of an item may take two minutes, and starts a second billed subscription. */
  getInvestmentTransactionsPage(item: ItemCall, options: InvestmentPageOptions): Promise<InvestmentTransactionsPage>;

  /** Kept for a day. */
  getInstitution(institutionId: string, call?: CallLimits): Promise<InstitutionAnswer>;
  /** Used by the webhook verifier. REFUSED_INPUT: there is no such key. */
  getWebhookVerificationKey(keyId: string, call?: CallLimits): Promise<WebhookVerificationKey>;

  /** Begins nothing more, gives what is under way 5 s to end, and closes connections and limiter. */
  close(): Promise<void>;
}

export type PlaidEnvironmentName = "production" | "sandbox" | "simulator";

export interface CallLimits {
  /** For the whole call: waiting for its turn and trying again included. Default and upper bound: the endpoint's own (30, 90 or 120 s). */
  readonly deadlineMs?: number | undefined;
}

/** A call about one item. */
export interface ItemCall extends CallLimits {
  readonly accessToken: AccessToken;
  /** Our own id of the item: names its share of the limits, and stands in the ledger of calls. */
  readonly itemKey: string;
  /** Where known: an institution that is down stops calls to it alone. */
  readonly institutionId?: string | undefined;
}

/** The end of a call that answers nothing else. */
export interface Receipt {
  readonly requestId: string;
}

export interface CreateLinkToken extends CallLimits {
  /** Opaque, no name and no address (§5.5). */
  readonly clientUserId: string;
  /** Default: the port's configuration. Ignored by Plaid with `update`: use `updateWebhook`. */
  readonly webhookUrl?: string | undefined;
  /** Where the hosted page sends the person at the end. */
  readonly redirectUrl?: string | undefined;
  /** Repair of an existing item instead of a new one. `accountSelection`: the person may add and remove accounts. */
  readonly update?:
    | { readonly accessToken: AccessToken; readonly itemKey: string; readonly accountSelection?: boolean | undefined }
    | undefined;
  /** Default: the port's configuration. Not sent with `update`. */
  readonly products?: LinkProducts | undefined;
}

/** Plaid's names (`transactions`, `liabilities`, `investments`). No product may stand in two lists. */
export interface LinkProducts {
  /** An institution without one of these is not offered. */
  readonly required: readonly string[];
  readonly requiredIfSupported: readonly string[];
  readonly optional: readonly string[];
}

export interface LinkToken {
  readonly linkToken: string;
  /** The page to open. Undefined where Plaid offers none. */
  readonly hostedLinkUrl: string | undefined;
  /** RFC 3339. */
  readonly expiresAt: string;
  readonly requestId: string;
}

export interface LinkTokenState {
  readonly expiresAt: string | undefined;
  /** Oldest first. */
  readonly sessions: readonly LinkSession[];
  readonly requestId: string;
}

export interface LinkSession {
  readonly linkSessionId: string;
  readonly finishedAt: string | undefined;
  /** One for each item that the person linked. Empty with `finishedAt`: left without one, or an existing item was repaired. */
  readonly added: readonly LinkedInSession[];
  readonly exit: LinkExit | undefined;
}

/** What the person chose. Untrusted until read again from the item (§5.4), but good for finding duplicates before the exchange. */
export interface LinkedInSession {
  /** Give it to `exchangePublicToken`; show it to nobody, log it nowhere. */
  readonly publicToken: string;
  readonly institution: { readonly institutionId: string | undefined; readonly name: string | undefined } | undefined;
  readonly accounts: readonly {
    readonly accountId: string | undefined;
    readonly name: string | undefined;
    readonly mask: string | undefined;
    readonly type: string | undefined;
    readonly subtype: string | undefined;
  }[];
}

export interface LinkExit {
  /** `requires_credentials`, `institution_not_found` …: how far the person came. */
  readonly status: string | undefined;
  readonly institutionId: string | undefined;
  readonly error: ItemError | undefined;
}

export interface ExchangedItem {
  readonly accessToken: AccessToken;
  /** Case-sensitive. */
  readonly plaidItemId: string;
  readonly requestId: string;
}

/** What ails an item, as Plaid says it. */
export interface ItemError {
  readonly errorType: string;
  readonly errorCode: string;
  readonly displayMessage: string | undefined;
  readonly class: PlaidErrorClass;
}

export interface ItemState {
  readonly plaidItemId: string;
  readonly institutionId: string | undefined;
  readonly institutionName: string | undefined;
  readonly webhookUrl: string | undefined;
  /** undefined: healthy. */
  readonly error: ItemError | undefined;
  readonly availableProducts: readonly string[];
  readonly billedProducts: readonly string[];
  /** Products that the item was made with, where Plaid says it. */
  readonly products: readonly string[];
  /** RFC 3339, of consents that end. */
  readonly consentExpiresAt: string | undefined;
  readonly transactions: ProductUpdates | undefined;
  readonly investments: ProductUpdates | undefined;
  readonly lastWebhook: { readonly sentAt: string | undefined; readonly code: string | undefined } | undefined;
  readonly requestId: string;
}

/** RFC 3339; undefined: never. */
export interface ProductUpdates {
  readonly lastSuccessfulAt: string | undefined;
  readonly lastFailedAt: string | undefined;
}

export interface AccountsAnswer {
  readonly plaidItemId: string;
  readonly accounts: readonly AccountData[];
  readonly requestId: string;
}

export interface SyncPageOptions {
  readonly cursor?: string | undefined;
  /** 1 to 500. Default 500. */
  readonly count?: number | undefined;
  /** 1 to 730; heard by Plaid at the first call only, and only where the item's link token did not say it. */
  readonly daysRequested?: number | undefined;
}

export interface TransactionsPage {
  /** `NOT_READY`, `INITIAL_UPDATE_COMPLETE`, `HISTORICAL_UPDATE_COMPLETE`, `TRANSACTIONS_UPDATE_STATUS_UNKNOWN` or a new one. */
  readonly status: string;
  readonly added: readonly TransactionData[];
  readonly modified: readonly TransactionData[];
  readonly removed: readonly { readonly transactionId: string; readonly accountId: string | undefined }[];
  /** Empty while not ready, and for ever where an item has no transactions: never store an empty one (§1.3 rule 2). */
  readonly nextCursor: string;
  readonly hasMore: boolean;
  /** Only those with transactions: not the roster (§1.3 rule 8). */
  readonly accounts: readonly AccountData[];
  readonly requestId: string;
}

export interface LiabilitiesAnswer extends AccountsAnswer {
  /** Account and reference numbers are masked here; whole ones never leave the adapter. */
  readonly liabilities: readonly LiabilityData[];
}

export interface HoldingsAnswer extends AccountsAnswer {
  /** In Plaid's order; two of one account and security can occur (§6). */
  readonly holdings: readonly HoldingData[];
  readonly securities: readonly SecurityData[];
}

export interface InvestmentPageOptions {
  /** Calendar days, both included; at most 24 months back. */
  readonly from: string;
  readonly to: string;
  readonly offset: number;
  /** 1 to 500. Default 500. */
  readonly count?: number | undefined;
  /** The item's first call: do not wait for the institution, WAIT comes and then a webhook. */
  readonly isAsynchronous?: boolean | undefined;
}

export interface InvestmentTransactionsPage extends AccountsAnswer {
  readonly transactions: readonly InvestmentTransactionData[];
  readonly securities: readonly SecurityData[];
  /** In the whole window. */
  readonly total: number;
}

export interface InstitutionAnswer {
  readonly institutionId: string;
  readonly name: string;
  /** Text only: never fetched by us (§5.7). */
  readonly url: string | undefined;
  readonly primaryColor: string | undefined;
  /** Base64 of a PNG, as Plaid gives it. */
  readonly logo: string | undefined;
  readonly isOauth: boolean;
}

/** A public key on P-256. */
export interface WebhookVerificationKey {
  readonly keyId: string;
  readonly algorithm: string;
  readonly curve: string;
  readonly keyType: string;
  readonly x: string;
  readonly y: string;
  /** Seconds since 1970; undefined: still good. */
  readonly expiredAtSeconds: number | undefined;
}

/** A call to Plaid as it is kept: no secret, no token, no content. */
export interface ProviderCall {
  readonly endpoint: string;
  readonly itemKey: string | undefined;
  readonly requestId: string | undefined;
  readonly httpStatus: number | undefined;
  /** undefined: it went well. */
  readonly errorCode: string | undefined;
  readonly errorClass: PlaidErrorClass | undefined;
  readonly latencyMs: number;
  /** `not_sent`: the limiter or the breaker held it back. `unknown`: it may have had its effect. */
  readonly outcome: "ok" | "refused" | "failed" | "unknown" | "not_sent";
}
