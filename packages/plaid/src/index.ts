export { AccessToken } from "./access-token.js";
export type { BreakerTimes } from "./breakers.js";
export { classifyPlaidError } from "./classify-error.js";
export * from "./create-plaid-port.js";
export { createDerivedKeyProvider } from "./derived-key-provider.js";
export { addKek, createKeyFileProvider } from "./key-file-provider.js";
export { KeyError, type KeyProvider, type WrappedKey } from "./key-provider.js";
export { createMemoryRateLimiter } from "./memory-rate-limiter.js";
export * from "./plaid-call-error.js";
export * from "./plaid-port.js";
export type { Claim, RateLimiter } from "./rate-limiter.js";
export { createRedisRateLimiter, type LimiterRedisConnect } from "./redis-rate-limiter.js";
export * from "./token-vault.js";
export {
  createWebhookVerifier,
  type WebhookBody,
  type WebhookRefusal,
  type WebhookVerdict,
  type WebhookVerifier,
  type WebhookVerifierOptions,
} from "./webhook-verifier.js";
