import type { LinkedProductState } from "@florin/db/accounts";
import type { LocalErrorCode, PlaidCallFailure } from "@florin/plaid";
import { planPauseMs } from "@florin/resilience";

/**
 * What becomes of a job whose call failed, by the class of the failure (linked-accounts.md §1.5). Nothing here ever deletes data: an
 * error is no empty list.
 */
export interface FailurePlan {
  /** Undefined: nothing that people need to see; it is our own turn that has to be waited for. */
  readonly productState: LinkedProductState | undefined;
  /** A code. */
  readonly reason: string;
  /** Undefined: not again until somebody asks: the person, a webhook, a poll. */
  readonly again: { readonly afterMs: number; readonly isFailure: boolean } | undefined;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const TRANSIENT = { floorMs: 1_000, baseMs: 5_000, maxMs: 15 * MINUTE } as const;
const INSTITUTION = { floorMs: 30_000, baseMs: 2 * MINUTE, maxMs: 6 * HOUR } as const;
const OPERATOR = { floorMs: 5 * MINUTE, baseMs: 10 * MINUTE, maxMs: 6 * HOUR } as const;
const DEFAULT_BACKOFF_MS = 60_000;
/** Nothing was sent: our own share of the limit is used up for the moment. */
const OUR_LIMIT = "LOCAL_RATE_LIMIT" satisfies LocalErrorCode;
const MIN_TURN_MS = 1_000;
/** "Not ready yet": asked again after as long as it has been waited for, so the pauses double; a webhook is quicker. */
const WAIT = { minMs: 30_000, maxMs: HOUR, givenUpAfterMs: 48 * HOUR } as const;

export interface FailureFacts {
  /** In a row, before this one. */
  readonly failures: number;
  readonly maxFailures: number;
  /** Since the request that is served. */
  readonly waitedMs: number;
  readonly random: () => number;
}

export function planAfterFailure(
  failure: Pick<PlaidCallFailure, "class" | "errorCode" | "retryAfterMs">,
  facts: FailureFacts,
): FailurePlan {
  const reason = failure.errorCode;
  switch (failure.class) {
    case "NOT_APPLICABLE":
      return { productState: "NOT_APPLICABLE", reason, again: undefined };
    case "WAIT":
      return { productState: "NOT_READY", reason, again: waitAgain(facts.waitedMs) };
    case "RELINK":
    case "USER_AT_BANK":
    case "GONE":
    case "TERMINAL":
      return { productState: "FAILING", reason, again: undefined };
    case "BACKOFF":
      if (reason === OUR_LIMIT)
        return {
          productState: undefined,
          reason,
          again: { afterMs: ourTurnMs(failure.retryAfterMs), isFailure: false },
        };
      return { productState: "FAILING", reason, again: afterRefusal(failure.retryAfterMs, facts) };
    case "RESTART_PAGINATION":
    case "TRANSIENT":
      return { productState: "FAILING", reason, again: grow(isInstitution(reason) ? INSTITUTION : TRANSIENT, facts) };
    case "REFUSED_INPUT":
    case "OPERATOR":
      return { productState: "FAILING", reason, again: grow(OPERATOR, facts) };
  }
}

/** For "not ready" that is no error. */
export function waitAgain(waitedMs: number): FailurePlan["again"] {
  if (waitedMs > WAIT.givenUpAfterMs) return undefined;
  return { afterMs: Math.min(WAIT.maxMs, Math.max(WAIT.minMs, waitedMs)), isFailure: false };
}

function ourTurnMs(retryAfterMs: number | undefined): number {
  return Math.max(MIN_TURN_MS, retryAfterMs ?? DEFAULT_BACKOFF_MS);
}

function isInstitution(code: string): boolean {
  return code.startsWith("INSTITUTION_");
}

function grow(
  pauses: { readonly floorMs: number; readonly baseMs: number; readonly maxMs: number },
  { failures, maxFailures, random }: FailureFacts,
): FailurePlan["again"] {
  if (failures + 1 >= maxFailures) return undefined;
  return { afterMs: pauses.floorMs + planPauseMs(failures + 1, { ...pauses, random }), isFailure: true };
}

function afterRefusal(retryAfterMs: number | undefined, facts: FailureFacts): FailurePlan["again"] {
  const least = retryAfterMs ?? DEFAULT_BACKOFF_MS;
  const more = grow(TRANSIENT, facts);
  return more === undefined ? undefined : { afterMs: least + more.afterMs - TRANSIENT.floorMs, isFailure: true };
}
