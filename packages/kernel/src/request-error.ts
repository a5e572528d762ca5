/**
 * A request that could not be taken (api.md, "Refusals and errors"). Never a business refusal: those are results.
 * Commands throw it; the GraphQL border turns it into `errors[].extensions`. Nothing has changed when it is thrown.
 */
export const requestErrorCodes = [
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "NOT_FOUND",
  "BAD_USER_INPUT",
  "IDEMPOTENCY_KEY_REUSED",
  "RATE_LIMITED",
  "TEMPORARILY_UNAVAILABLE",
  "COST_LIMIT",
  "CURSOR_EXPIRED",
  "INTERNAL",
] as const;
export type RequestErrorCode = (typeof requestErrorCodes)[number];

/** One fault of the input: where (`input.amount.amount`), what (`AMOUNT_SCALE`), and what to do about it. */
export interface FieldFault {
  readonly path: string;
  readonly code: string;
  readonly message: string;
}

export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly code: RequestErrorCode;
  readonly fields: readonly FieldFault[];
  readonly retryAfterMs: number | undefined;

  constructor(
    code: RequestErrorCode,
    message: string,
    more: { fields?: readonly FieldFault[]; retryAfterMs?: number } = {},
  ) {
    super(message);
    this.code = code;
    this.fields = more.fields ?? [];
    this.retryAfterMs = more.retryAfterMs;
  }
}

/** All faults of one input at once; returns when there are none. */
export function assertInput(faults: readonly FieldFault[]): void {
  if (faults.length === 0) return;
  const summary = faults.map((fault) => `${fault.path}: ${fault.message}`).join(" ");
  throw new RequestError("BAD_USER_INPUT", summary, { fields: faults });
}

export function notFound(what: string): RequestError {
  return new RequestError("NOT_FOUND", `No ${what} with this id that you may see. Check the id.`);
}

export function idempotencyKeyReused(): RequestError {
  return new RequestError(
    "IDEMPOTENCY_KEY_REUSED",
    "This idempotency key was used before with another input. Use a new key for a new request.",
  );
}

/** Retry with the same key: nothing is known to have happened, and the key makes the retry safe. */
export function temporarilyUnavailable(retryAfterMs: number, message?: string): RequestError {
  return new RequestError(
    "TEMPORARILY_UNAVAILABLE",
    message ?? "Busy just now. Send the same request again, with the same key.",
    {
      retryAfterMs,
    },
  );
}
