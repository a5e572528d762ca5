import { isAxiosError, type AxiosError } from "axios";
import { z } from "zod";
import { classifyPlaidError } from "./classify-error.js";
import {
  PlaidCallError,
  type LocalErrorCode,
  type PlaidCallFailure,
  type PlaidErrorClass,
} from "./plaid-call-error.js";

/**
 * Turns whatever the client throws into a PlaidCallError, and lets nothing else through: the client's errors hold the request with the
 * secret and the access token. Only fields of known shape are taken over from Plaid's body, so no stray text reaches a log.
 */
const MAX_DISPLAY = 500;
const MAX_RETRY_AFTER_MS = 4 * 3_600_000;

const code = z.string().regex(/^[A-Z0-9_]{1,100}$/);
export const requestId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
export const plaidErrorBody = z.object({
  error_type: code,
  error_code: code,
  display_message: z.string().nullish(),
  request_id: requestId.optional().catch(undefined),
});

/** The connection was never there: nothing was sent. */
const NEVER_CONNECTED = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
]);
const TOO_LATE = new Set(["ECONNABORTED", "ETIMEDOUT", "ERR_CANCELED"]);

export function toCallError(path: string, thrown: unknown): PlaidCallError {
  if (thrown instanceof PlaidCallError) return thrown;
  if (!isAxiosError(thrown)) return localFailure(path, "CONNECTION_LOST");
  const body = plaidErrorBody.safeParse(thrown.response?.data);
  if (thrown.response !== undefined && body.success) return fromBody(path, thrown, body.data);
  return withoutBody(path, thrown);
}

/** An answer that cannot be used, although it says that all is well. */
export function unreadableAnswer(path: string, httpStatus: number | undefined): PlaidCallError {
  return localFailure(path, "UNREADABLE_ANSWER", { httpStatus });
}

/** Nothing was sent, because we held it back ourselves. */
export function heldBack(
  path: string,
  errorCode: "BREAKER_OPEN" | "LOCAL_RATE_LIMIT",
  retryAfterMs: number | undefined,
): PlaidCallError {
  const errorClass = errorCode === "BREAKER_OPEN" ? "TRANSIENT" : "BACKOFF";
  return localFailure(path, errorCode, { class: errorClass, retryAfterMs });
}

export function wasHeldBack(error: PlaidCallError): boolean {
  return error.errorCode === "BREAKER_OPEN" || error.errorCode === "LOCAL_RATE_LIMIT";
}

const OUTCOME_KNOWN = new Set<LocalErrorCode>(["NOT_CONNECTED", "BREAKER_OPEN", "LOCAL_RATE_LIMIT"]);

function localFailure(path: string, errorCode: LocalErrorCode, more: Partial<PlaidCallFailure> = {}): PlaidCallError {
  return new PlaidCallError({
    endpoint: path,
    httpStatus: undefined,
    errorType: undefined,
    errorCode,
    displayMessage: undefined,
    requestId: undefined,
    class: "TRANSIENT",
    isOutcomeUnknown: !OUTCOME_KNOWN.has(errorCode),
    retryAfterMs: undefined,
    ...more,
  });
}

function fromBody(path: string, thrown: AxiosError, body: z.infer<typeof plaidErrorBody>): PlaidCallError {
  const httpStatus = thrown.response?.status;
  return new PlaidCallError({
    endpoint: path,
    httpStatus,
    errorType: body.error_type,
    errorCode: body.error_code,
    displayMessage: body.display_message?.slice(0, MAX_DISPLAY),
    requestId: body.request_id,
    class: httpStatus === 429 ? "BACKOFF" : classifyPlaidError(body.error_type, body.error_code),
    // A refusal did nothing. A failure inside may have come after the deed.
    isOutcomeUnknown: httpStatus === undefined || httpStatus >= 500,
    retryAfterMs: retryAfterOf(thrown),
  });
}

function withoutBody(path: string, thrown: AxiosError): PlaidCallError {
  const httpStatus = thrown.response?.status;
  const retryAfterMs = retryAfterOf(thrown);
  if (thrown.code !== undefined && TOO_LATE.has(thrown.code)) return localFailure(path, "TIMEOUT", { httpStatus });
  if (httpStatus === 429)
    return localFailure(path, "UNREADABLE_ANSWER", { httpStatus, retryAfterMs, ...refusedBecause("BACKOFF") });
  if (httpStatus !== undefined && httpStatus >= 300 && httpStatus < 400)
    return localFailure(path, "REDIRECT_REFUSED", { httpStatus });
  if (httpStatus !== undefined && httpStatus >= 400)
    return localFailure(path, "UNREADABLE_ANSWER", { httpStatus, retryAfterMs });
  if (thrown.code !== undefined && NEVER_CONNECTED.has(thrown.code)) return localFailure(path, "NOT_CONNECTED");
  // The client says ERR_BAD_RESPONSE both of an answer that is too large and of one that broke off.
  const isTooLarge = thrown.code === "ERR_BAD_RESPONSE" && thrown.message.includes("exceeded");
  return localFailure(path, isTooLarge ? "UNREADABLE_ANSWER" : "CONNECTION_LOST", { httpStatus });
}

function refusedBecause(errorClass: PlaidErrorClass): Pick<PlaidCallFailure, "class" | "isOutcomeUnknown"> {
  return { class: errorClass, isOutcomeUnknown: false };
}

/** Seconds only; Plaid sends no dates. */
function retryAfterOf(thrown: AxiosError): number | undefined {
  const text: unknown = thrown.response?.headers["retry-after"];
  if (typeof text !== "string" || !/^\d{1,6}$/.test(text)) return undefined;
  return Math.min(Number(text) * 1_000, MAX_RETRY_AFTER_MS);
}
