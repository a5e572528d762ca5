import {
  DEFAULT_ADDRESS,
  exactToJson,
  type BalanceFilter,
  type BalanceSnapshot,
  type DataRequirements,
  type Exact,
  type HookData,
  type HookKind,
  type InstructionChange,
  type Json,
} from "@florin/kernel";

/**
 * A hook's data as the text that crosses into the sandbox. Only what the hook declared crosses (FET-1): that keeps the text short and
 * leaves nothing in there to be found. run-product.ts reads it.
 */
export type HookText<K extends HookKind = HookKind> = (data: HookData<K>) => string;

export function hookTextOf<K extends HookKind>(kind: K, reads: DataRequirements): HookText<K> {
  const declared = declaredOf(reads);
  if (kind !== "prePosting") return (data) => toText(declared(data));
  return (data) => prePostingText(declared(data) as HookData<"prePosting">);
}

function toText(value: object): string {
  return JSON.stringify(toJson(value));
}

/** Interfaces have no index signature, so the compiler cannot see that they are plain data; they are (hook.ts). */
function toJson(value: object): Json {
  return exactToJson(value as Exact);
}

function declaredOf(reads: DataRequirements): (data: HookData) => HookData {
  const filters = new Map<string, (snapshot: BalanceSnapshot) => BalanceSnapshot>();
  for (const [id, filter] of Object.entries(reads.observations ?? {})) filters.set(id, snapshotFilter(filter));
  if (reads.balances !== undefined) filters.set("balances", snapshotFilter({}));
  const intervalIds = [
    ...Object.keys(reads.balanceIntervals ?? {}),
    ...(reads.balances === undefined ? [] : ["balances"]),
  ];
  const postingIds = [
    ...Object.keys(reads.postingIntervals ?? {}),
    ...(reads.postings === undefined ? [] : ["postings"]),
  ];
  const calendarIds = Object.keys(reads.calendars ?? {});
  return (data) => ({
    account: data.account,
    effectiveAt: data.effectiveAt,
    parameters: pick(data.parameters, reads.parameters ?? []) ?? {},
    flags: reads.flags && data.flags?.filter((flag) => reads.flags?.includes(flag)),
    observations: filters.size === 0 ? undefined : filtered(data.observations, filters),
    balanceIntervals: pick(data.balanceIntervals, intervalIds),
    postingIntervals: pick(data.postingIntervals, postingIds),
    calendars: pick(data.calendars, calendarIds),
    lastExecutions: pick(data.lastExecutions, reads.lastExecutions ?? []),
    occasion: data.occasion,
  });
}

function pick<T>(
  from: Readonly<Record<string, T>> | undefined,
  names: readonly string[],
): Record<string, T> | undefined {
  if (from === undefined || names.length === 0) return undefined;
  const picked: Record<string, T> = {};
  for (const name of names) if (Object.hasOwn(from, name)) picked[name] = from[name]!;
  return picked;
}

function filtered(
  observations: HookData["observations"],
  filters: ReadonlyMap<string, (snapshot: BalanceSnapshot) => BalanceSnapshot>,
): HookData["observations"] {
  if (observations === undefined) return undefined;
  const seen: Record<string, BalanceSnapshot> = {};
  for (const [id, filter] of filters) if (observations[id] !== undefined) seen[id] = filter(observations[id]);
  return seen;
}

/** By the first and last part of a coordinate's key. */
function snapshotFilter({ addresses = [DEFAULT_ADDRESS], phases }: BalanceFilter) {
  return (snapshot: BalanceSnapshot): BalanceSnapshot => {
    const seen: Record<string, BalanceSnapshot[string]> = {};
    for (const key of Object.keys(snapshot)) {
      const isSeen =
        addresses.includes(key.slice(0, key.indexOf("|"))) &&
        (phases === undefined || (phases as readonly string[]).includes(key.slice(key.lastIndexOf("|") + 1)));
      if (isSeen) seen[key] = snapshot[key]!;
    }
    return seen;
  };
}

/** Three lines: what most products look at, facts of the account, and what is parsed only when somebody asks. */
function prePostingText({
  account,
  effectiveAt,
  parameters,
  flags,
  observations,
  calendars,
  occasion,
}: HookData<"prePosting">) {
  const { accountId, denomination, tside, openedAt } = account;
  let head = `${accountId}|${denomination}|${tside}|${openedAt}|${effectiveAt}`;
  for (const { index, type, advice, overSettledAmount, before, after } of occasion.instructions)
    head += `|${index}|${type}|${advice ? 1 : 0}|${overSettledAmount}|${netsText(before)}|${netsText(after)}`;
  const facts = JSON.stringify([
    parameters,
    flags ?? null,
    observations === undefined ? null : toJson(observations),
    calendars === undefined ? null : toJson(calendars),
  ]);
  return `${head}\n${facts}\n${JSON.stringify(occasion.instructions.map(restOf))}`;
}

function netsText({ committed, pendingIn, pendingOut, available }: InstructionChange["before"]): string {
  return `${committed}|${pendingIn}|${pendingOut}|${available}`;
}

function restOf({ legs, clientTransaction, details }: InstructionChange) {
  return toJson({ legs, clientTransaction, details });
}
