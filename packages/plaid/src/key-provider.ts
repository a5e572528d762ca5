import { KEY_BYTES, NONCE_BYTES, TAG_BYTES, openBytes, sealBytes } from "./aes-gcm.js";

/**
 * Where the keys live that wrap data keys (KEKs). A key management service wraps on its own side and never shows a key; a file of keys
 * is read by this process. Several KEKs can be known, one is current: what older ones wrapped still opens until it is wrapped anew.
 */
export interface KeyProvider {
  /** `development` keys come from configuration that everybody has; the vault refuses them for Plaid's production. */
  readonly grade: "development" | "production";
  currentKekId(): Promise<string>;
  /** Wraps with the current KEK, and says which that was. `aad` binds the wrapped key to its owner. */
  wrap(dek: Uint8Array, aad: Uint8Array): Promise<WrappedKey>;
  /** Throws KeyError: the KEK is not known here, or it did not wrap this for this owner. */
  unwrap(kekId: string, wrappedDek: Uint8Array, aad: Uint8Array): Promise<Uint8Array>;
}

export interface WrappedKey {
  readonly kekId: string;
  readonly wrappedDek: Uint8Array;
}

export class KeyError extends Error {
  override readonly name = "KeyError";
  readonly code: "UNKNOWN_KEK" | "NOT_OPENED" | "BAD_KEY_FILE";

  constructor(code: KeyError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

export const KEK_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** nonce ‖ ciphertext ‖ tag: 60 bytes. */
export function wrapWith(kek: Uint8Array, dek: Uint8Array, aad: Uint8Array): Uint8Array {
  if (dek.length !== KEY_BYTES) throw new Error(`a data key has ${KEY_BYTES} bytes, this has ${dek.length}`);
  const { nonce, ciphertext } = sealBytes(kek, dek, aad);
  return Buffer.concat([nonce, ciphertext]);
}

export function unwrapWith(kek: Uint8Array, kekId: string, wrappedDek: Uint8Array, aad: Uint8Array): Uint8Array {
  const isWhole = wrappedDek.length === NONCE_BYTES + KEY_BYTES + TAG_BYTES;
  const dek = isWhole
    ? openBytes(kek, wrappedDek.subarray(0, NONCE_BYTES), wrappedDek.subarray(NONCE_BYTES), aad)
    : undefined;
  if (dek === undefined)
    throw new KeyError(
      "NOT_OPENED",
      `Key ${kekId} does not open this data key: the row, the environment or the key of that name is another. Restore the key it was wrapped with.`,
    );
  return dek;
}
