import { createHash } from "node:crypto";
import { asUuid, canonicalJson, uuidV8, type Json, type Uuid } from "@florin/kernel";

/** Hashes that become ids or keys. They live beside the tables that are keyed by them; the kernel does not know node:crypto. */
export function sha256Hex(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/**
 * IDEM-2: SHA-256 of the canonical JSON of an input. `idempotencyKey` and `waitMs` are left out: they say how to ask, not what.
 */
export function fingerprintOf(input: { readonly [name: string]: Json | undefined }): string {
  return sha256Hex(canonicalJson({ ...input, idempotencyKey: undefined, waitMs: undefined }));
}

/** The id of what (principal, idempotency key) stands for: two equal calls agree on it before they meet (IDEM-3). */
export function operationIdOf(principal: string, idempotencyKey: string): Uuid {
  return derivedId("operation", `${principal}\u0000${idempotencyKey}`);
}

/** The one event that answers a command, so that its answer can be found again by the command's id (STR-2). */
export function answerEventIdOf(commandId: Uuid): Uuid {
  return derivedId("answer", commandId);
}

/** Same as SQL `florin.internal_account_id(code, currency)`: each area knows the id without asking another. */
export function internalAccountId(code: string, currency: string): Uuid {
  const hex = sha256Hex(`internal-account:${code}:${currency}`).slice(0, 32);
  return asUuid(
    `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`,
  );
}

function derivedId(kind: string, text: string): Uuid {
  return uuidV8(createHash("sha256").update(`${kind}\u0000${text}`, "utf8").digest());
}
