import type { Clock, Instant } from "@florin/kernel";
import type { InstitutionAnswer } from "./plaid-port.js";

const KEPT_MICROS = 24n * 3_600n * 1_000_000n;
/** With a logo each: some tens of megabytes at the very most. */
const MAX_KEPT = 500;

/** Institutions for a day, the least used going first. Asked for twice at once, fetched once. */
export function createInstitutionCache(clock: Clock): {
  get(institutionId: string, fetch: () => Promise<InstitutionAnswer>): Promise<InstitutionAnswer>;
} {
  const kept = new Map<string, { readonly answer: Promise<InstitutionAnswer>; readonly fetchedAt: Instant }>();
  return {
    get: (institutionId, fetch) => {
      const found = kept.get(institutionId);
      const isFresh = found !== undefined && clock.now() - found.fetchedAt < KEPT_MICROS;
      const entry = isFresh ? found : { answer: fetch(), fetchedAt: clock.now() };
      kept.delete(institutionId);
      kept.set(institutionId, entry);
      // A failure is not kept, and not while somebody newer stands in its place.
      if (!isFresh)
        entry.answer.catch(() => {
          if (kept.get(institutionId) === entry) kept.delete(institutionId);
        });
      for (const oldest of kept.keys()) {
        if (kept.size <= MAX_KEPT) break;
        kept.delete(oldest);
      }
      return entry.answer;
    },
  };
}
