import { inspect } from "node:util";

/**
 * What a failure means for us; every caller branches on this, on no status code and on no message (Plaid calls its messages unstable).
 *
 * - `RELINK` the person has to log in again or consent (update mode).
 * - `USER_AT_BANK` the person has to act at the institution first (locked, password reset, set-up).
 * - `GONE` the item is no longer there. Where it was to be removed, that is success.
 * - `NOT_APPLICABLE` this product is not for this item. The other products go on and nothing stored is deleted.
 * - `WAIT` not ready yet; a webhook comes, or try later.
 * - `RESTART_PAGINATION` throw the run away and read again from the cursor that it began with.
 * - `TRANSIENT` try again later, with growing pauses.
 * - `TERMINAL` will never work again for this item (institution no longer supported).
 * - `BACKOFF` too many calls: not before `retryAfterMs` where it is known.
 * - `REFUSED_INPUT` a public token, link token, key id or institution that is unknown, used or expired: begin again with a new one.
 * - `OPERATOR` our request or configuration is wrong. Trying again does not help; somebody has to look.
 */
export const plaidErrorClasses = [
  "RELINK",
  "USER_AT_BANK",
  "GONE",
  "NOT_APPLICABLE",
  "WAIT",
  "RESTART_PAGINATION",
  "TRANSIENT",
  "TERMINAL",
  "BACKOFF",
  "REFUSED_INPUT",
  "OPERATOR",
] as const;
export type PlaidErrorClass = (typeof plaidErrorClasses)[number];

/**
 * Codes that are ours, for failures without a body of Plaid's:
 * - `UNREADABLE_ANSWER` HTML, cut, of the wrong shape or too large
 * - `TIMEOUT` no whole answer in time
 * - `CONNECTION_LOST` the connection broke after the request was sent
 * - `NOT_CONNECTED` there was no connection at all; nothing was sent
 * - `REDIRECT_REFUSED` a redirect is never followed, the secret would go with it
 * - `BREAKER_OPEN` nothing was sent: too many failures in a row
 * - `LOCAL_RATE_LIMIT` nothing was sent: our own share of the limit is used up
 */
export type LocalErrorCode =
  | "UNREADABLE_ANSWER"
  | "TIMEOUT"
  | "CONNECTION_LOST"
  | "NOT_CONNECTED"
  | "REDIRECT_REFUSED"
  | "BREAKER_OPEN"
  | "LOCAL_RATE_LIMIT";

export interface PlaidCallFailure {
  /** The path: `/accounts/get`. */
  readonly endpoint: string;
  /** undefined where no answer came. */
  readonly httpStatus: number | undefined;
  readonly errorType: string | undefined;
  /** Plaid's `error_code`, or one of ours (`LocalErrorCode`). */
  readonly errorCode: string;
  /** Plaid's words for the person, where it has any. Show as text only. */
  readonly displayMessage: string | undefined;
  /** What Plaid's support asks for. */
  readonly requestId: string | undefined;
  readonly class: PlaidErrorClass;
  /** The call may have had its effect although it failed. Never repeat one that is not idempotent; look it up. */
  readonly isOutcomeUnknown: boolean;
  /** Not before this many milliseconds; undefined where nobody said. */
  readonly retryAfterMs: number | undefined;
}

/**
 * A call to Plaid that failed. Holds nothing of the request and has no `cause`: the client's own errors carry the secret and the
 * access token in their inspection and their JSON.
 */
export class PlaidCallError extends Error implements PlaidCallFailure {
  override readonly name = "PlaidCallError";
  readonly endpoint: string;
  readonly httpStatus: number | undefined;
  readonly errorType: string | undefined;
  readonly errorCode: string;
  readonly displayMessage: string | undefined;
  readonly requestId: string | undefined;
  readonly class: PlaidErrorClass;
  readonly isOutcomeUnknown: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(failure: PlaidCallFailure) {
    super(`${failure.endpoint} failed: ${failure.errorCode} (${failure.class}). ${WHAT_TO_DO[failure.class]}`);
    this.endpoint = failure.endpoint;
    this.httpStatus = failure.httpStatus;
    this.errorType = failure.errorType;
    this.errorCode = failure.errorCode;
    this.displayMessage = failure.displayMessage;
    this.requestId = failure.requestId;
    this.class = failure.class;
    this.isOutcomeUnknown = failure.isOutcomeUnknown;
    this.retryAfterMs = failure.retryAfterMs;
  }

  toJSON(): Record<string, unknown> {
    return {
      name: this.name,
      message: this.message,
      endpoint: this.endpoint,
      httpStatus: this.httpStatus,
      errorType: this.errorType,
      errorCode: this.errorCode,
      requestId: this.requestId,
      class: this.class,
      isOutcomeUnknown: this.isOutcomeUnknown,
      retryAfterMs: this.retryAfterMs,
    };
  }

  [inspect.custom](): string {
    return `${this.stack ?? this.message} ${JSON.stringify(this)}`;
  }
}

const WHAT_TO_DO: Record<PlaidErrorClass, string> = {
  RELINK: "Ask the person to repair the link.",
  USER_AT_BANK: "The person has to act at the institution, then repair the link.",
  GONE: "The item is no longer there.",
  NOT_APPLICABLE: "Leave this product out for this item.",
  WAIT: "Wait for the webhook or try later.",
  RESTART_PAGINATION: "Read again from the cursor that the run began with.",
  TRANSIENT: "Try again later.",
  TERMINAL: "It will not work again for this item.",
  BACKOFF: "Call less often.",
  REFUSED_INPUT: "Begin again with a new token or key.",
  OPERATOR: "Look at our request and configuration.",
};
