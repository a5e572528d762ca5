import { RequestError } from "@florin/kernel";

/** COMMIT came back, but its wait for a synchronous replica was given up: durable here, perhaps not there. */
export class OutcomeUnknownError extends Error {
  override readonly name = "OutcomeUnknownError";
  readonly code = "OUTCOME_UNKNOWN";

  constructor() {
    super("The wait for the synchronous replica was given up; whether the commit survives a failover is unknown.");
  }
}

/** None of the hosts is the primary, or none may be used as such. Nothing was sent. */
export class NoPrimaryError extends Error {
  override readonly name = "NoPrimaryError";
  readonly code = "NO_PRIMARY";

  constructor(waitedMs: number, refusal: string) {
    super(`No database could be used within ${Math.round(waitedMs)} ms: ${refusal}. See docs/failover.md.`);
  }
}

/** The connection was dropped because another host is the primary now; what was under way on it may have happened. */
export class PrimaryChangedError extends Error {
  override readonly name = "PrimaryChangedError";
  readonly code = "PRIMARY_CHANGED";

  constructor() {
    super("Another host is the primary now; this connection was dropped and the outcome is unknown.");
  }
}

/**
 * What a failed database call means for what it wanted to write:
 *   not-applied  nothing has happened, and trying again soon may succeed
 *   unknown      it may have happened: read again by idempotency key before anything else
 *   refused      nothing has happened, and trying again would end the same way (a constraint, bad SQL, an error of the work itself)
 */
export type DatabaseErrorClass = "not-applied" | "unknown" | "refused";

/**
 * Serialization, deadlock, lock not available, read-only (a standby), a statement out of time, starting up, too many connections, out of
 * memory or disk (53100: the server stays up and refuses until there is space, so a pause before the next try is the caller's part),
 * writes to the book halted (FL005: the head's trigger).
 */
const NOT_APPLIED_STATES = new Set([
  "40001",
  "40P01",
  "25006",
  "55P03",
  "57014",
  "57P03",
  "53000",
  "53100",
  "53200",
  "53300",
  "53400",
  "FL005",
]);
/** No connection was ever there, or the pool was closed before anything was sent. */
const NOT_APPLIED_CODES = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "CONNECT_TIMEOUT",
  "CONNECTION_ENDED",
  "NO_PRIMARY",
]);
const UNKNOWN_CODES = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "DATABASE_DEADLINE",
  "OUTCOME_UNKNOWN",
  "PRIMARY_CHANGED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENETUNREACH",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_WRITE_AFTER_END",
]);
/** Server shut down or crashed (57P01, 57P02), connection exception (08), system error (58), internal error (XX). */
const UNKNOWN_STATE = /^(57P01|57P02|57P05|25P03|08...|58...|XX...)$/;
const SQL_STATE = /^[0-9A-Z]{5}$/;

export function classifyDatabaseError(error: unknown): DatabaseErrorClass {
  if (error instanceof RequestError) return error.code === "TEMPORARILY_UNAVAILABLE" ? "not-applied" : "refused";
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  if (typeof code !== "string") return "refused";
  if (NOT_APPLIED_CODES.has(code) || NOT_APPLIED_STATES.has(code)) return "not-applied";
  if (UNKNOWN_CODES.has(code) || (SQL_STATE.test(code) && UNKNOWN_STATE.test(code))) return "unknown";
  return "refused";
}

export function isOutcomeUnknown(error: unknown): boolean {
  return classifyDatabaseError(error) === "unknown";
}
