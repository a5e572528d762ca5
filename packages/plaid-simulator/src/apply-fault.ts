/**
 * Does to the connection what a fault says. Called once before the work or once after it, with the answer that the work gave.
 * Either the exchange is over afterwards (`over: true`, nothing more may be written), or the fault was a wait and the
 * exchange goes on as if there had been none. Waits take real time and end early when the caller leaves or the simulator stops.
 */
import type { ServerResponse } from "node:http";
import type { FaultAction } from "./faults.js";
import {
  knownError,
  PLAID_ERROR_CODES,
  plaidError,
  toHttpError,
  type PlaidErrorBody,
  type PlaidErrorCode,
} from "./plaid-error.js";

/** An answer ready to be sent. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface FaultyExchange {
  readonly response: ServerResponse;
  /** Stands in the error bodies. */
  readonly requestId: string;
  /** What the work answered; absent before the work. */
  readonly answer?: Answer | undefined;
  /** Aborted when the simulator stops: no wait outlives it. */
  readonly stopping: AbortSignal;
  /** Uniform in [0, 1), from the seed. */
  readonly random: () => number;
}

/** For the call ledger: what the caller saw, as far as anything was sent. */
export type FaultOutcome =
  { readonly over: false } | { readonly over: true; readonly status: number | null; readonly errorCode: string | null };

type KindOf<K extends FaultAction["kind"]> = Extract<FaultAction, { kind: K }>;

export async function applyFault(action: FaultAction, exchange: FaultyExchange): Promise<FaultOutcome> {
  switch (action.kind) {
    case "error":
      return sendError(errorOf(action), exchange);
    case "status":
      return sendStatus(action, exchange);
    case "rate-limit":
      return sendRateLimit(action, exchange);
    case "latency":
      await pause(latencyMs(action, exchange.random), exchange);
      return { over: false };
    case "hang":
      await pause(undefined, exchange);
      exchange.response.destroy();
      return { over: true, status: null, errorCode: null };
    case "reset":
      exchange.response.socket?.resetAndDestroy();
      return { over: true, status: null, errorCode: null };
    case "truncate":
      return truncate(action, exchange);
    case "html":
      return send(exchange, { status: 200, headers: HTML, body: page("Sign in to this network") });
    case "redirect":
      return send(exchange, { status: action.status, headers: { location: action.location }, body: "" });
    case "drip":
      return drip(action, exchange);
    case "content-type": {
      const { status, body } = answerOf(exchange);
      return send(exchange, { status, headers: { "content-type": action.contentType }, body });
    }
    default:
      return action satisfies never;
  }
}

const JSON_TYPE = { "content-type": "application/json" };
const HTML = { "content-type": "text/html; charset=utf-8" };

function page(title: string): string {
  return `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body><h1>${title}</h1><hr></body></html>\n`;
}

/** Faults of what comes after the work are never asked for before it (their `when` says so). */
function answerOf(exchange: FaultyExchange): Answer {
  return exchange.answer ?? { status: 200, headers: JSON_TYPE, body: "{}" };
}

function send({ response }: FaultyExchange, answer: Answer, errorCode: string | null = null): FaultOutcome {
  const length = { "content-length": String(Buffer.byteLength(answer.body)) };
  response.writeHead(answer.status, { ...answer.headers, ...length }).end(answer.body);
  return { over: true, status: answer.status, errorCode };
}

function sendError(
  error: PlaidErrorBody,
  exchange: FaultyExchange,
  headers: Record<string, string> = {},
): FaultOutcome {
  const body = JSON.stringify(toHttpError(error, exchange.requestId), null, 2);
  return send(exchange, { status: error.status, headers: { ...JSON_TYPE, ...headers }, body }, error.error_code);
}

function sendStatus(action: KindOf<"status">, exchange: FaultyExchange): FaultOutcome {
  if (action.status === 500) return sendError(knownError("INTERNAL_SERVER_ERROR"), exchange);
  if (action.status === 503) return sendError(knownError("PLANNED_MAINTENANCE"), exchange);
  return send(exchange, { status: 502, headers: HTML, body: page("502 Bad Gateway") });
}

function sendRateLimit(action: KindOf<"rate-limit">, exchange: FaultyExchange): FaultOutcome {
  const { errorCode, retryAfterSeconds } = action;
  const error = isKnown(errorCode)
    ? knownError(errorCode)
    : plaidError("RATE_LIMIT_EXCEEDED", errorCode, knownError("RATE_LIMIT").error_message, 429);
  const limited = { ...error, status: 429 };
  if (retryAfterSeconds === undefined) return sendError(limited, exchange);
  return sendError(limited, exchange, { "retry-after": String(retryAfterSeconds) });
}

/** A known code brings its type, message and status; what the fault spells out wins. An unknown one is a server's error. */
function errorOf({ errorCode, errorType, errorMessage, httpStatus }: KindOf<"error">): PlaidErrorBody {
  const known = isKnown(errorCode) ? knownError(errorCode) : undefined;
  const type = ERROR_TYPES.find((name) => name === errorType) ?? known?.error_type ?? "API_ERROR";
  const message = errorMessage ?? known?.error_message ?? knownError("INTERNAL_SERVER_ERROR").error_message;
  const extras = known === undefined ? {} : { display_message: known.display_message };
  return plaidError(type, errorCode, message, httpStatus ?? known?.status ?? 400, extras);
}

const ERROR_TYPES = [...new Set(PLAID_ERROR_CODES.map((code) => knownError(code).error_type))];

function isKnown(code: string): code is PlaidErrorCode {
  return PLAID_ERROR_CODES.some((known) => known === code);
}

/** Half of the calls within p50, nine in ten within p90, all within p99; straight lines between. */
function latencyMs({ ms, percentiles }: KindOf<"latency">, random: () => number): number {
  if (percentiles === undefined) return ms ?? 0;
  const { p50, p90, p99 } = percentiles;
  const drawn = random();
  if (drawn < 0.5) return (drawn / 0.5) * p50;
  if (drawn < 0.9) return p50 + ((drawn - 0.5) / 0.4) * (p90 - p50);
  return p90 + ((drawn - 0.9) / 0.1) * (p99 - p90);
}

async function truncate({ keepBytes }: KindOf<"truncate">, exchange: FaultyExchange): Promise<FaultOutcome> {
  const { status, headers, body } = answerOf(exchange);
  const whole = Buffer.from(body, "utf8");
  const kept = whole.subarray(0, Math.min(keepBytes ?? whole.length >> 1, Math.max(0, whole.length - 1)));
  const { response } = exchange;
  response.writeHead(status, { ...headers, "content-length": String(whole.length) });
  await new Promise<void>((resolve) => void response.write(kept, () => resolve()));
  response.destroy();
  return { over: true, status, errorCode: null };
}

async function drip({ bytes, everyMs }: KindOf<"drip">, exchange: FaultyExchange): Promise<FaultOutcome> {
  const { status, headers, body } = answerOf(exchange);
  const whole = Buffer.from(body, "utf8");
  const { response, stopping } = exchange;
  response.writeHead(status, { ...headers, "content-length": String(whole.length) });
  for (let at = 0; at < whole.length && !response.destroyed && !stopping.aborted; at += bytes) {
    response.write(whole.subarray(at, at + bytes));
    await pause(everyMs, exchange);
  }
  if (stopping.aborted) response.destroy();
  else response.end();
  return { over: true, status, errorCode: null };
}

/** Real time; without an end when `ms` is left out. Over at once when the caller leaves or the simulator stops. */
async function pause(ms: number | undefined, { response, stopping }: FaultyExchange): Promise<void> {
  if (response.destroyed || stopping.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = ms === undefined ? undefined : setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      response.off("close", done);
      stopping.removeEventListener("abort", done);
      resolve();
    }
    response.once("close", done);
    stopping.addEventListener("abort", done);
  });
}
