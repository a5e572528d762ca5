import type { Area } from "@florin/kernel";
import type { Metrics } from "@florin/telemetry";

/** What the Redis adapter tells the outside, besides what every bus does (event-metrics.ts). */
export interface RedisBusMetrics {
  outage(isOut: boolean): void;
  streamLength(stream: Area, length: number): void;
  group(stream: Area, group: string, state: { readonly lag: bigint; readonly pending: number }): void;
  claimed(stream: Area, group: string, count: number): void;
  leaseTaken(stream: Area, group: string): void;
  generationBegun(stream: Area): void;
}

export function createRedisBusMetrics(metrics: Metrics): RedisBusMetrics {
  const perGroup = ["stream", "group"] as const;
  const outage = metrics.gauge({ name: "florin_redis_bus_outage", help: "1 while Redis cannot be reached" });
  const length = metrics.gauge({
    name: "florin_redis_bus_stream_entries",
    help: "Entries in the stream, finished ones of the horizon included",
    labelNames: ["stream"],
  });
  const lag = metrics.gauge({
    name: "florin_redis_bus_group_lag_events",
    help: "Published and not finished by the group",
    labelNames: perGroup,
  });
  const pending = metrics.gauge({
    name: "florin_redis_bus_group_pending_events",
    help: "Handed to the group and not acknowledged",
    labelNames: perGroup,
  });
  const claims = metrics.counter({
    name: "florin_redis_bus_claimed_events_total",
    help: "Events taken over from a process that left them",
    labelNames: perGroup,
  });
  const leases = metrics.counter({
    name: "florin_redis_bus_leases_total",
    help: "Times that this process became the active one of the group",
    labelNames: perGroup,
  });
  const generations = metrics.counter({
    name: "florin_redis_bus_generations_total",
    help: "Times that a stream was begun anew: Redis was emptied, or a group needs what was trimmed",
    labelNames: ["stream"],
  });
  return {
    outage: (isOut) => outage.set(isOut ? 1 : 0),
    streamLength: (stream, entries) => length.set({ stream }, entries),
    group: (stream, group, state) => {
      lag.set({ stream, group }, Number(state.lag)); // a count of events: exact below 2^53
      pending.set({ stream, group }, state.pending);
    },
    claimed: (stream, group, count) => claims.inc({ stream, group }, count),
    leaseTaken: (stream, group) => leases.inc({ stream, group }),
    generationBegun: (stream) => generations.inc({ stream }),
  };
}
