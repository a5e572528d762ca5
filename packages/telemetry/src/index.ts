export * from "./correlation.js";
export * from "./invariant-meters.js";
export * from "./logger.js";
export * from "./metrics.js";
export * from "./redaction.js";
