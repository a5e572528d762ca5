import type { Metrics } from "@florin/telemetry";

/** What the worker counts. No ids in labels. */
export interface SyncMeters {
  job(kind: string, outcome: "done" | "deferred" | "gave_up" | "lease_lost"): void;
  /** Changes of transactions that a run committed. */
  transactions(count: number): void;
  restart(reason: "mutation" | "cursor"): void;
  webhook(outcome: string): void;
  /** Of an item that is not ours: an orphan that is billed, or a stranger's. */
  unknownItem(): void;
  due(kind: string, count: number, oldestSeconds: number): void;
  staleness(product: string, seconds: number): void;
  droppedCalls(count: number): void;
}

export function createSyncMeters(metrics: Metrics): SyncMeters {
  const jobs = metrics.counter({
    name: "florin_linked_jobs_total",
    help: "Runs of jobs for linked items",
    labelNames: ["kind", "outcome"],
  });
  const transactions = metrics.counter({
    name: "florin_linked_transaction_changes_total",
    help: "Transactions of institutions that were put or removed",
  });
  const restarts = metrics.counter({
    name: "florin_linked_sync_restarts_total",
    help: "Runs of transactions that began again",
    labelNames: ["reason"],
  });
  const webhooks = metrics.counter({
    name: "florin_linked_webhooks_total",
    help: "Webhooks by what became of them",
    labelNames: ["outcome"],
  });
  const unknownItems = metrics.counter({
    name: "florin_linked_unknown_items_total",
    help: "Webhooks of items that are not ours: look for an orphan",
  });
  const due = metrics.gauge({ name: "florin_linked_jobs_due", help: "Jobs that are due", labelNames: ["kind"] });
  const oldest = metrics.gauge({
    name: "florin_linked_jobs_oldest_seconds",
    help: "How long the oldest due job has waited",
    labelNames: ["kind"],
  });
  const staleness = metrics.gauge({
    name: "florin_linked_staleness_seconds",
    help: "Age of the stalest data of items that can be read",
    labelNames: ["product"],
  });
  const dropped = metrics.counter({
    name: "florin_linked_calls_dropped_total",
    help: "Calls to Plaid that could not be recorded",
  });
  return {
    job: (kind, outcome) => jobs.inc({ kind, outcome }),
    transactions: (count) => transactions.inc(count),
    restart: (reason) => restarts.inc({ reason }),
    webhook: (outcome) => webhooks.inc({ outcome }),
    unknownItem: () => unknownItems.inc(),
    due: (kind, count, oldestSeconds) => {
      due.set({ kind }, count);
      oldest.set({ kind }, oldestSeconds);
    },
    staleness: (product, seconds) => staleness.set({ product }, seconds),
    droppedCalls: (count) => dropped.inc(count),
  };
}
