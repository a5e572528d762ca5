export * from "./live-queries.js";
export type { LiveCaller, LiveExecutor, LiveLogger, LiveOperation, LiveSnapshot } from "./live-execution.js";
export type { LiveSealer } from "./live-cursor.js";
