import { createRedisBus, type ReachableBus } from "@florin/events";
import { armFaultPoints } from "@florin/resilience";
import { createLogger, createMetrics, type Logger, type Metrics } from "@florin/telemetry";
import { expectedGroups } from "./expected-groups.js";
import type { CommonEnvironment, PartName } from "./environment.js";
import type { Stoppable } from "./run-until-signal.js";
import { Stops } from "./stops.js";

/** One part of the platform, serving. */
export interface RunningPart extends Stoppable {
  readonly url: string;
}

/** What every part begins with. */
export interface PartTools {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** May be away: the part stays ready, and money moves on. */
  readonly bus: ReachableBus;
  /** Undone in the opposite order when a later step of the start fails, and at the end. */
  readonly stops: Stops;
}

export function createPartTools(part: PartName, environment: CommonEnvironment): PartTools {
  armFaultPoints(environment.faults);
  const logger = createLogger({ name: part, level: environment.logLevel });
  const metrics = createMetrics();
  const bus = createRedisBus({ redis: environment.redisUrl, logger, metrics, expectedGroups });
  const stops = new Stops();
  return { logger, metrics, bus, stops };
}
