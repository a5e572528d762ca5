import type { Amount, Tside } from "@florin/kernel";
import type { ChartNode, TrialBalanceRow } from "./context.js";

/**
 * The trial balance by the chart of accounts: each node carries what lies below it, per asset, denomination and phase, and the nodes come in
 * the order of the tree. A code that the chart does not name stands under ASSETS or LIABILITIES, by the side it grows on; a product under what
 * customers owe or hold.
 */
export type TrialBalanceAmounts = Omit<TrialBalanceRow, "debit" | "credit"> & {
  readonly debit: Amount;
  readonly credit: Amount;
};

export interface RolledUpNode {
  readonly code: string;
  readonly name: string;
  readonly parentCode: string | null;
  /** 0: a root. */
  readonly depth: number;
  readonly asset: string;
  readonly denomination: string;
  readonly phase: TrialBalanceRow["phase"];
  readonly debit: Amount;
  readonly credit: Amount;
}

/** Deeper than any chart is; a parent that led back to its child would go on for ever. */
const MAX_DEPTH = 16;

export function rollUp(rows: readonly TrialBalanceAmounts[], chart: readonly ChartNode[]): readonly RolledUpNode[] {
  const nodes = new Map(chart.map((node) => [node.code, node]));
  for (const { code, accountId, tside } of rows)
    if (!nodes.has(code)) nodes.set(code, { code, parentCode: parentOfUnnamed(accountId !== null, tside), name: code });

  const sums = new Map<string, RolledUpNode>();
  const paths = new Map<string, string>();
  for (const row of rows) {
    const path = pathOf(row.code, nodes);
    path.forEach((node, depth) => {
      const key = `${node.code}|${row.asset}|${row.denomination}|${row.phase}`;
      paths.set(key, [...path.slice(0, depth + 1).map(({ code }) => code), ""].join("/"));
      const { asset, denomination, phase } = row;
      const known = sums.get(key);
      const debit = ((known?.debit ?? 0n) + row.debit) as Amount;
      const credit = ((known?.credit ?? 0n) + row.credit) as Amount;
      sums.set(key, { ...node, depth, asset, denomination, phase, debit, credit });
    });
  }
  const orderOf = ([key, node]: [string, RolledUpNode]) =>
    `${node.denomination}|${node.asset}|${node.phase}|${paths.get(key) ?? ""}`;
  return [...sums]
    .map((entry) => ({ node: entry[1], order: orderOf(entry) }))
    .sort((a, b) => Number(a.order > b.order) - Number(a.order < b.order))
    .map(({ node }) => node);
}

function parentOfUnnamed(isInternal: boolean, tside: Tside): string {
  if (isInternal) return tside === "ASSET" ? "ASSETS" : "LIABILITIES";
  return tside === "ASSET" ? "CUSTOMER_LOANS" : "CUSTOMER_DEPOSITS";
}

/** From the root to the code itself. */
function pathOf(code: string, nodes: ReadonlyMap<string, ChartNode>): readonly ChartNode[] {
  const path: ChartNode[] = [];
  for (let at = nodes.get(code); at !== undefined; at = at.parentCode === null ? undefined : nodes.get(at.parentCode)) {
    if (path.length === MAX_DEPTH) throw new Error(`the chart of accounts goes round in a circle at ${code}`);
    path.unshift(at);
  }
  return path;
}
