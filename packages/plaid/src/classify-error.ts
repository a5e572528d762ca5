import type { PlaidErrorClass } from "./plaid-call-error.js";

/** linked-accounts.md §1.5. Anything that is not named here falls to its type, so a new code of Plaid's is never a crash. */
const BY_CODE: Readonly<Record<string, PlaidErrorClass>> = {
  ITEM_LOGIN_REQUIRED: "RELINK",
  ACCESS_NOT_GRANTED: "RELINK",
  ADDITIONAL_CONSENT_REQUIRED: "RELINK",
  INVALID_CREDENTIALS: "RELINK",
  INVALID_MFA: "RELINK",
  INVALID_UPDATED_USERNAME: "RELINK",
  INSUFFICIENT_CREDENTIALS: "RELINK",
  USER_INPUT_TIMEOUT: "RELINK",
  ITEM_LOCKED: "USER_AT_BANK",
  PASSWORD_RESET_REQUIRED: "USER_AT_BANK",
  USER_SETUP_REQUIRED: "USER_AT_BANK",
  ITEM_NOT_FOUND: "GONE",
  ITEM_CONCURRENTLY_DELETED: "GONE",
  INVALID_ACCESS_TOKEN: "GONE",
  PRODUCTS_NOT_SUPPORTED: "NOT_APPLICABLE",
  PRODUCT_NOT_ENABLED: "NOT_APPLICABLE",
  PRODUCT_NOT_READY: "WAIT",
  TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION: "RESTART_PAGINATION",
  INSTITUTION_NO_LONGER_SUPPORTED: "TERMINAL",
  ITEM_NOT_SUPPORTED: "TERMINAL",
  MFA_NOT_SUPPORTED: "TERMINAL",
  INVALID_PUBLIC_TOKEN: "REFUSED_INPUT",
  INVALID_LINK_TOKEN: "REFUSED_INPUT",
  INVALID_INSTITUTION: "REFUSED_INPUT",
  INVALID_WEBHOOK_VERIFICATION_KEY_ID: "REFUSED_INPUT",
};

const BY_TYPE: Readonly<Record<string, PlaidErrorClass>> = {
  // Update mode shows the person what is wrong, whatever it is.
  ITEM_ERROR: "RELINK",
  INSTITUTION_ERROR: "TRANSIENT",
  RATE_LIMIT_EXCEEDED: "BACKOFF",
  API_ERROR: "TRANSIENT",
  TRANSACTIONS_ERROR: "TRANSIENT",
};

/** NO_ACCOUNTS, NO_LIABILITY_ACCOUNTS, NO_INVESTMENT_ACCOUNTS, and whatever product comes next. */
const NO_ACCOUNTS = /^NO_([A-Z_]+_)?ACCOUNTS$/;

/** What an error of Plaid's means, of a call as of a webhook. Only `error_code` and `error_type` are stable; nothing else is looked at. */
export function classifyPlaidError(errorType: string, errorCode: string): PlaidErrorClass {
  if (Object.hasOwn(BY_CODE, errorCode)) return BY_CODE[errorCode] ?? "OPERATOR";
  if (NO_ACCOUNTS.test(errorCode)) return "NOT_APPLICABLE";
  return Object.hasOwn(BY_TYPE, errorType) ? (BY_TYPE[errorType] ?? "OPERATOR") : "OPERATOR";
}
