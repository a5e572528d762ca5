export * from "./bus.js";
export * from "./consumer-group.js";
export * from "./dead-letters.js";
export { BusStopped, createInProcessBus, type InProcessBusOptions } from "./in-process-bus.js";
export type { RetryPolicy } from "./group-runner.js";
export { PoisonEvent } from "./poison-event.js";
export * from "./relay.js";
export { systemTimers, type Timers } from "./timers.js";
