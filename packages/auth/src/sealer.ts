import { createHmac, timingSafeEqual } from "node:crypto";

/**
 * Seals for what clients carry for us and may not alter: cursors, consistency tokens. Not encrypted: nothing secret goes in.
 *
 * `base64url(tag ‖ payload)`, tag = the first 16 bytes of HMAC-SHA-256 over "florin-seal-v1", the kind and the payload. The kind is part of
 * what is signed, so a cursor of one list cannot be used for another, nor as a consistency token.
 */
export interface Sealer {
  seal(kind: string, payload: string): string;
  /** The payload, or undefined when the text was not sealed here as this kind. */
  open(kind: string, text: string): string | undefined;
}

const TAG_BYTES = 16;
const MIN_SECRET_BYTES = 32;
const MAX_TEXT = 4_096;
/** No NUL and no end in sight: what stands between kind and payload below cannot be forged. */
const KIND = /^[A-Za-z][A-Za-z0-9_.:-]{0,63}$/;

/** @param previousSecrets secrets that were used before a rotation: what they sealed still opens. */
export function createSealer(secret: Uint8Array, previousSecrets: readonly Uint8Array[] = []): Sealer {
  for (const one of [secret, ...previousSecrets]) {
    if (one.length < MIN_SECRET_BYTES)
      throw new Error(`a sealing secret has ${one.length} bytes; give at least ${MIN_SECRET_BYTES} random ones`);
  }
  // Copies: whoever gave them may wipe theirs.
  const current = Uint8Array.from(secret);
  const secrets = [current, ...previousSecrets.map((one) => Uint8Array.from(one))];

  return {
    seal: (kind, payload) => {
      const bytes = Buffer.from(payload, "utf8");
      const text = Buffer.concat([tagOf(current, assertKind(kind), bytes), bytes]).toString("base64url");
      if (text.length > MAX_TEXT)
        throw new Error(`a sealed ${kind} would have ${text.length} characters; seal at most ${MAX_TEXT}`);
      return text;
    },
    open: (kind, text) => {
      if (text.length > MAX_TEXT) return undefined;
      const bytes = Buffer.from(text, "base64url");
      // The decoder forgives; a seal has one spelling only, or caches and logs would see many.
      if (bytes.length < TAG_BYTES || bytes.toString("base64url") !== text) return undefined;
      const [tag, payload] = [bytes.subarray(0, TAG_BYTES), bytes.subarray(TAG_BYTES)];
      const isOurs = secrets.some((one) => timingSafeEqual(tag, tagOf(one, assertKind(kind), payload)));
      return isOurs ? payload.toString("utf8") : undefined;
    },
  };
}

function tagOf(secret: Uint8Array, kind: string, payload: Uint8Array): Buffer {
  return createHmac("sha256", secret)
    .update(`florin-seal-v1\0${kind}\0`)
    .update(payload)
    .digest()
    .subarray(0, TAG_BYTES);
}

function assertKind(kind: string): string {
  if (!KIND.test(kind)) throw new Error(`"${kind}" is no kind of seal; use letters, digits and _.:-`);
  return kind;
}
