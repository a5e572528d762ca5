import type { Metrics } from "@florin/telemetry";
import type { WriterOutcome } from "./command.js";

export interface WriterMeters {
  batch(commands: number, ms: number): void;
  failure(kind: string): void;
  outcome(outcome: WriterOutcome): void;
}

/** What the writer tells the metrics. @param pending commands in this process whose outcome is not known yet. */
export function createWriterMeters(metrics: Metrics, pending: () => number): WriterMeters {
  const batchSize = metrics.histogram({
    name: "florin_ledger_batch_commands",
    help: "Commands in one commit of the book's writer.",
    buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000],
  });
  const commitSeconds = metrics.histogram({
    name: "florin_ledger_commit_seconds",
    help: "From reading the head to the end of COMMIT, retries included.",
  });
  const failures = metrics.counter({
    name: "florin_ledger_commit_failures_total",
    help: "Commits that did not go through, by what was known about them.",
    labelNames: ["kind"],
  });
  const outcomes = metrics.counter({
    name: "florin_ledger_outcomes_total",
    help: "Commands that were settled, by outcome.",
    labelNames: ["outcome"],
  });
  metrics.gauge({
    name: "florin_ledger_pending_commands",
    help: "Commands in this process whose outcome is not known yet.",
    collect: pending,
  });
  return {
    batch: (size: number, ms: number) => {
      batchSize.observe(size);
      commitSeconds.observe(ms / 1000);
    },
    failure: (kind: string) => failures.inc({ kind }),
    outcome: (outcome: WriterOutcome) => outcomes.inc({ outcome: nameOf(outcome) }),
  };
}

function nameOf(outcome: WriterOutcome): string {
  if (outcome.kind === "operation") return outcome.isReplay ? "replayed" : outcome.operation.status.toLowerCase();
  if (outcome.kind === "account") return outcome.rejection === undefined ? "account_changed" : "account_rejected";
  return "key_reused";
}
