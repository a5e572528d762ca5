export { AccessToken } from "./access-token.js";
export * from "./plaid-call-error.js";
export * from "./plaid-port.js";
