import { createHash } from "node:crypto";

/**
 * Partners' API keys: 256 random bits, shown once, stored as their SHA-256 only. A slow hash would protect nothing here, as nobody
 * guesses 256 bits, and would cost each exchange dearly. The prefix lets secret scanners and our own log redaction find a key.
 */
const API_KEY = /^florin_sk_[A-Za-z0-9_-]{43}$/;
const KEY_BYTES = 32;

/** @param random that many bytes from a secure source: `randomBytes` of node:crypto */
export function generateApiKey(random: (size: number) => Uint8Array): {
  readonly key: string;
  readonly keyHash: string;
} {
  const bytes = random(KEY_BYTES);
  if (bytes.length !== KEY_BYTES)
    throw new Error(`the source of randomness gave ${bytes.length} bytes instead of ${KEY_BYTES}`);
  const key = `florin_sk_${Buffer.from(bytes).toString("base64url")}`;
  return { key, keyHash: hashApiKey(key) };
}

/** Has the text the form of a key? Spares the look-up of anything else. */
export function isApiKey(text: string): boolean {
  return API_KEY.test(text);
}

/** What is stored and looked up: SHA-256 of the key's text, 64 hex digits. */
export function hashApiKey(key: string): string {
  return createHash("sha256").update(key, "utf8").digest("hex");
}
