export * from "./accounts.js";
export * from "./balances.js";
export * from "./batches.js";
export * from "./operations.js";
export * from "./products.js";
export * from "./transactions.js";
export * from "./trial-balance.js";
