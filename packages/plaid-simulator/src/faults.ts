/**
 * Faults on demand: which call is to fail, and how. This file decides; apply-fault.ts does it to the connection.
 *
 * A fault names the calls it is for (endpoint, item, nth such call, probability) and how many times it strikes. Faults are
 * asked in the order in which they were added; the first that strikes is the one that counts, those before it have
 * only seen the call. Each counts what it saw and how often it struck, so that a test can assert that what it planted happened.
 * The random draws come from the seed: the same calls in the same order meet the same faults.
 */
import { z } from "zod";

/** The most faults that may stand at once; adding one more is refused, so that a forgotten loop cannot fill the memory. */
const MOST_FAULTS = 1_000;

const when = z.enum(["before", "after"]);
const milliseconds = z.number().int().min(0).max(3_600_000);

const action = z.discriminatedUnion("kind", [
  /** Plaid's own error body, by its code (§1.5) or spelt out, with the HTTP status it comes with. */
  z.strictObject({
    kind: z.literal("error"),
    when: when.default("before"),
    errorCode: z.string().min(1),
    errorType: z.string().min(1).optional(),
    errorMessage: z.string().optional(),
    httpStatus: z.number().int().min(400).max(599).optional(),
  }),
  /** Not Plaid but something before it answers: 500 and 503 with Plaid's JSON, 502 with a proxy's HTML page. */
  z.strictObject({
    kind: z.literal("status"),
    when: when.default("before"),
    status: z.union([z.literal(500), z.literal(502), z.literal(503)]),
  }),
  /** 429 whatever the buckets say. `retryAfterSeconds` adds the header that Plaid does not document. */
  z.strictObject({
    kind: z.literal("rate-limit"),
    when: when.default("before"),
    errorCode: z.string().min(1).default("RATE_LIMIT"),
    retryAfterSeconds: z.number().int().min(0).max(86_400).optional(),
  }),
  /** Slow, then served as usual. Real milliseconds: the caller's patience is real too. */
  z.strictObject({
    kind: z.literal("latency"),
    when: when.default("before"),
    ms: milliseconds.optional(),
    percentiles: z.strictObject({ p50: milliseconds, p90: milliseconds, p99: milliseconds }).optional(),
  }),
  /** No answer until the caller leaves or the simulator stops. */
  z.strictObject({ kind: z.literal("hang"), when: when.default("before") }),
  /** The connection is reset: before the work, or after it ("the exchange happened and nobody heard"). */
  z.strictObject({ kind: z.literal("reset"), when: when.default("before") }),
  /** The headers promise the whole answer, the connection ends in its middle. */
  z.strictObject({
    kind: z.literal("truncate"),
    when: z.literal("after").default("after"),
    keepBytes: z.number().int().min(0).optional(),
  }),
  /** 200 with a page of HTML, as a captive portal or a proxy in trouble gives it. */
  z.strictObject({ kind: z.literal("html"), when: when.default("before") }),
  /** Sent elsewhere. A client that follows takes its secret along, so only loopback and reserved test names may be named. */
  z.strictObject({
    kind: z.literal("redirect"),
    when: when.default("before"),
    location: z.string().min(1).refine(isHarmlessAddress, {
      message:
        "must be on loopback or under .test, .example or .invalid: a client that follows it takes its secret along",
    }),
    status: z.union([z.literal(301), z.literal(302), z.literal(307), z.literal(308)]).default(302),
  }),
  /** The right answer, a few bytes at a time. */
  z.strictObject({
    kind: z.literal("drip"),
    when: z.literal("after").default("after"),
    bytes: z.number().int().min(1).default(16),
    everyMs: milliseconds.default(200),
  }),
  /** The right answer under a wrong name. */
  z.strictObject({
    kind: z.literal("content-type"),
    when: z.literal("after").default("after"),
    contentType: z
      .string()
      .regex(/^[\x20-\x7e]+$/)
      .default("text/plain; charset=utf-8"),
  }),
]);

const fault = z.strictObject({
  match: z
    .strictObject({
      endpoint: z.string().startsWith("/").optional(),
      itemId: z.string().min(1).optional(),
      /** Strikes from the nth call on that endpoint and item agree with, counted from 1 since the fault was added. */
      nthCall: z.number().int().min(1).optional(),
      probability: z.number().gt(0).max(1).optional(),
    })
    .default({}),
  action: action.refine((it) => it.kind !== "latency" || (it.ms === undefined) !== (it.percentiles === undefined), {
    message: "latency takes either ms or percentiles",
  }),
  /** How often it strikes before it is spent; left out: until it is removed. */
  times: z.number().int().min(1).optional(),
});

export type FaultAction = z.output<typeof action>;
export type Fault = z.output<typeof fault>;
/** A fault as a caller writes it: what has a usual value may be left out. */
export type FaultInput = z.input<typeof fault>;

/** What the control plane lists of one fault. */
export interface ListedFault extends Fault {
  readonly id: string;
  /** Calls that endpoint and item agreed with. */
  readonly seen: number;
  /** Calls that it struck. */
  readonly struck: number;
  /** Strikes still to come, or null when there is no end. */
  readonly left: number | null;
}

/** The fault was written wrongly; the message says which member and why. */
export class FaultNotUnderstood extends Error {
  override readonly name = "FaultNotUnderstood";
}

/** Reads a fault from a body of the control plane. @throws FaultNotUnderstood */
export function parseFault(body: unknown): Fault {
  const parsed = fault.safeParse(body);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "body"}: ${issue.message}`);
  throw new FaultNotUnderstood(`the fault was not understood: ${problems.join("; ")}`);
}

interface StandingFault {
  readonly id: string;
  readonly fault: Fault;
  seen: number;
  struck: number;
}

/** The faults that stand, and which of them strikes a call. */
export class FaultPlan {
  readonly #random: () => number;
  readonly #faults = new Map<string, StandingFault>();
  #nextId = 1;

  /** @param random uniform in [0, 1), from the seed */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Adds a fault behind those that stand. @returns its id @throws FaultNotUnderstood */
  add(input: FaultInput): string {
    const parsed = parseFault(input);
    if (this.#faults.size >= MOST_FAULTS) {
      throw new FaultNotUnderstood(`${MOST_FAULTS} faults stand already: remove some with DELETE /_sim/faults`);
    }
    const id = `fault-${this.#nextId++}`;
    this.#faults.set(id, { id, fault: parsed, seen: 0, struck: 0 });
    return id;
  }

  /** @returns false when no such fault stands */
  remove(id: string): boolean {
    return this.#faults.delete(id);
  }

  clear(): void {
    this.#faults.clear();
  }

  /** Every fault with its counts, spent ones too: that it struck is what a test came for. */
  list(): ListedFault[] {
    return [...this.#faults.values()].map(({ id, fault: { match, action: does, times }, seen, struck }) => ({
      id,
      match,
      action: does,
      ...(times === undefined ? {} : { times }),
      seen,
      struck,
      left: times === undefined ? null : times - struck,
    }));
  }

  /** The action that strikes this call, or undefined. Asked once a call: every answer is counted. */
  decide(call: { readonly endpoint: string; readonly itemId?: string | undefined }): FaultAction | undefined {
    for (const standing of this.#faults.values()) {
      if (this.#strikes(standing, call)) {
        standing.struck += 1;
        return standing.fault.action;
      }
    }
    return undefined;
  }

  #strikes(
    standing: StandingFault,
    call: { readonly endpoint: string; readonly itemId?: string | undefined },
  ): boolean {
    const { match, times } = standing.fault;
    if (match.endpoint !== undefined && match.endpoint !== call.endpoint) return false;
    if (match.itemId !== undefined && match.itemId !== call.itemId) return false;
    standing.seen += 1;
    if (times !== undefined && standing.struck >= times) return false;
    if (match.nthCall !== undefined && standing.seen < match.nthCall) return false;
    return match.probability === undefined || this.#random() < match.probability;
  }
}

/** Loopback, or a name that RFC 2606 keeps for tests: nobody listens there by chance. */
function isHarmlessAddress(location: string): boolean {
  if (!URL.canParse(location)) return false;
  const { protocol, hostname } = new URL(location);
  if (protocol !== "http:" && protocol !== "https:") return false;
  const isLoopback = hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
  return isLoopback || /\.(?:test|example|invalid)$/.test(hostname);
}
