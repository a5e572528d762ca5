import { completedOperations, type Anomaly, type HistoryEntry } from "./history.js";

/**
 * I2: every acknowledged operation is there exactly once, what was refused did not happen, and what nobody knows happened once or
 * not at all, and is final. Compares what clients were told with the operations that the database has.
 *
 *   lost               ok, and the database has nothing of it
 *   undone             ok, and the database says that it was rejected
 *   doubled            more than one row under one key
 *   refused-then-done  fail, and the database says that it happened
 *   not-final          still undecided when all is over
 *   unknown-key        done under a key that no client sent
 */
export interface KeyedValue {
  readonly key: string;
}

/** A row of the operations, by whatever table the caller reads. */
export interface StoredOperation {
  readonly key: string;
  readonly status: "PENDING" | "COMPLETED" | "REJECTED";
}

/** The last end of a key counts: a client that tries again under the same key learns more. */
export function checkIdempotentHistory<Value extends KeyedValue>(
  entries: readonly HistoryEntry<Value>[],
  stored: readonly StoredOperation[],
): readonly Anomaly[] {
  const told = new Map<string, "ok" | "fail" | "info">();
  const anomalies: Anomaly[] = [];
  for (const { type, invoked, index } of completedOperations(entries)) {
    const before = told.get(invoked.key);
    if ((before === "ok" && type === "fail") || (before === "fail" && type === "ok"))
      anomalies.push({ kind: "refused-then-done", what: `${invoked.key} was ${before} and then ${type} (${index})` });
    if (before === undefined || type !== "info") told.set(invoked.key, type);
  }
  const rows = new Map<string, StoredOperation[]>();
  for (const row of stored) {
    const same = rows.get(row.key);
    if (same === undefined) rows.set(row.key, [row]);
    else same.push(row);
  }
  for (const [key, same] of rows) {
    if (same.length > 1) anomalies.push({ kind: "doubled", what: `${key} has ${same.length} rows` });
    if (!told.has(key)) anomalies.push({ kind: "unknown-key", what: `nobody sent ${key}` });
    if (same.some((row) => row.status === "PENDING"))
      anomalies.push({ kind: "not-final", what: `${key} is undecided` });
  }
  for (const [key, type] of told) {
    const status = rows.get(key)?.[0]?.status;
    if (type === "ok" && status === undefined) anomalies.push({ kind: "lost", what: `${key} was acknowledged` });
    if (type === "ok" && status === "REJECTED") anomalies.push({ kind: "undone", what: `${key} was acknowledged` });
    if (type === "fail" && status === "COMPLETED")
      anomalies.push({ kind: "refused-then-done", what: `${key} was refused` });
  }
  return anomalies;
}
