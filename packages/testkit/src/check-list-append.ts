import { ALL, DependencyGraph, RT, RW, WR, WW, type Edge, type FrozenGraph } from "./dependency-graph.js";
import { completedOperations, type Anomaly, type Completed, type HistoryEntry } from "./history.js";
import {
  checkElements,
  collectVersions,
  externalReads,
  versionOf,
  type ListTransaction,
  type ListVersions,
} from "./list-versions.js";

/**
 * Is a history of transactions on append-only lists strictly serializable? The idea is Elle's (Kingsbury and Alvaro, "Elle: Inferring
 * Isolation Anomalies from Experimental Observations", 2020), for list-append.
 *
 *   1. reads tell the order of the appends to each list                       incompatible-order, duplicate-element
 *   2. single elements tell of writes that should not be seen, or should      phantom, G1a, G1b, internal, lost-append
 *   3. that order is edges between transactions:
 *        ww  wrote the element right before          wr  wrote what the other read last
 *        rw  read the list before the other wrote    rt  was over before the other began
 *   4. a cycle of such edges is what no serial order explains                  G0, G1c, G-single, G2-item; …-realtime with an rt in it
 *
 * Sound: what it reports is wrong whatever else happened. Costs one pass over the reads and O(transactions × processes) edges; 200 000
 * transactions of 16 processes take seconds. What a read does not show (the beginning of a long list) is filled from other reads;
 * positions that nobody read are reported as "unread", because nothing is known about them.
 */
export interface ListAppendReport {
  /** At most 20 of a kind; `counts` has them all. */
  readonly anomalies: readonly Anomaly[];
  readonly counts: Readonly<Record<string, number>>;
  readonly transactions: number;
  readonly edges: number;
}

const SHOWN_OF_A_KIND = 20;
/** How many edges of a component are tried as the beginning of a cycle of one kind; an unexplained component is reported all the same. */
const TRIES = 200;

export function checkListAppend(entries: readonly HistoryEntry<ListTransaction>[]): ListAppendReport {
  const anomalies: Anomaly[] = [];
  const counts: Record<string, number> = {};
  const report = (kind: string, what: string): void => {
    counts[kind] = (counts[kind] ?? 0) + 1;
    if (counts[kind] <= SHOWN_OF_A_KIND) anomalies.push({ kind, what });
  };
  const transactions = completedOperations(entries).filter(({ f }) => f === "txn");
  const lists = collectVersions(transactions, report);
  checkElements(transactions, lists, report);

  const graph = new DependencyGraph(transactions.length);
  addDependencies(graph, transactions, lists);
  addRealTime(graph, transactions);
  const frozen = graph.freeze();
  for (const component of frozen.components()) {
    const cycles = findCycles(frozen, new Set(component));
    if (cycles.size === 0) report("cycle", `${component.length} transactions depend on each other in circles`);
    for (const [kind, cycle] of cycles) report(kind, show(cycle, transactions));
  }
  return { anomalies, counts, transactions: transactions.length, edges: frozen.edges };
}

function addDependencies(
  graph: DependencyGraph,
  transactions: readonly Completed<ListTransaction>[],
  lists: ReadonlyMap<string, ListVersions>,
): void {
  const writerAt = ({ order, appends }: ListVersions, position: number): number | undefined => {
    const element = order[position];
    const writer = element === undefined ? undefined : appends.get(element)?.transaction;
    return writer === undefined || transactions[writer]?.type === "fail" ? undefined : writer;
  };
  for (const list of lists.values())
    for (let position = 1; position < list.order.length; position++) {
      const [before, after] = [writerAt(list, position - 1), writerAt(list, position)];
      if (before !== undefined && after !== undefined) graph.add(before, after, WW);
    }
  transactions.forEach(({ type, value }, reader) => {
    if (type !== "ok") return;
    for (const { key, view } of externalReads(value)) {
      const list = lists.get(key);
      if (list === undefined) continue;
      const seen = writerAt(list, versionOf(view) - 1);
      const next = writerAt(list, versionOf(view));
      if (seen !== undefined) graph.add(seen, reader, WR);
      if (next !== undefined) graph.add(reader, next, RW);
    }
  });
}

/**
 * Who was over before whom began. Only the latest need an edge: of those that are over, the ones that nobody since has followed; there
 * are never more of them than processes.
 */
function addRealTime(graph: DependencyGraph, transactions: readonly Completed<ListTransaction>[]): void {
  const events = transactions.flatMap(({ type, beganAt, endedAt }, transaction) => [
    { at: beganAt, isEnd: false, transaction },
    ...(type === "ok" ? [{ at: endedAt, isEnd: true, transaction }] : []),
  ]);
  // At the same microsecond nobody was before anybody: begins first.
  events.sort((a, b) => a.at - b.at || Number(a.isEnd) - Number(b.isEnd));
  const frontier = new Set<number>();
  const followed = new Map<number, readonly number[]>();
  for (const { isEnd, transaction } of events) {
    if (isEnd) {
      for (const before of followed.get(transaction) ?? []) frontier.delete(before);
      followed.delete(transaction);
      frontier.add(transaction);
      continue;
    }
    for (const before of frontier) graph.add(before, transaction, RT);
    followed.set(transaction, [...frontier]);
  }
}

/** From the worst kind on: the cycle begins with an edge of `first` and comes back over edges of `rest`. */
const SEARCHES: readonly { readonly first: number; readonly rest: number }[] = [
  { first: WW, rest: WW },
  { first: WR, rest: WW | WR },
  { first: RW, rest: WW | WR },
  { first: RW, rest: WW | WR | RW },
  { first: WW, rest: WW | RT },
  { first: WR, rest: WW | WR | RT },
  { first: RW, rest: WW | WR | RT },
  { first: RW, rest: ALL },
];

/** One cycle of each kind that is found; more than one kind may be in one component. */
function findCycles(graph: FrozenGraph, component: ReadonlySet<number>): ReadonlyMap<string, readonly Edge[]> {
  const found = new Map<string, readonly Edge[]>();
  for (const { first, rest } of SEARCHES) {
    let tries = 0;
    for (const edge of graph.edgesWithin(component, first)) {
      if (++tries > TRIES) break;
      const back = graph.pathWithin(component, edge.to, edge.from, rest);
      if (back === undefined) continue;
      const cycle = [edge, ...back];
      const kind = kindOf(cycle);
      if (!found.has(kind)) found.set(kind, cycle);
      break;
    }
  }
  return found;
}

function kindOf(cycle: readonly Edge[]): string {
  const count = (type: number): number => cycle.filter((edge) => edge.type === type).length;
  const suffix = count(RT) > 0 ? "-realtime" : "";
  if (count(RW) > 1) return `G2-item${suffix}`;
  if (count(RW) === 1) return `G-single${suffix}`;
  return `${count(WR) > 0 ? "G1c" : "G0"}${suffix}`;
}

const NAMES: Readonly<Record<number, string>> = { [WW]: "ww", [WR]: "wr", [RW]: "rw", [RT]: "rt" };

function show(cycle: readonly Edge[], transactions: readonly Completed<ListTransaction>[]): string {
  const name = (node: number): string => `${transactions[node]?.index ?? node}`;
  const steps = cycle.map((edge) => `${name(edge.from)} -${NAMES[edge.type]}->`).join(" ");
  const bodies = cycle
    .slice(0, 4)
    .map(({ from }) => `${name(from)}: ${shorten(JSON.stringify(transactions[from]?.value))}`);
  return `${steps} ${name(cycle[0]?.from ?? 0)}; ${bodies.join("; ")}`;
}

function shorten(text: string | undefined): string {
  return text === undefined || text.length <= 300 ? (text ?? "") : `${text.slice(0, 150)} … ${text.slice(-150)}`;
}
