import { setTimeout as delay } from "node:timers/promises";
import { RequestError } from "@florin/kernel";
import { createBulkhead, retry } from "@florin/resilience";
import type { Metrics } from "@florin/telemetry";
import type { z } from "zod";
import { createBreakers, type BreakerTimes } from "./breakers.js";
import { heldBack, toCallError, unreadableAnswer, wasHeldBack } from "./call-failure.js";
import { limitsOf, type Endpoint } from "./endpoints.js";
import { PlaidCallError } from "./plaid-call-error.js";
import type { PlaidEnvironmentName, ProviderCall } from "./plaid-port.js";
import type { Claim, RateLimiter } from "./rate-limiter.js";

/**
 * One call to Plaid, from the wish to the checked answer:
 *
 *   deadline of the whole → up to three tries (reads only) → breakers → turn at the limiter → one of at most CONCURRENCY → send → check
 *
 * Open breakers come first, so that refusing costs nothing. Every try that was made or held back stands in the ledger once. Bounds: the
 * deadline; 3 tries with full jitter; MAX_TURN_MS of waiting for a turn; QUEUE calls waiting for a connection.
 */
export interface CallRunner {
  run<Answer extends z.ZodType>(call: RunnableCall<Answer>): Promise<z.output<Answer>>;
  /** Begins nothing more, and resolves when what is under way has ended, or after DRAIN_MS. */
  close(): Promise<void>;
}

export interface RunnableCall<Answer extends z.ZodType> {
  readonly endpoint: Endpoint;
  readonly itemKey?: string | undefined;
  readonly institutionId?: string | undefined;
  readonly deadlineMs?: number | undefined;
  readonly answer: Answer;
  send(signal: AbortSignal): Promise<{ readonly status: number; readonly data: unknown }>;
}

export interface CallRunnerOptions {
  readonly environment: PlaidEnvironmentName;
  /** undefined: no limits; for a simulator that has none either. */
  readonly limiter: RateLimiter | undefined;
  readonly breaker?: BreakerTimes | undefined;
  readonly random: () => number;
  readonly metrics?: Metrics | undefined;
  /** Must not throw, and must not take long: it is not waited for. */
  readonly onCall?: ((call: ProviderCall) => void) | undefined;
  /** Told where an answer was not as it should be: names of fields, never what stood in them. */
  readonly onUnreadable?: ((endpoint: string, fields: readonly string[]) => void) | undefined;
}

const RETRY = { attempts: 3, baseMs: 250, maxMs: 2_000 } as const;
/** Of Plaid's limit, the part that we use: the rest is for what we cannot see (its clock, a dashboard, a test by hand). */
const MARGIN = 0.9;
const MAX_TURN_MS = 5_000;
const CONCURRENCY = 48;
const QUEUE = 512;
const DRAIN_MS = 5_000;

export function createCallRunner(options: CallRunnerOptions): CallRunner {
  const meters = createMeters(options.metrics);
  const breakers = createBreakers(options.breaker ?? {}, (_name, isOpen) => isOpen && meters.opened());
  const bulkhead = createBulkhead({ concurrency: CONCURRENCY, queue: QUEUE, waitMs: MAX_TURN_MS });
  const underWay = new Set<Promise<unknown>>();
  let isClosed = false;

  async function takeTurn(call: RunnableCall<z.ZodType>, deadline: Deadline): Promise<void> {
    if (options.limiter === undefined) return;
    const claims = claimsOf(call, options.environment);
    const latest = performance.now() + Math.min(MAX_TURN_MS, deadline.leftMs());
    for (;;) {
      const waitMs = await options.limiter.take(claims);
      if (waitMs === 0) return;
      // A little later than the earliest, or all who wait come at once.
      const pauseMs = waitMs + options.random() * 100;
      if (performance.now() + pauseMs > latest) throw heldBack(call.endpoint.path, "LOCAL_RATE_LIMIT", waitMs);
      await delay(pauseMs, undefined, { signal: deadline.signal }).catch(() => undefined);
      if (deadline.signal.aborted) throw heldBack(call.endpoint.path, "LOCAL_RATE_LIMIT", waitMs);
    }
  }

  async function sendAndCheck<Answer extends z.ZodType>(
    call: RunnableCall<Answer>,
    deadline: Deadline,
  ): Promise<z.output<Answer>> {
    const { path } = call.endpoint;
    const response = await call.send(deadline.signal).catch((error: unknown) => {
      throw toCallError(path, error);
    });
    const checked = call.answer.safeParse(response.data);
    if (checked.success) return checked.data;
    options.onUnreadable?.(
      path,
      checked.error.issues.slice(0, 5).map((issue) => issue.path.join(".")),
    );
    throw unreadableAnswer(path, response.status);
  }

  async function attempt<Answer extends z.ZodType>(
    call: RunnableCall<Answer>,
    deadline: Deadline,
  ): Promise<z.output<Answer>> {
    const { path, dependency } = call.endpoint;
    const startedAt = performance.now();
    let sentAt: number | undefined;
    const latency = () => performance.now() - (sentAt ?? startedAt);
    try {
      const answer = await breakers.run({ path, dependency, institutionId: call.institutionId }, async () => {
        await takeTurn(call, deadline);
        return bulkhead.run(() => {
          sentAt = performance.now();
          return sendAndCheck(call, deadline);
        });
      });
      report(call, undefined, latency(), requestIdOf(answer));
      return answer;
    } catch (thrown) {
      const error = thrown instanceof RequestError ? noConnectionFree(path, thrown) : toCallError(path, thrown);
      report(call, error, latency(), error.requestId);
      throw error;
    }
  }

  function report(
    call: RunnableCall<z.ZodType>,
    error: PlaidCallError | undefined,
    latencyMs: number,
    requestId: string | undefined,
  ): void {
    const outcome = outcomeOf(error);
    meters.called(call.endpoint.path, outcome, latencyMs);
    tellLedger({
      endpoint: call.endpoint.path,
      itemKey: call.itemKey,
      requestId,
      httpStatus: error === undefined ? 200 : error.httpStatus,
      errorCode: error?.errorCode,
      errorClass: error?.class,
      latencyMs: Math.round(latencyMs),
      outcome,
    });
  }

  /** A ledger that fails must not turn an exchange that went well into one whose outcome is unknown. */
  function tellLedger(call: ProviderCall): void {
    try {
      options.onCall?.(call);
    } catch {
      meters.ledgerFailed();
    }
  }

  async function run<Answer extends z.ZodType>(call: RunnableCall<Answer>): Promise<z.output<Answer>> {
    const deadline = startDeadline(Math.min(call.deadlineMs ?? Infinity, call.endpoint.timeoutMs));
    try {
      return await retry(() => attempt(call, deadline), {
        ...RETRY,
        attempts: call.endpoint.isRepeatable ? RETRY.attempts : 1,
        random: options.random,
        shouldRetry: isWorthRepeating,
        signal: deadline.signal,
      });
    } finally {
      deadline.clear();
    }
  }

  return {
    run: (call) => {
      if (isClosed) return Promise.reject(heldBack(call.endpoint.path, "BREAKER_OPEN", undefined));
      const running = run(call);
      underWay.add(running);
      const forget = () => underWay.delete(running);
      running.then(forget, forget);
      return running;
    },
    close: async () => {
      isClosed = true;
      const waited = new AbortController();
      const patience = delay(DRAIN_MS, undefined, { signal: waited.signal }).catch(() => undefined);
      await Promise.race([Promise.allSettled([...underWay]), patience]);
      waited.abort();
    },
  };
}

interface Deadline {
  readonly signal: AbortSignal;
  leftMs(): number;
  clear(): void;
}

function startDeadline(ms: number): Deadline {
  const controller = new AbortController();
  const endsAt = performance.now() + ms;
  const timer = setTimeout(() => controller.abort(), ms);
  return { signal: controller.signal, leftMs: () => endsAt - performance.now(), clear: () => clearTimeout(timer) };
}

/** An institution that is down stays so for longer than our tries; what was held back here would be again. */
function isWorthRepeating(error: unknown): boolean {
  return (
    error instanceof PlaidCallError &&
    error.class === "TRANSIENT" &&
    error.errorType !== "INSTITUTION_ERROR" &&
    error.errorCode !== "TIMEOUT" &&
    !wasHeldBack(error)
  );
}

function claimsOf(call: RunnableCall<z.ZodType>, environment: PlaidEnvironmentName): Claim[] {
  const { path } = call.endpoint;
  const { item, client } = limitsOf(call.endpoint, environment);
  const ours = (limit: number) => Math.max(1, Math.floor(limit * MARGIN));
  const claims = [{ key: `client:${path}`, limit: ours(client) }];
  if (item !== undefined && call.itemKey !== undefined)
    claims.push({ key: `item:${path}:${call.itemKey}`, limit: ours(item) });
  return claims;
}

function noConnectionFree(path: string, refusal: RequestError): PlaidCallError {
  return heldBack(path, "LOCAL_RATE_LIMIT", refusal.retryAfterMs);
}

function outcomeOf(error: PlaidCallError | undefined): ProviderCall["outcome"] {
  if (error === undefined) return "ok";
  if (wasHeldBack(error)) return "not_sent";
  if (error.isOutcomeUnknown) return "unknown";
  return error.httpStatus === undefined ? "failed" : "refused";
}

/** Every answer of ours but two carries it. */
function requestIdOf(answer: unknown): string | undefined {
  const hasOne = typeof answer === "object" && answer !== null && "requestId" in answer;
  return hasOne && typeof answer.requestId === "string" ? answer.requestId : undefined;
}

function createMeters(metrics: Metrics | undefined) {
  const calls = metrics?.counter({
    name: "florin_plaid_calls_total",
    help: "Calls to Plaid by endpoint and how they went",
    labelNames: ["endpoint", "outcome"],
  });
  const seconds = metrics?.histogram({
    name: "florin_plaid_call_seconds",
    help: "Time from sending a call to Plaid to its answer",
    labelNames: ["endpoint"],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
  });
  const opened = metrics?.counter({
    name: "florin_plaid_breaker_opened_total",
    help: "How often a breaker opened: an endpoint group or an institution was down",
  });
  const ledgerFailures = metrics?.counter({
    name: "florin_plaid_call_ledger_failures_total",
    help: "Calls to Plaid that the ledger of calls could not take",
  });
  return {
    ledgerFailed: () => ledgerFailures?.inc(),
    opened: () => opened?.inc(),
    called: (endpoint: string, outcome: ProviderCall["outcome"], latencyMs: number) => {
      calls?.inc({ endpoint, outcome });
      if (outcome !== "not_sent") seconds?.observe({ endpoint }, latencyMs / 1_000);
    },
  };
}
