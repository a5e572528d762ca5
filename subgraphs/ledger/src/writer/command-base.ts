import type { Instant, Uuid } from "@florin/kernel";

/** What every command has, whatever it is about. */
export interface CommandBase {
  /** Made from (principal, idempotency key) by `operationIdOf`, so two equal calls agree on it before they meet. */
  readonly commandId: Uuid;
  readonly principal: string;
  readonly idempotencyKey: string;
  /** SHA-256 of the canonical JSON of the input without `idempotencyKey` and `waitMs`. */
  readonly fingerprint: string;
  readonly correlationId: string;
  readonly createdAt: Instant;
}
