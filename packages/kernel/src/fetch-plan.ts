import {
  parseShorthand,
  resolveInterval,
  resolvePoint,
  type BalanceFilter,
  type DataRequirements,
  type PointContext,
} from "./data-requirement.js";
import type { Instant } from "./instant.js";
import { DEFAULT_ADDRESS, type Phase } from "./instruction.js";

/**
 * What an executor reads for one hook execution, with every point resolved: by the ids of the requirements, all of it as of one known time
 * (FET-6). Addresses and phases are for the query itself (FET-5).
 */
export interface FetchPlan {
  readonly knownAt: Instant;
  readonly observations: Readonly<Record<string, PlannedFilter & { readonly valueAt: Instant }>>;
  readonly balanceIntervals: Readonly<Record<string, PlannedFilter & PlannedInterval>>;
  readonly postingIntervals: Readonly<Record<string, PlannedFilter & PlannedInterval>>;
  readonly calendars: Readonly<Record<string, { readonly ids: readonly string[] } & PlannedInterval>>;
  readonly lastExecutions: readonly string[];
}

interface PlannedFilter {
  readonly addresses: readonly string[];
  readonly phases: readonly Phase[];
}

interface PlannedInterval {
  readonly start: Instant;
  readonly end: Instant;
}

export function planFetches(reads: DataRequirements, context: PointContext & { readonly knownAt: Instant }): FetchPlan {
  const plan = {
    knownAt: context.knownAt,
    observations: {} as Record<string, PlannedFilter & { valueAt: Instant }>,
    balanceIntervals: {} as Record<string, PlannedFilter & PlannedInterval>,
    postingIntervals: {} as Record<string, PlannedFilter & PlannedInterval>,
    calendars: {} as Record<string, { ids: readonly string[] } & PlannedInterval>,
    lastExecutions: reads.lastExecutions ?? [],
  };
  for (const [id, { at, ...filter }] of Object.entries(reads.observations ?? {}))
    plan.observations[id] = { ...toFilter(filter), valueAt: resolvePoint(at, context) };
  for (const kind of ["balanceIntervals", "postingIntervals"] as const)
    for (const [id, { start, end, ...filter }] of Object.entries(reads[kind] ?? {}))
      plan[kind][id] = { ...toFilter(filter), ...resolveInterval({ start, end }, context) };
  for (const [id, { ids, ...interval }] of Object.entries(reads.calendars ?? {}))
    plan.calendars[id] = { ids, ...resolveInterval(interval, context) };
  if (reads.balances !== undefined) {
    const range = meaningOf(reads.balances);
    if ("at" in range) plan.observations["balances"] = { ...toFilter({}), valueAt: resolvePoint(range.at, context) };
    else plan.balanceIntervals["balances"] = { ...toFilter({}), ...resolveInterval(range, context) };
  }
  if (reads.postings !== undefined) {
    const range = meaningOf(reads.postings);
    if ("at" in range) throw new Error(`"${reads.postings}" is a moment, and postings have none`);
    plan.postingIntervals["postings"] = { ...toFilter({}), ...resolveInterval(range, context) };
  }
  return plan;
}

function meaningOf(shorthand: string) {
  const parsed = parseShorthand(shorthand);
  if (parsed === undefined) throw new Error(`"${shorthand}" is no range; defineProduct would have said so`);
  return parsed;
}

function toFilter({ addresses, phases }: BalanceFilter): PlannedFilter {
  return { addresses: addresses ?? [DEFAULT_ADDRESS], phases: phases ?? ["COMMITTED", "PENDING_IN", "PENDING_OUT"] };
}
