export * from "./account-data.js";
export * from "./decimal-text.js";
export * from "./investment-data.js";
export * from "./liability-data.js";
export * from "./snapshot.js";
export * from "./transaction-data.js";
