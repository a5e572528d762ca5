/** What a number of callers got, each of whom asks again as soon as it has its answer. */
export interface LoopResult {
  readonly answers: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly latency: Latency;
}

export interface Latency {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Needs some 120 000 samples before it says much. */
  readonly p9999Ms: number;
  readonly maxMs: number;
}

/**
 * `callers` ask until `seconds` have passed, and the last answers are waited for and counted. Closed loop: a slow answer holds its caller
 * back, so percentiles are those at saturation. The first `ask` that throws ends the run with its error, after the other callers stopped.
 *
 * @param ask one question and the check of its answer; throws when the answer is wrong
 */
export async function runClosedLoop(
  load: { readonly callers: number; readonly seconds: number },
  ask: (caller: number) => Promise<void>,
): Promise<LoopResult> {
  const latenciesMs: number[] = [];
  const begun = performance.now();
  const until = begun + load.seconds * 1_000;
  const faults: unknown[] = [];
  const runCaller = async (caller: number): Promise<void> => {
    for (let at = begun; at < until && faults.length === 0;) {
      const asked = performance.now();
      await ask(caller);
      at = performance.now();
      latenciesMs.push(at - asked);
    }
  };
  await Promise.all(
    Array.from({ length: load.callers }, (_, caller) =>
      runCaller(caller).catch((fault: unknown) => faults.push(fault)),
    ),
  );
  if (faults.length > 0) throw faults[0];
  const seconds = (performance.now() - begun) / 1_000;
  const answers = latenciesMs.length;
  return { answers, seconds, perSecond: answers / seconds, latency: summarize(latenciesMs) };
}

export function summarize(latenciesMs: readonly number[]): Latency {
  const sorted = Float64Array.from(latenciesMs).sort();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { samples: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), p9999Ms: at(0.9999), maxMs: at(1) };
}

/** Of an even number the lower one in the middle: a figure that was measured. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}
