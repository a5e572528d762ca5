import { createHash } from "node:crypto";
import { canonicalJson, type AuditJson } from "./canonical-json.js";

/**
 * AUD-4: what a client wrote freely may hold something personal, so the chain never sees it. It sees a digest of it with a random salt:
 * while both are kept the text is proven; when both are dropped the digest says nothing about the text, and the chain still holds.
 */
export interface FreeText {
  /** Details of the batch. */
  readonly batch?: AuditJson | undefined;
  /** Details of instructions, those that have some. */
  readonly instructions: readonly { readonly ordinal: number; readonly details: AuditJson }[];
  /** Of a rejected batch: what was proposed, whole. */
  readonly proposed?: AuditJson | undefined;
}

/** Long enough that nobody tries all salts for a short text. */
export const SALT_BYTES = 16;

/** JSON's null says nothing, as if it were absent. */
export function hasFreeText(text: FreeText): boolean {
  const { batch, instructions, proposed } = saidIn(text);
  return batch !== undefined || instructions.length > 0 || proposed !== undefined;
}

/** SHA-256 over the salt and the canonical JSON of the text, lower-case hex: `detailsDigest` of a batch record. */
export function digestOfFreeText(salt: Uint8Array, freeText: FreeText): string {
  if (salt.length < SALT_BYTES) throw new RangeError(`A salt has at least ${SALT_BYTES} bytes, not ${salt.length}.`);
  const { batch, instructions, proposed } = saidIn(freeText);
  const ordered = [...instructions].sort((a, b) => a.ordinal - b.ordinal);
  const pairs = ordered.map(({ ordinal, details }): AuditJson => [ordinal, details]);
  const text = canonicalJson({ batch, instructions: pairs, proposed });
  return createHash("sha256").update(salt).update(text, "utf8").digest("hex");
}

function saidIn({ batch, instructions, proposed }: FreeText): FreeText {
  return {
    batch: batch ?? undefined,
    instructions: instructions.filter(({ details }) => details !== null),
    proposed: proposed ?? undefined,
  };
}
