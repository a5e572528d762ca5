export { AccessToken } from "./access-token.js";
export * from "./derived-key-provider.js";
export { addKek, createKeyFileProvider } from "./key-file-provider.js";
export { KeyError, type KeyProvider, type WrappedKey } from "./key-provider.js";
export * from "./plaid-call-error.js";
export * from "./plaid-port.js";
export * from "./token-vault.js";
