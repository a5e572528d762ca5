import {
  amountFromNumeric,
  coordinateKey,
  parseCurrency,
  type BalanceInterval,
  type BalanceSnapshot,
  type FetchPlan,
  type HookData,
  type Phase,
  type PostingEntry,
  type Totals,
  type Uuid,
} from "@florin/kernel";
import type { Sql } from "../connect-database.js";
import { listBalanceChanges, type BalanceChange } from "./balance-history.js";
import { listObservedTotals, type CoordinateTotals } from "./balances.js";

/** What a hook declared and is not live, by the ids of its requirements. */
export type FetchedHookData = Pick<
  HookData,
  "observations" | "balanceIntervals" | "postingIntervals" | "lastExecutions"
>;

/** More than a hook's interval may hold: beyond it the execution fails rather than judges on a part (FET-5). */
const MAX_ENTRIES = 50_000;

/**
 * Reads what a plan names, all of it as of the plan's one known time (FET-6), and no more than its addresses and phases (FET-5). There are no
 * calendars and no schedules yet: no event was ever executed, and a hook that asks for a calendar fails by its own read.
 */
export async function fetchHookData(sql: Sql, accountId: Uuid, plan: FetchPlan): Promise<FetchedHookData> {
  const [observations, balanceIntervals, postingIntervals] = await Promise.all([
    fetchEach(plan.observations, ({ valueAt, ...filter }) => observeAt(sql, accountId, plan, { valueAt }, filter)),
    fetchEach(plan.balanceIntervals, ({ start, end, ...filter }) =>
      fetchInterval(sql, accountId, plan, { start, end }, filter),
    ),
    fetchEach(plan.postingIntervals, ({ start, end, ...filter }) =>
      listEntries(sql, accountId, plan, { start, end }, filter),
    ),
  ]);
  return { observations, balanceIntervals, postingIntervals, lastExecutions: {} };
}

interface Filter {
  readonly addresses: readonly string[];
  readonly phases: readonly Phase[];
}
type Interval = Pick<BalanceInterval, "start" | "end">;

async function fetchEach<In, Out>(
  wanted: Readonly<Record<string, In>>,
  fetch: (one: In) => Promise<Out>,
): Promise<Readonly<Record<string, Out>>> {
  const entries = await Promise.all(Object.entries(wanted).map(async ([id, one]) => [id, await fetch(one)] as const));
  return Object.fromEntries(entries);
}

async function observeAt(
  sql: Sql,
  accountId: Uuid,
  { knownAt }: FetchPlan,
  { valueAt }: { readonly valueAt: Interval["end"] },
  filter: Filter,
): Promise<BalanceSnapshot> {
  const [totals] = await listObservedTotals(sql, [accountId], { at: valueAt, knownAt });
  const snapshot: Record<string, Totals> = {};
  for (const one of totals?.coordinates ?? [])
    if (filter.addresses.includes(one.address) && filter.phases.includes(one.phase)) {
      const { key, total } = toTotals(one);
      snapshot[key] = total;
    }
  return snapshot;
}

function toTotals(one: CoordinateTotals) {
  const denomination = currencyOf(one.denomination);
  const { address, asset, phase } = one;
  return {
    key: coordinateKey({ address, asset, denomination, phase }),
    total: {
      totalDebit: amountFromNumeric(one.totalDebit, denomination),
      totalCredit: amountFromNumeric(one.totalCredit, denomination),
    },
  };
}

async function fetchInterval(
  sql: Sql,
  accountId: Uuid,
  plan: FetchPlan,
  interval: Interval,
  filter: Filter,
): Promise<BalanceInterval> {
  const [opening, changes] = await Promise.all([
    observeAt(sql, accountId, plan, { valueAt: interval.start }, filter),
    listEntries(sql, accountId, plan, interval, filter),
  ]);
  return { ...interval, opening, changes };
}

async function listEntries(
  sql: Sql,
  accountId: Uuid,
  { knownAt }: FetchPlan,
  { start, end }: Interval,
  filter: Filter,
): Promise<readonly PostingEntry[]> {
  const changes = await listBalanceChanges(sql, accountId, { start, end, knownAt }, filter, MAX_ENTRIES + 1);
  if (changes.length > MAX_ENTRIES)
    throw new Error(`a hook asked for more than ${MAX_ENTRIES} postings; let it ask for less`);
  return changes.map((change) => toEntry(accountId, change));
}

function toEntry(accountId: Uuid, change: BalanceChange): PostingEntry {
  const { address, asset, phase, side, amount, batchId, valueAt, knownAt, seq } = change;
  const denomination = currencyOf(change.denomination);
  const leg = {
    accountId,
    address,
    asset,
    denomination,
    phase,
    side,
    amount: amountFromNumeric(amount, denomination),
  };
  return { leg, batchId, valueAt, knownAt, seq };
}

function currencyOf(text: string) {
  const currency = parseCurrency(text);
  if (currency === undefined) throw new Error(`${text} is stored and not registered`);
  return currency;
}
