import type { Completed } from "./history.js";

/** What a transaction does, in order: adds an element to the end of a list, or reads a list. Elements are used once over all lists. */
export type ListOperation = readonly ["append", string, string] | readonly ["r", string, ListView | null];

/** A whole list, or its end: `elements` begin at position `from`, counted from 1. */
export interface ListView {
  readonly from: number;
  readonly elements: readonly string[];
}

export type ListTransaction = readonly ListOperation[];

export interface Append {
  readonly transaction: number;
  /** Whether it is the last that its transaction adds to this list: what another transaction may see at the end. */
  readonly isLast: boolean;
}

/** One list as all reads together tell it. */
export interface ListVersions {
  /** Element by position, from 0; undefined where no read looked. */
  readonly order: (string | undefined)[];
  readonly positions: Map<string, number>;
  readonly appends: Map<string, Append>;
}

export type Report = (kind: string, what: string) => void;

/**
 * The versions of every list. An append-only list is its own history: whoever reads it reads the order of the writes to it.
 * Reports what no order can explain: incompatible-order, duplicate-element.
 */
export function collectVersions(
  transactions: readonly Completed<ListTransaction>[],
  report: Report,
): Map<string, ListVersions> {
  const lists = new Map<string, ListVersions>();
  const listOf = (key: string): ListVersions => {
    let list = lists.get(key);
    if (list === undefined) lists.set(key, (list = { order: [], positions: new Map(), appends: new Map() }));
    return list;
  };
  transactions.forEach(({ invoked }, transaction) => {
    const last = new Map(invoked.flatMap((op) => (op[0] === "append" ? [[op[1], op[2]] as const] : [])));
    for (const [kind, key, element] of invoked) {
      if (kind !== "append") continue;
      const { appends } = listOf(key);
      if (appends.has(element))
        throw new Error(`the workload appended ${element} to ${key} twice; elements are unique`);
      appends.set(element, { transaction, isLast: last.get(key) === element });
    }
  });
  for (const { type, value, index } of transactions) {
    if (type !== "ok") continue;
    for (const [kind, key, view] of value) if (kind === "r" && view !== null) enterView(listOf(key), key, view, index);
  }
  return lists;

  function enterView(list: ListVersions, key: string, view: ListView, index: number): void {
    view.elements.forEach((element, offset) => {
      const position = view.from - 1 + offset;
      const known = list.order[position];
      if (known === undefined) list.order[position] = element;
      else if (known !== element)
        report("incompatible-order", `${index} read ${element} at ${key}[${position}], another read ${known}`);
      const elsewhere = list.positions.get(element);
      if (elsewhere === undefined) list.positions.set(element, position);
      else if (elsewhere !== position && known === undefined)
        report("duplicate-element", `${element} is at ${key}[${elsewhere}] and at [${position}]`);
    });
    const twice = view.elements.length - new Set(view.elements).size;
    if (twice > 0) report("duplicate-element", `${index} read ${twice} elements of ${key} twice`);
  }
}

/** How far a view reaches: the number of elements of the list when it was read. */
export function versionOf(view: ListView): number {
  return view.from - 1 + view.elements.length;
}

/** The reads of others' work: one that follows the transaction's own append to the same list shows itself. */
export function externalReads(transaction: ListTransaction): { readonly key: string; readonly view: ListView }[] {
  const own = new Set<string>();
  const reads: { key: string; view: ListView }[] = [];
  for (const [kind, key, seen] of transaction) {
    if (kind === "append") own.add(key);
    else if (seen !== null && !own.has(key)) reads.push({ key, view: seen });
  }
  return reads;
}

/** What single elements tell: phantom, G1a, G1b, internal, lost-append. */
export function checkElements(
  transactions: readonly Completed<ListTransaction>[],
  lists: ReadonlyMap<string, ListVersions>,
  report: Report,
): void {
  for (const [key, { positions, appends }] of lists)
    for (const element of positions.keys()) {
      const append = appends.get(element);
      if (append === undefined) report("phantom", `nobody appended ${element}, which was read in ${key}`);
      else if (transactions[append.transaction]?.type === "fail")
        report(
          "G1a",
          `${element} of ${key} was read; its transaction ${transactions[append.transaction]?.index} failed`,
        );
    }
  transactions.forEach(({ type, value, index }, transaction) => {
    if (type !== "ok") return;
    for (const { key, view } of externalReads(value)) {
      const last = view.elements.at(-1);
      const append = last === undefined ? undefined : lists.get(key)?.appends.get(last);
      if (append !== undefined && append.transaction !== transaction && !append.isLast)
        report("G1b", `${index} read ${key} up to ${last}, in the middle of transaction ${append.transaction}`);
    }
    checkInternal(value, index, report);
  });
  checkLost(transactions, lists, report);
}

function checkInternal(transaction: ListTransaction, index: number, report: Report): void {
  const own = new Map<string, string[]>();
  for (const [kind, key, seen] of transaction) {
    const appended = own.get(key) ?? [];
    if (kind === "append") own.set(key, [...appended, seen]);
    else if (seen !== null && appended.length > 0 && seen.elements.slice(-appended.length).join() !== appended.join())
      report("internal", `${index} does not see its own appends to ${key}`);
  }
}

/** An append that was acknowledged before a read of its list began is in the list that was read. */
function checkLost(
  transactions: readonly Completed<ListTransaction>[],
  lists: ReadonlyMap<string, ListVersions>,
  report: Report,
): void {
  const lastReads = new Map<string, { readonly beganAt: number; readonly version: number }>();
  for (const { type, value, beganAt } of transactions) {
    if (type !== "ok") continue;
    for (const { key, view } of externalReads(value))
      if (beganAt >= (lastReads.get(key)?.beganAt ?? 0)) lastReads.set(key, { beganAt, version: versionOf(view) });
  }
  for (const [key, { appends, positions, order }] of lists) {
    const last = lastReads.get(key);
    if (last === undefined) continue;
    const unread = Array.from({ length: last.version }, (_, at) => at).filter((at) => order[at] === undefined).length;
    if (unread > 0)
      report("unread", `${unread} of ${last.version} elements of ${key} were never read; read it whole at the end`);
    for (const [element, { transaction }] of appends) {
      const writer = transactions[transaction];
      if (writer?.type === "ok" && writer.endedAt < last.beganAt && !positions.has(element))
        report("lost-append", `${element} of ${key}, acknowledged to ${writer.index}, is not in the list read later`);
    }
  }
}
