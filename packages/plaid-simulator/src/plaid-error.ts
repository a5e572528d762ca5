import type { PlaidError } from "plaid";
import type { Wire } from "./wire.js";

/**
 * Plaid's refusals: type, code, message, HTTP status. The texts are those a caller of the real service sees; Plaid calls
 * them unstable, so nobody should branch on them.
 *
 * `status` is the HTTP status. It stands in the body of a webhook's error and not in an HTTP answer; `request_id` is the
 * other way round. `toHttpError` and `toWebhookError` make the two shapes.
 */
export type PlaidErrorType = Wire<PlaidError>["error_type"];

export interface PlaidErrorBody {
  readonly error_type: PlaidErrorType;
  readonly error_code: string;
  readonly error_code_reason?: string | null;
  readonly error_message: string;
  readonly display_message: string | null;
  readonly documentation_url?: string;
  readonly suggested_action?: string | null;
  readonly status: number;
}

export type PlaidErrorExtras = Partial<
  Pick<PlaidErrorBody, "display_message" | "error_code_reason" | "documentation_url" | "suggested_action">
>;

const SECTION: Partial<Record<PlaidErrorType, string>> = {
  ITEM_ERROR: "item",
  INVALID_INPUT: "invalid-input",
  INVALID_REQUEST: "invalid-request",
  INSTITUTION_ERROR: "institution",
  RATE_LIMIT_EXCEEDED: "rate-limit-exceeded",
  API_ERROR: "api",
  TRANSACTIONS_ERROR: "transactions",
  SANDBOX_ERROR: "sandbox",
};

export function plaidError(
  type: PlaidErrorType,
  code: string,
  message: string,
  httpStatus: number,
  extras: PlaidErrorExtras = {},
): PlaidErrorBody {
  const section = SECTION[type];
  return {
    display_message: null,
    documentation_url: section
      ? `https://plaid.com/docs/errors/${section}/#${code.toLowerCase()}`
      : "https://plaid.com/docs/errors/",
    error_code: code,
    error_message: message,
    error_type: type,
    suggested_action: null,
    ...extras,
    status: httpStatus,
  };
}

interface Known {
  readonly type: PlaidErrorType;
  readonly status: number;
  readonly message: string;
  readonly display?: string;
}

const LATER = "This financial institution is not currently responding to requests. We apologize for the inconvenience.";

const item = (message: string, display?: string): Known => ({ type: "ITEM_ERROR", status: 400, message, display });
const institution = (message: string, display?: string): Known => ({
  type: "INSTITUTION_ERROR",
  status: 400,
  message,
  display,
});
const limit = (message: string): Known => ({ type: "RATE_LIMIT_EXCEEDED", status: 429, message });
const itemLimit = limit("rate limit exceeded for attempts to access this item. please try again later");
const clientLimit = (endpoint: string): Known =>
  limit(`rate limit exceeded for attempts to access "${endpoint}". please try again later`);

/** Every refusal the simulator can give by its code alone (linked-accounts §1.5). */
const KNOWN = {
  ITEM_LOGIN_REQUIRED: item(
    "the login details of this item have changed (credentials, MFA, or required user action) and a user login is required to update this information. use Link's update mode to restore the item to a good state",
  ),
  ITEM_LOCKED: item(
    "the account is locked. prompt the user to visit the institution's website to unlock the account",
    "The given account is locked at the institution. Please visit the institution's website to unlock it.",
  ),
  PASSWORD_RESET_REQUIRED: item(
    "the user must reset their password for the institution",
    "You must reset your password at your institution before continuing.",
  ),
  USER_SETUP_REQUIRED: item(
    "the account has not been fully set up. prompt the user to visit the issuing institution's site and finish the setup process",
    "The given account is not fully set up. Please visit your financial institution's website to setup your account.",
  ),
  ACCESS_NOT_GRANTED: item("access to this product was not granted for the account"),
  ADDITIONAL_CONSENT_REQUIRED: item(
    "the end user has not consented to this product. use Link's update mode to ask for it",
  ),
  USER_PERMISSION_REVOKED: item(
    "the holder of this account has revoked their permission for your application to access it",
  ),
  INSUFFICIENT_CREDENTIALS: item("insufficient credentials were provided to authenticate with the institution"),
  INVALID_CREDENTIALS: item(
    "the provided credentials were not correct",
    "The provided credentials were not correct. Please try again.",
  ),
  ITEM_NOT_FOUND: item(
    "The Item you requested cannot be found. This Item does not exist, has been previously removed, or has had access removed by the user.",
  ),
  ITEM_CONCURRENTLY_DELETED: item(
    "This item was deleted while the operation was in progress. This item is no longer valid.",
  ),
  NO_ACCOUNTS: item(
    "no valid accounts were found for this item",
    "No valid accounts were found at the financial institution.",
  ),
  NO_LIABILITY_ACCOUNTS: item("There are no valid liability-type accounts associated with this Item."),
  NO_INVESTMENT_ACCOUNTS: item("There are no valid investment-type accounts associated with this Item."),
  PRODUCTS_NOT_SUPPORTED: item("the following products are not supported by this institution"),
  PRODUCT_NOT_ENABLED: item("a required product has not been enabled for this item"),
  PRODUCT_NOT_READY: item(
    "the requested product is not yet ready. please provide a webhook or try the request again later",
  ),
  TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION: {
    type: "TRANSACTIONS_ERROR",
    status: 400,
    message:
      "Underlying transaction data changed since last page was fetched. Please restart pagination from last update.",
  },
  INSTITUTION_DOWN: institution(
    "this institution is not currently responding to this request. please try again soon",
    LATER,
  ),
  INSTITUTION_NOT_RESPONDING: institution(
    "this institution is not currently responding to this request. please try again soon",
    LATER,
  ),
  INSTITUTION_NOT_AVAILABLE: institution("this institution is not currently available", LATER),
  INSTITUTION_NO_LONGER_SUPPORTED: institution("this institution is no longer supported"),
  ACCOUNTS_LIMIT: itemLimit,
  BALANCE_LIMIT: itemLimit,
  ACCOUNTS_BALANCE_GET_LIMIT: clientLimit("/accounts/balance/get"),
  TRANSACTIONS_SYNC_LIMIT: itemLimit,
  TRANSACTIONS_REFRESH_LIMIT: itemLimit,
  LIABILITIES_LIMIT: itemLimit,
  INVESTMENT_HOLDINGS_GET_LIMIT: itemLimit,
  INVESTMENT_TRANSACTIONS_LIMIT: itemLimit,
  INVESTMENTS_REFRESH_LIMIT: itemLimit,
  ITEM_GET_LIMIT: itemLimit,
  INSTITUTION_RATE_LIMIT: limit("rate limit exceeded for this institution. please try again later"),
  INSTITUTIONS_GET_BY_ID_LIMIT: clientLimit("/institutions/get_by_id"),
  RATE_LIMIT: limit("rate limit exceeded. please try again later"),
  ADDITION_LIMIT: limit("addition attempts limit exceeded for this client. please try again later"),
  TRIAL_CONNECTION_LIMIT: limit("the limit of connections of a trial plan was reached"),
  INTERNAL_SERVER_ERROR: { type: "API_ERROR", status: 500, message: "an unexpected error occurred" },
  PLANNED_MAINTENANCE: {
    type: "API_ERROR",
    status: 503,
    message:
      "the Plaid API is temporarily unavailable due to planned maintenance. visit https://status.plaid.com/ for more information",
  },
  INVALID_API_KEYS: { type: "INVALID_INPUT", status: 400, message: "invalid client_id or secret provided" },
  INVALID_ACCESS_TOKEN: { type: "INVALID_INPUT", status: 400, message: "could not find matching access token" },
  INVALID_PUBLIC_TOKEN: { type: "INVALID_INPUT", status: 400, message: "could not find matching public token" },
  INVALID_LINK_TOKEN: {
    type: "INVALID_INPUT",
    status: 400,
    message: "invalid link_token provided. you may need to generate a new link_token",
  },
  INVALID_INSTITUTION: { type: "INVALID_INPUT", status: 400, message: "invalid institution_id provided" },
  INVALID_ACCOUNT_ID: {
    type: "INVALID_INPUT",
    status: 400,
    message: "one or more of the account_ids is invalid, or the account is no longer accessible",
  },
  INVALID_PRODUCT: {
    type: "INVALID_INPUT",
    status: 400,
    message: "client is not authorized to access the following products",
  },
  INVALID_WEBHOOK_VERIFICATION_KEY_ID: {
    type: "INVALID_INPUT",
    status: 400,
    message:
      "invalid key_id provided. note that key_ids are specific to Plaid environments, and verification requests must be made to the same environment that the webhook was sent from",
  },
  NOT_FOUND: { type: "INVALID_REQUEST", status: 404, message: "not found" },
  INVALID_HTTP_METHOD: { type: "INVALID_REQUEST", status: 405, message: "the HTTP method is not allowed: use POST" },
  INVALID_BODY: { type: "INVALID_REQUEST", status: 400, message: "body could not be parsed as JSON" },
  INVALID_HEADERS: { type: "INVALID_REQUEST", status: 400, message: "expected Content-Type: application/json" },
  MISSING_FIELDS: { type: "INVALID_REQUEST", status: 400, message: "the following required fields are missing" },
  UNKNOWN_FIELDS: {
    type: "INVALID_REQUEST",
    status: 400,
    message: "the following fields are not recognized by this endpoint",
  },
  INVALID_FIELD: { type: "INVALID_REQUEST", status: 400, message: "invalid field" },
  SANDBOX_ONLY: { type: "INVALID_REQUEST", status: 400, message: "this endpoint is available in Sandbox only" },
  SANDBOX_WEBHOOK_INVALID: {
    type: "SANDBOX_ERROR",
    status: 400,
    message: "webhook could not be fired: the Item has no webhook, or the code does not fit its products",
  },
  SANDBOX_PRODUCT_NOT_ENABLED: {
    type: "SANDBOX_ERROR",
    status: 400,
    message: "the requested product is not enabled for this Item",
  },
} as const satisfies Record<string, Known>;

export type PlaidErrorCode = keyof typeof KNOWN;

export const PLAID_ERROR_CODES = Object.keys(KNOWN) as readonly PlaidErrorCode[];

/** The refusal of a known code, with its usual message or with a more exact one. */
export function knownError(code: PlaidErrorCode, message?: string, extras: PlaidErrorExtras = {}): PlaidErrorBody {
  const known: Known = KNOWN[code];
  const display = known.display === undefined ? {} : { display_message: known.display };
  return plaidError(known.type, code, message ?? known.message, known.status, { ...display, ...extras });
}

/** Thrown by a handler; the server turns it into Plaid's answer. */
export class PlaidRefusal extends Error {
  readonly body: PlaidErrorBody;

  constructor(body: PlaidErrorBody) {
    super(`${body.error_type}/${body.error_code}`);
    this.name = "PlaidRefusal";
    this.body = body;
  }
}

export function refuse(code: PlaidErrorCode, message?: string, extras?: PlaidErrorExtras): never {
  throw new PlaidRefusal(knownError(code, message, extras));
}

export type HttpErrorBody = Omit<PlaidErrorBody, "status"> & { readonly request_id: string };

export function toHttpError(body: PlaidErrorBody, requestId: string): HttpErrorBody {
  const { status: _status, ...rest } = body;
  return { ...rest, request_id: requestId };
}

/** As it stands inside a webhook: with its HTTP status, without a request id. */
export function toWebhookError(body: PlaidErrorBody): Wire<PlaidError> {
  return { ...body };
}

/** As it stands in `item.error`: neither of the two. */
export function toItemError(body: PlaidErrorBody): Wire<PlaidError> {
  const { status: _status, ...rest } = body;
  return { ...rest };
}
