export * from "./currency.js";
export * from "./event.js";
export * from "./ids.js";
export * from "./instant.js";
export * from "./money.js";
export * from "./request-error.js";
