/**
 * All that the simulator remembers. Plain data in maps, so that a snapshot is its JSON; behaviour lives beside the topic
 * (item-lifecycle.ts, change-log.ts, link-session.ts, handlers/).
 *
 *   link token ──► link session ──► public token ──► item ◄── access token
 *                                                     ├── accounts (granted or not)
 *                                                     ├── transactions: an append-only change log
 *                                                     ├── liabilities
 *                                                     └── investments
 */
import type {
  AccountBalance,
  AccountBase,
  CountryCode,
  Holding,
  InvestmentTransaction,
  LiabilitiesObject,
  LinkSessionItemAddResult,
  LinkTokenAccountFilters,
  PlaidError,
  Products,
  Security,
  Transaction,
} from "plaid";
import type { SimulatorClock } from "./clock.js";
import { SimulatorIds } from "./ids.js";
import { knownError, refuse } from "./plaid-error.js";
import type { WebhookDelivery } from "./webhook-delivery.js";
import type { WebhookSigner } from "./webhook-signer.js";
import type { Wire } from "./wire.js";

export type Product = Wire<Products>;
export type Country = Wire<CountryCode>;
export type PlaidEnvironmentName = "sandbox" | "production";

/**
 * HEALTHY, PENDING_DISCONNECT and PENDING_EXPIRATION serve data; the others refuse every product call, each with its own
 * error. /item/get answers in all of them but REMOVED.
 */
export const ITEM_STATES = [
  "HEALTHY",
  "LOGIN_REQUIRED",
  "LOCKED",
  "PASSWORD_RESET_REQUIRED",
  "USER_SETUP_REQUIRED",
  "PENDING_DISCONNECT",
  "PENDING_EXPIRATION",
  "REVOKED",
  "REMOVED",
  "INSTITUTION_DOWN",
] as const;
export type ItemState = (typeof ITEM_STATES)[number];

export interface SimAccount {
  /** The institution's own name for the account: the same in every Item of the login. Never on the wire. */
  readonly key: string;
  /** The person shares it with the application. */
  granted: boolean;
  /** As Plaid has it cached: what /accounts/get answers. */
  base: Wire<AccountBase>;
  /** What the bank would say now, where that differs. A real-time call or a pull makes it the cached one. */
  live: Wire<AccountBalance> | null;
}

export interface LogEntry {
  readonly seq: number;
  readonly at: string;
  readonly kind: "added" | "modified" | "removed";
  readonly transactionId: string;
  readonly accountId: string;
  /** The transaction as it is after this entry; absent when removed. */
  readonly transaction?: Wire<Transaction>;
}

export type PullStatus = "NOT_READY" | "INITIAL_UPDATE_COMPLETE" | "HISTORICAL_UPDATE_COMPLETE";

export interface TransactionHistory {
  status: PullStatus;
  /** Days of history, fixed when the product was first asked for. */
  daysRequested: number;
  syncCalls: number;
  /** The first /transactions/sync switches SYNC_UPDATES_AVAILABLE on. */
  isActivated: boolean;
  isPullScheduled: boolean;
  /** Read from the institution with the first pull, served from the second on. */
  older: Wire<Transaction>[];
  log: LogEntry[];
}

export interface InvestmentBook {
  securities: Wire<Security>[];
  holdings: Wire<Holding>[];
  transactions: Wire<InvestmentTransaction>[];
  /** The first /investments/transactions/get has fetched the history. */
  isPulled: boolean;
}

export interface SimItem {
  readonly itemId: string;
  accessToken: string | null;
  readonly institutionId: string;
  readonly userName: string;
  readonly clientUserId: string | null;
  webhook: string | null;
  /** Asked for and billed. */
  products: Product[];
  readonly createdAt: string;
  /** When the person last logged in; a sandbox login goes stale after 30 days. */
  loginAt: string;
  state: ItemState;
  disconnectTime: string | null;
  consentExpirationTime: string | null;
  accounts: SimAccount[];
  transactions: TransactionHistory;
  liabilities: Wire<LiabilitiesObject>;
  investments: InvestmentBook;
  lastSuccessfulUpdate: string | null;
  lastFailedUpdate: string | null;
  lastWebhook: { readonly sent_at: string; readonly code_sent: string } | null;
}

export interface PublicToken {
  readonly token: string;
  readonly itemId: string;
  readonly expiresAt: string;
  /** A token of update mode must not be exchanged: its Item has its access token already. */
  readonly isOfUpdateMode: boolean;
  usedAt: string | null;
}

export interface LinkSession {
  readonly sessionId: string;
  readonly startedAt: string;
  finishedAt: string | null;
  institutionId: string | null;
  /** Set once the person has logged in. */
  userName: string | null;
  /** The last thing that went wrong: what the session reports when the person leaves. */
  error: Wire<PlaidError> | null;
  result: Wire<LinkSessionItemAddResult> | null;
  exit: { readonly error: Wire<PlaidError> | null; readonly status: string } | null;
}

export interface LinkToken {
  readonly token: string;
  /** The last part of the hosted page's address, or null when no hosted page was asked for. Not derived from the token. */
  readonly hostedId: string | null;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly clientName: string;
  readonly clientUserId: string | null;
  readonly language: string;
  readonly countryCodes: Country[];
  /** The institution must have these. */
  readonly products: Product[];
  /** Taken where the institution has them. */
  readonly optionalProducts: Product[];
  readonly daysRequested: number;
  readonly webhook: string | null;
  readonly redirectUri: string | null;
  readonly completionRedirectUri: string | null;
  readonly institutionId: string | null;
  readonly accountFilters: Wire<LinkTokenAccountFilters> | null;
  readonly update: { readonly itemId: string; readonly isAccountSelectionEnabled: boolean } | null;
  sessions: LinkSession[];
}

/** Takes a webhook body for an address; delivery, retries and signatures are its business. */
export type WebhookSender = WebhookDelivery["send"];

export interface WorldSettings {
  readonly seed: string;
  readonly clientId: string;
  readonly secret: string;
  readonly environment: PlaidEnvironmentName;
  /** How many /transactions/sync calls of each Item answer NOT_READY. */
  readonly notReadyCalls: number;
  /** From the last NOT_READY answer to the first 30 days, and from there to the whole history; the simulator's time. */
  readonly initialPullMs: number;
  readonly historicalPullMs: number;
}

const KEEP_DEAD_TOKENS_MS = 86_400_000;

export class SimulatorWorld {
  readonly settings: WorldSettings;
  readonly clock: SimulatorClock;
  ids: SimulatorIds;
  readonly items = new Map<string, SimItem>();
  /** Access token → item id. A token that was rotated away is no longer here. */
  readonly accessTokens = new Map<string, string>();
  readonly publicTokens = new Map<string, PublicToken>();
  readonly linkTokens = new Map<string, LinkToken>();
  /** Where the simulator listens; set once it does. */
  url = "";
  readonly sendWebhook: WebhookSender;
  readonly findVerificationKey: WebhookSigner["jwk"];

  constructor(
    settings: WorldSettings,
    services: {
      readonly clock: SimulatorClock;
      readonly sendWebhook: WebhookSender;
      readonly findVerificationKey: WebhookSigner["jwk"];
    },
  ) {
    this.settings = settings;
    this.clock = services.clock;
    this.sendWebhook = services.sendWebhook;
    this.findVerificationKey = services.findVerificationKey;
    this.ids = new SimulatorIds(settings.seed);
  }

  nowIso(): string {
    return toPlaidTime(this.clock.now());
  }

  today(): string {
    return this.clock.now().toISOString().slice(0, 10);
  }

  /** The Item of an access token, in whatever state. Refuses as Plaid does when there is none or it was removed. */
  itemOf(accessToken: string): SimItem {
    const item = this.items.get(this.accessTokens.get(accessToken) ?? "");
    if (!item) refuse("INVALID_ACCESS_TOKEN");
    if (item.state === "REMOVED") refuse("ITEM_NOT_FOUND");
    return item;
  }

  /** The item id that a token belongs to, for records and limits; undefined for tokens nobody knows. */
  itemIdOf(accessToken: unknown): string | undefined {
    return typeof accessToken === "string" ? this.accessTokens.get(accessToken) : undefined;
  }

  /** Link and public tokens that have been dead for a day are forgotten, so that a long run does not grow by them. */
  forgetDeadTokens(): void {
    const limit = new Date(this.clock.now().getTime() - KEEP_DEAD_TOKENS_MS).toISOString();
    for (const tokens of [this.linkTokens, this.publicTokens]) {
      for (const [token, { expiresAt }] of tokens) if (expiresAt < limit) tokens.delete(token);
    }
  }

  linkTokenOfPage(hostedId: string): LinkToken | undefined {
    for (const link of this.linkTokens.values()) if (link.hostedId === hostedId) return link;
    return undefined;
  }
}

/** Times as Plaid writes them: whole seconds, Z. */
export function toPlaidTime(at: Date): string {
  return `${at.toISOString().slice(0, 19)}Z`;
}

/** `days` may be negative. */
export function addDays(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}

/** What a state answers to a product call, or undefined when it serves data. */
export function errorOfState(state: ItemState) {
  switch (state) {
    case "HEALTHY":
    case "PENDING_DISCONNECT":
    case "PENDING_EXPIRATION":
      return undefined;
    case "LOGIN_REQUIRED":
      return knownError("ITEM_LOGIN_REQUIRED");
    case "LOCKED":
      return knownError("ITEM_LOCKED");
    case "PASSWORD_RESET_REQUIRED":
      return knownError("PASSWORD_RESET_REQUIRED");
    case "USER_SETUP_REQUIRED":
      return knownError("USER_SETUP_REQUIRED");
    case "REVOKED":
      return knownError("USER_PERMISSION_REVOKED");
    case "INSTITUTION_DOWN":
      return knownError("INSTITUTION_DOWN");
    case "REMOVED":
      return knownError("ITEM_NOT_FOUND");
  }
}
