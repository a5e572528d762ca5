import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  ExponentialBackoff,
  circuitBreaker,
  handleWhen,
  noJitterGenerator,
  type CircuitBreakerPolicy,
} from "cockatiel";
import { heldBack, wasHeldBack } from "./call-failure.js";
import { PlaidCallError } from "./plaid-call-error.js";

/**
 * A breaker for each thing that can be down by itself: a group of endpoints at Plaid, and an institution behind it.
 *
 * Closed: calls pass; `failuresToOpen` failures in a row open it. Open: every call is refused at once, for a pause that grows with each
 * failed probe. Then half open: one call probes, all others are refused at once. Only what is the dependency's own fault counts; that an
 * item needs a login or that we called too often shows a dependency that answers, and ends the row.
 */
export interface Breakers {
  /** Rejects with BREAKER_OPEN without calling `work` where a breaker in its way is open. */
  run<T>(call: BreakerCall, work: () => Promise<T>): Promise<T>;
}

export interface BreakerCall {
  readonly path: string;
  readonly dependency: string;
  readonly institutionId: string | undefined;
}

export interface BreakerTimes {
  /** Default 5. */
  readonly failuresToOpen?: number | undefined;
  /** First pause. Default 15 s. */
  readonly pauseMs?: number | undefined;
  /** Longest pause. Default 5 min. */
  readonly maxPauseMs?: number | undefined;
}

const MAX_INSTITUTIONS = 1_000;

export function createBreakers(
  times: BreakerTimes,
  onChange: (name: string, isOpen: boolean) => void = () => undefined,
): Breakers {
  const dependencies = new Map<string, Breaker>();
  const institutions = new Map<string, Breaker>();

  function dependencyOf(name: string): Breaker {
    const found = dependencies.get(name) ?? createBreaker(times, isPlaidsFault, (isOpen) => onChange(name, isOpen));
    dependencies.set(name, found);
    return found;
  }

  /** The least used goes where there are too many, and with it what it knew. */
  function institutionOf(id: string): Breaker {
    const found =
      institutions.get(id) ??
      createBreaker(times, isInstitutionsFault, (isOpen) => onChange(`institution:${id}`, isOpen));
    institutions.delete(id);
    institutions.set(id, found);
    for (const oldest of institutions.keys()) {
      if (institutions.size <= MAX_INSTITUTIONS) break;
      institutions.delete(oldest);
    }
    return found;
  }

  return {
    run: (call, work) => {
      const atPlaid = () => dependencyOf(call.dependency).run(call.path, work);
      return call.institutionId === undefined ? atPlaid() : institutionOf(call.institutionId).run(call.path, atPlaid);
    },
  };
}

interface Breaker {
  run<T>(path: string, work: () => Promise<T>): Promise<T>;
}

function createBreaker(
  times: BreakerTimes,
  isItsFault: (error: PlaidCallError) => boolean,
  onChange: (isOpen: boolean) => void,
): Breaker {
  const pauseMs = times.pauseMs ?? 15_000;
  const policy = circuitBreaker(
    handleWhen((error) => error instanceof CountedFailure),
    {
      breaker: new ConsecutiveBreaker(times.failuresToOpen ?? 5),
      // Exact pauses: the random ones begin near nothing, and only one call probes anyway.
      halfOpenAfter: new ExponentialBackoff({
        generator: noJitterGenerator,
        initialDelay: pauseMs,
        maxDelay: times.maxPauseMs ?? 300_000,
      }),
    },
  );
  policy.onBreak(() => onChange(true));
  policy.onReset(() => onChange(false));
  return { run: (path, work) => runThrough(policy, path, work, isItsFault, pauseMs) };
}

/** The policy sees a failure that counts as an error and everything else, however it went, as a success. */
async function runThrough<T>(
  policy: CircuitBreakerPolicy,
  path: string,
  work: () => Promise<T>,
  isItsFault: (error: PlaidCallError) => boolean,
  pauseMs: number,
): Promise<T> {
  // The policy would let us wait for the probe, as long as that takes.
  if (policy.state === CircuitState.HalfOpen) throw heldBack(path, "BREAKER_OPEN", pauseMs);
  const isProbe = policy.state === CircuitState.Open;
  try {
    const settled = await policy.execute(async () => {
      try {
        return { value: await work() };
      } catch (error) {
        if (!(error instanceof PlaidCallError)) throw error;
        // A probe that was held back on its way has shown nothing.
        if (isItsFault(error) || (isProbe && wasHeldBack(error))) throw new CountedFailure(error);
        return { error };
      }
    });
    if ("error" in settled) throw settled.error;
    return settled.value;
  } catch (error) {
    if (error instanceof CountedFailure) throw error.failure;
    if (error instanceof BrokenCircuitError) throw heldBack(path, "BREAKER_OPEN", pauseMs);
    throw error;
  }
}

/** Between us and the policy alone; never leaves this file. */
class CountedFailure extends Error {
  override readonly name = "CountedFailure";
  readonly failure: PlaidCallError;

  constructor(failure: PlaidCallError) {
    super(failure.errorCode);
    this.failure = failure;
  }
}

function isPlaidsFault(error: PlaidCallError): boolean {
  return error.class === "TRANSIENT" && error.errorType !== "INSTITUTION_ERROR" && !wasHeldBack(error);
}

function isInstitutionsFault(error: PlaidCallError): boolean {
  return error.class === "TRANSIENT" && error.errorType === "INSTITUTION_ERROR";
}
