import { withDeadline } from "@florin/resilience";

/** What a probe may take before it counts as no. */
const PROBE_MS = 250;
/** Probes come from several balancers at once; the thing probed is asked at most four times a second. */
const KEPT_MS = 250;

/**
 * A yes-or-no question to a part of the system, for readiness: never slower than 250 ms, never more than one at a time, and an
 * answer is good for 250 ms.
 */
export function createProbe(what: string, ask: () => Promise<boolean>): () => Promise<boolean> {
  let answer = false;
  let answeredAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<boolean> | undefined;
  return () => {
    if (performance.now() - answeredAt < KEPT_MS) return Promise.resolve(answer);
    asking ??= withDeadline(ask(), PROBE_MS, what)
      .catch(() => false)
      .then((now) => {
        answer = now;
        answeredAt = performance.now();
        asking = undefined;
        return now;
      });
    return asking;
  };
}
