/**
 * Why the ledger refuses, and what to do about it: the closed list. A refusal is a result (IDEM-4): it is stored, it replays, and
 * nothing has moved. The order here is the order of precedence (PIB-2): of several, a batch's operation shows the first.
 */
export const refusalMessages = {
  // The shape of the instruction.
  AMOUNT_NOT_POSITIVE: "The amount is not above zero. Send an amount above zero.",
  AMOUNT_SCALE: "The amount has more digits than its currency. Send no more digits; amounts are never rounded here.",
  INSTRUCTION_UNBALANCED:
    "Debits and credits differ. Send legs that balance for each asset, denomination and phase, two at least.",
  ADDRESS_INVALID:
    "Not the name of an address or an asset. Use upper-case letters, digits and underscores, 64 at most.",
  FX_RECORD_INVALID:
    "Legs in several denominations carry an fx record, legs in one carry none. Send the rate, its source and its time.",
  // What the client may do.
  ADDRESS_NOT_PERMITTED: "Only products and privileged clients post to such addresses. Post to DEFAULT.",
  PENDING_NOT_PERMITTED: "You may not post to pending phases by hand. Use an authorisation.",
  OVERRIDE_NOT_PERMITTED: "You may not override this restriction. Ask for the permission, or send no override.",
  // Its accounts.
  ACCOUNT_NOT_FOUND: "There is no such account. Check the account's id.",
  RECIPIENT_NOT_FOUND: "There is no account to receive this. Check the recipient's account id.",
  ACCOUNT_NOT_OPEN: "The account is not open. Use an account whose status is OPEN.",
  SAME_ACCOUNT: "Both sides are the same account. Name two different accounts.",
  COUNTERPARTY_NOT_INTERNAL: "The counterparty of an authorisation is a customer's account. Name an internal account.",
  CURRENCY_MISMATCH: "The account holds another currency. Send the amount in the currency of both accounts.",
  VALUE_IN_FUTURE: "The value time lies in the future. Send a value time that has passed, or none.",
  BEFORE_OPENING: "The value time lies before the account was opened. Send a later value time, or none.",
  PERIOD_CLOSED: "The value time lies in a period that is closed. Send a later value time, or none.",
  // Restrictions.
  RESTRICTED: "A restriction forbids this. Have the restriction lifted first.",
  RESTRICTED_REVIEW: "A restriction asks for a review first. Have it reviewed, then send it with the override.",
  RESTRICTION_LIMIT: "The amount is above what a restriction allows. Send a smaller amount.",
  // Client transactions.
  CLIENT_TRANSACTION_NOT_FOUND: "There is no such client transaction. Open it first, with this id.",
  CLIENT_TRANSACTION_MISMATCH:
    "This does not match what opened the client transaction. Leave out accounts and currency, or send the same.",
  CLIENT_TRANSACTION_CLOSED:
    "This client transaction id was used before and is closed. Send a new id for a new movement.",
  CLIENT_TRANSACTION_EXISTS:
    "This client transaction is open already. Follow it up, or send a new id for a new movement.",
  CLIENT_TRANSACTION_EXPIRED: "The authorisation has expired. Open a new one, or send a hard settlement.",
  CLIENT_TRANSACTION_NOT_EXPIRED: "The authorisation has not expired. Wait for its time, or release it yourself.",
  CLIENT_TRANSACTION_RESERVED: "Client transaction ids that begin with op_ are made here. Send another id, or none.",
  ADJUSTMENT_BELOW_ZERO:
    "The adjustment is larger than what is outstanding. Send a smaller one, or release the authorisation.",
  SETTLEMENT_EXCEEDS_AUTHORISATION:
    "The settlement is above the authorisation, which allows none. Settle no more than is outstanding.",
  NOT_REVERSIBLE: "This kind of instruction cannot be reversed. Release the hold, or book a new movement back.",
  ALREADY_REVERSED: "This instruction was reversed before. Book a new movement if money must move again.",
  CASCADE_DEPTH: "Products answered one another's postings too often. Ask the operator to look at the products.",
  // Products and guards.
  INSUFFICIENT_FUNDS:
    "The available balance does not cover the amount. Send a smaller amount, or fund the account first.",
  MAXIMUM_BALANCE: "The account would hold more than it may. Send a smaller amount.",
  CREDIT_LIMIT: "The credit limit does not cover the amount. Send a smaller amount, or pay back first.",
  INTERMEDIATE_NEGATIVE:
    "With this value time the account would have been below zero in the past. Send a later value time.",
  CONTRACT_REJECTED: "The account's product does not allow this. Read the product's terms.",
  CONTRACT_ERROR:
    "The account's product could not judge this, so it was not accepted. Ask the operator to look at the product.",
  // Opening, changing and closing accounts.
  PRODUCT_UNKNOWN: "There is no such product. Choose one from the list of products.",
  CURRENCY_UNKNOWN: "Not a currency that is registered here. Use an ISO 4217 code such as USD.",
  CURRENCY_NOT_OFFERED: "The product is not offered in this currency. Choose another currency or product.",
  PARAMETER_INVALID: "A parameter does not fit the product. Correct the parameter that is named.",
  CONVERSION_INVALID: "The account cannot be moved to this version. Choose a version of the same product.",
  RESTRICTION_UNKNOWN: "There is no such restriction. Define it first, or check its id.",
  RESTRICTION_INVALID: "This is no restriction that can hold. Correct the rule that is named.",
  RESTRICTION_ENDED: "The restriction has ended already. Nothing is left to lift.",
  WINDOW_INVALID: "The time ends before it begins. Send an end that lies after the beginning, or none.",
  PERIOD_INVALID: "This period cannot be closed. Send a time that has passed and lies after the last close.",
  PRODUCT_VERSION_EXISTS: "This version of the product is there already. Upload the changed product as a new version.",
  FAILURE_UNKNOWN: "There is no such failure that is still open. Read the open failures again.",
  CLIENT_TRANSACTION_OPEN:
    "The account has an authorisation that is open. Settle or release it, then close the account.",
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

const places = new Map(refusalCodes.map((code, place) => [code, place]));

/** Below zero when `a` is the graver one. */
export function comparePrecedence(a: RefusalCode, b: RefusalCode): number {
  return places.get(a)! - places.get(b)!;
}
