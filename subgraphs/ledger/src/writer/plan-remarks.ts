import {
  affectedBusinessDates,
  formatId,
  formatInstant,
  type AcceptedBatch,
  type Instant,
  type Json,
  type ProcessingGroup,
} from "@florin/kernel";

/** What was noted about an accepted batch and not refused. undefined: nothing, as of most. */
export function remarksOf(accepted: AcceptedBatch, suspended: readonly number[]): Json | undefined {
  const { acceptedDespite, intermediateNegative, adjustsPeriod } = accepted;
  const isSilent = acceptedDespite.length + intermediateNegative.length + suspended.length === 0 && !adjustsPeriod;
  if (isSilent) return undefined;
  return {
    // PI-4: an advice that lacked funds or broke a limit.
    acceptedDespite: nonEmpty(acceptedDespite.map((flag) => ({ ...flag }))),
    // BAL-2: below zero in the past, from and to in value time.
    intermediateNegative: nonEmpty(
      intermediateNegative.map(({ accountId, windows }) => ({
        accountId: formatId("account", accountId),
        windows: windows.map(({ from, to }) => ({
          from: formatInstant(from),
          to: to === undefined ? undefined : formatInstant(to),
        })),
      })),
    ),
    // T-2: booked into a period that was closed, by permission.
    adjustsPeriod: adjustsPeriod ? true : undefined,
    // PI-4: instructions whose account could not take the money, so it lies on SUSPENSE.
    suspended: nonEmpty([...suspended]),
  };
}

function nonEmpty(list: readonly Json[]): readonly Json[] | undefined {
  return list.length === 0 ? undefined : list;
}

/** When business days begin, where no processing group says otherwise. */
export const DEFAULT_PROCESSING_GROUP: ProcessingGroup = { timeZone: "UTC", cutoff: "00:00:00" };

/** T-7: what events about a booking into an earlier business day say beside the rest. */
export function backdatingFacts(
  valueAt: Instant,
  bookedAt: Instant,
  group: ProcessingGroup = DEFAULT_PROCESSING_GROUP,
): { readonly [name: string]: Json } {
  if (valueAt >= bookedAt) return {};
  const dates = affectedBusinessDates(valueAt, bookedAt, group);
  return dates.length === 0 ? {} : { backdated: true, affectedBusinessDates: dates };
}
