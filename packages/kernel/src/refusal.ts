/**
 * Why the ledger refuses, and what to do about it: the closed list. A refusal is a result (IDEM-4): it is stored, it replays, and
 * nothing has moved. The order here is the order of precedence (PIB-2): of several, a batch's operation shows the first.
 */
export const refusalMessages = {
  // The instruction itself, then its accounts.
  AMOUNT_NOT_POSITIVE: "The amount is not above zero. Send an amount above zero.",
  AMOUNT_SCALE: "The amount has more digits than its currency. Send no more digits; amounts are never rounded here.",
  ACCOUNT_NOT_FOUND: "There is no such account. Check the account's id.",
  RECIPIENT_NOT_FOUND: "There is no account to receive this. Check the recipient's account id.",
  ACCOUNT_NOT_OPEN: "The account is not open. Use an account whose status is OPEN.",
  SAME_ACCOUNT: "Both sides are the same account. Name two different accounts.",
  CURRENCY_MISMATCH: "The account holds another currency. Send the amount in the currency of both accounts.",
  VALUE_IN_FUTURE: "The value time lies in the future. Send a value time that has passed, or none.",
  BEFORE_OPENING: "The value time lies before the account was opened. Send a later value time, or none.",
  // Client transactions.
  CLIENT_TRANSACTION_CLOSED:
    "This client transaction id was used before and is closed. Send a new id for a new movement.",
  CLIENT_TRANSACTION_RESERVED: "Client transaction ids that begin with op_ are made here. Send another id, or none.",
  // Products.
  INSUFFICIENT_FUNDS:
    "The available balance does not cover the amount. Send a smaller amount, or fund the account first.",
  CONTRACT_REJECTED: "The account's product does not allow this. Read the product's terms.",
  CONTRACT_ERROR:
    "The account's product could not judge this, so it was not accepted. Ask the operator to look at the product.",
  // Opening and closing accounts.
  PRODUCT_UNKNOWN: "There is no such product. Choose one from the list of products.",
  CURRENCY_UNKNOWN: "Not a currency that is registered here. Use an ISO 4217 code such as USD.",
  CURRENCY_NOT_OFFERED: "The product is not offered in this currency. Choose another currency or product.",
  PARAMETER_INVALID: "A parameter does not fit the product. Correct the parameter that is named.",
  BALANCE_NOT_ZERO:
    "The account still holds money or has money on the way. Bring every balance to zero, then close it.",
} as const;

export type RefusalCode = keyof typeof refusalMessages;
export const refusalCodes = Object.keys(refusalMessages) as readonly RefusalCode[];

export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
}

/** `detail` names the very thing (a parameter, a product) where the sentence alone would leave the reader guessing. */
export function refuse(code: RefusalCode, detail?: string): Refusal {
  return { code, message: detail === undefined ? refusalMessages[code] : `${refusalMessages[code]} (${detail})` };
}
