import { completedOperations, type Anomaly, type HistoryEntry } from "./history.js";

/**
 * The bank: money moves between a fixed set of accounts, so every read of all of them in one snapshot adds up to the same total.
 * Kinds as in jepsen.tests.bank: unexpected-key, nil-balance, wrong-total, negative-value.
 */
export interface BankRead {
  /** By account, in minor units as text; null where the read said nothing. Absent of what is no read. */
  readonly balances?: Readonly<Record<string, string | null>>;
}

export function checkBank<Value extends BankRead>(
  entries: readonly HistoryEntry<Value>[],
  expected: {
    readonly accounts: readonly string[];
    /** Minor units. */
    readonly total: bigint;
    /** How far below zero an account may be; default 0. */
    readonly limit?: bigint;
  },
): { readonly anomalies: readonly Anomaly[]; readonly reads: number } {
  const known = new Set(expected.accounts);
  const lowest = -(expected.limit ?? 0n);
  const anomalies: Anomaly[] = [];
  let reads = 0;
  for (const { f, type, value, index } of completedOperations(entries)) {
    if (f !== "read" || type !== "ok") continue;
    reads++;
    const fault = faultOf(value.balances ?? {});
    if (fault !== undefined) anomalies.push({ ...fault, what: `read ${index}: ${fault.what}` });
  }
  return { anomalies, reads };

  function faultOf(balances: Readonly<Record<string, string | null>>): Anomaly | undefined {
    const keys = Object.keys(balances);
    const unexpected = keys.filter((key) => !known.has(key));
    if (unexpected.length > 0)
      return { kind: "unexpected-key", what: `accounts nobody knows: ${unexpected.join(", ")}` };
    const missing = expected.accounts.filter((key) => balances[key] === undefined || balances[key] === null);
    if (missing.length > 0) return { kind: "nil-balance", what: `no balance of ${missing.join(", ")}` };
    const values = keys.map((key) => [key, BigInt(balances[key] ?? 0)] as const);
    const sum = values.reduce((total, [, value]) => total + value, 0n);
    if (sum !== expected.total) return { kind: "wrong-total", what: `${sum} instead of ${expected.total}` };
    const negative = values.filter(([, value]) => value < lowest);
    if (negative.length === 0) return undefined;
    return { kind: "negative-value", what: negative.map(([key, value]) => `${key} has ${value}`).join(", ") };
  }
}
