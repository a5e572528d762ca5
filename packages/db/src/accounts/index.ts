export * from "./account-closures.js";
export * from "./accounts.js";
export * from "./idempotency-keys.js";
export * from "./login-attempts.js";
export * from "./partners.js";
export * from "./sessions.js";
export * from "./signing-keys.js";
export * from "./users.js";
