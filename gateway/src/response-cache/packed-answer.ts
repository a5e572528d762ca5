import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";

/**
 * Answers are JSON texts of 1 to 100 kB, mostly repeated field names. Deflate at its lowest level takes them to a fifth in 15-50
 * microseconds and back in about 10; brotli's levels 0 and 1 pack no better at this size and unpack more slowly, its level 4 saves another
 * 12 % for twice the time.
 */
export function pack(text: string): Uint8Array {
  return deflateRawSync(text, { level: constants.Z_BEST_SPEED });
}

/** Throws for what was not packed here, and for more than any answer has. */
export function unpack(packed: Uint8Array): string {
  return inflateRawSync(packed, { maxOutputLength: MAX_TEXT_BYTES }).toString("utf8");
}

/** Longer answers are not kept: they cost more to pack than they spare. */
export const MAX_TEXT_BYTES = 512 * 1024;

export interface AnswerKeys {
  /** The name of an answer: tells nothing of who asked or what. */
  nameOf(parts: readonly unknown[]): string;
  /** For a place outside of this process. */
  seal(name: string, fetchedAtMs: number, packed: Uint8Array): Uint8Array;
  /** undefined for what was not sealed under this name with this secret: altered, moved, or by another installation. */
  open(name: string, sealed: Uint8Array): { readonly fetchedAtMs: number; readonly packed: Uint8Array } | undefined;
}

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const TIME_BYTES = 8;
const MIN_SECRET_BYTES = 32;

/**
 * AES-256-GCM under a key of the answer's own (HMAC of its name), so random nonces never run out and a value under another name does not
 * open.
 *
 * @param secret at least 32 bytes, the same for all gateways that share a Redis
 * @param randomBytes for nonces
 */
export function createAnswerKeys(secret: Uint8Array, randomBytes: (size: number) => Uint8Array): AnswerKeys {
  if (secret.length < MIN_SECRET_BYTES)
    throw new Error(`the response cache's secret has ${secret.length} bytes; give at least ${MIN_SECRET_BYTES}`);
  const derive = (purpose: string): Uint8Array =>
    new Uint8Array(hkdfSync("sha256", secret, new Uint8Array(0), `florin-response-cache-v1 ${purpose}`, 32));
  const nameKey = derive("names");
  const sealKey = derive("seals");
  const keyOf = (name: string): Uint8Array => createHmac("sha256", sealKey).update(name).digest();

  return {
    nameOf: (parts) => createHmac("sha256", nameKey).update(JSON.stringify(parts)).digest("base64url"),
    seal(name, fetchedAtMs, packed) {
      const nonce = randomBytes(NONCE_BYTES);
      const time = Buffer.alloc(TIME_BYTES);
      time.writeDoubleBE(fetchedAtMs);
      const cipher = createCipheriv(CIPHER, keyOf(name), nonce);
      const sealed = Buffer.concat([cipher.update(time), cipher.update(packed), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
    },
    open(name, sealed) {
      if (sealed.length < NONCE_BYTES + TAG_BYTES + TIME_BYTES) return undefined;
      const body = NONCE_BYTES + TAG_BYTES;
      const options = { authTagLength: TAG_BYTES };
      const decipher = createDecipheriv(CIPHER, keyOf(name), sealed.subarray(0, NONCE_BYTES), options);
      decipher.setAuthTag(sealed.subarray(NONCE_BYTES, body));
      try {
        const plain = Buffer.concat([decipher.update(sealed.subarray(body)), decipher.final()]);
        return { fetchedAtMs: plain.readDoubleBE(0), packed: plain.subarray(TIME_BYTES) };
      } catch {
        return undefined;
      }
    },
  };
}
