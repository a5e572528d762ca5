import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

/**
 * Encryption at rest: AES-256-GCM, stored as nonce (12) ‖ ciphertext ‖ tag (16). What a ciphertext belongs to is part of what is
 * authenticated, so one row's secret cannot be moved into another.
 */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A key for one purpose (HKDF-SHA-256, RFC 5869): no purpose can read what another sealed. */
export function deriveKey(secret: Uint8Array, purpose: string, salt: Uint8Array = new Uint8Array()): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, salt, `florin/accounts/${purpose}`, 32));
}

export function sealSecret(key: Uint8Array, plaintext: string, belongsTo: string): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(belongsTo, "utf8"));
  return Buffer.concat([nonce, cipher.update(plaintext, "utf8"), cipher.final(), cipher.getAuthTag()]);
}

/** undefined when the key is another, the row is another, or a bit was changed. */
export function openSecret(key: Uint8Array, sealed: Uint8Array, belongsTo: string): string | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const bytes = Buffer.from(sealed);
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE_BYTES))
    .setAAD(Buffer.from(belongsTo, "utf8"))
    .setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString("utf8");
  } catch {
    return undefined;
  }
}
