import type { Area } from "@florin/kernel";
import type { Metrics } from "@florin/telemetry";

interface GroupName {
  readonly name: string;
  readonly stream: Area;
}

/** What the bus and the relay tell the outside about themselves. Labels are names of streams and groups: few, and fixed by the code. */
export interface EventMetrics {
  finished(group: GroupName, elapsedMs: number): void;
  retried(group: GroupName): void;
  parked(group: GroupName): void;
  reached(group: GroupName, position: bigint): void;
  published(stream: Area, count: number): void;
  relayFailed(stream: Area): void;
  /** `events`: numbered and not yet finished by every group. `oldestSeconds`: age of the oldest event that is not published. */
  lag(stream: Area, lag: { readonly events: bigint; readonly oldestSeconds: number }): void;
}

export function createEventMetrics(metrics: Metrics): EventMetrics {
  const perGroup = ["stream", "group"] as const;
  const perStream = ["stream"] as const;
  const finished = metrics.histogram({
    name: "florin_events_finished_seconds",
    help: "From the bus taking an event to its group having applied or parked it",
    labelNames: perGroup,
  });
  const retried = metrics.counter({
    name: "florin_events_retries_total",
    help: "Failed tries of events that are tried again",
    labelNames: perGroup,
  });
  const parked = metrics.counter({
    name: "florin_events_parked_total",
    help: "Events parked, or waiting behind a parked one",
    labelNames: perGroup,
  });
  const position = metrics.gauge({
    name: "florin_events_group_position",
    help: "Everything up to here is finished",
    labelNames: perGroup,
  });
  const published = metrics.counter({
    name: "florin_events_published_total",
    help: "Events handed to the bus, repetitions included",
    labelNames: perStream,
  });
  const failures = metrics.counter({
    name: "florin_relay_failures_total",
    help: "Rounds of the relay that failed",
    labelNames: perStream,
  });
  const lagEvents = metrics.gauge({
    name: "florin_relay_lag_events",
    help: "Numbered events that not every group has finished",
    labelNames: perStream,
  });
  const lagSeconds = metrics.gauge({
    name: "florin_relay_oldest_unpublished_seconds",
    help: "Age of the oldest event that is not published",
    labelNames: perStream,
  });

  const labels = (group: GroupName) => ({ stream: group.stream, group: group.name });
  return {
    finished: (group, elapsedMs) => finished.observe(labels(group), elapsedMs / 1000),
    retried: (group) => retried.inc(labels(group)),
    parked: (group) => parked.inc(labels(group)),
    reached: (group, reached) => position.set(labels(group), Number(reached)), // a count of events: exact below 2^53
    published: (stream, count) => published.inc({ stream }, count),
    relayFailed: (stream) => failures.inc({ stream }),
    lag: (stream, lag) => {
      lagEvents.set({ stream }, Number(lag.events)); // a count of events: exact below 2^53
      lagSeconds.set({ stream }, lag.oldestSeconds);
    },
  };
}
