export * from "./bulkhead.js";
export * from "./clock.js";
export * from "./deadline.js";
export * from "./fault-points.js";
export * from "./repeating-task.js";
export * from "./retry.js";
export * from "./waiters.js";
