import { createHash, hkdfSync } from "node:crypto";
import { KEY_BYTES } from "./aes-gcm.js";
import { KeyError, unwrapWith, wrapWith, type KeyProvider } from "./key-provider.js";

/**
 * Keys made from the installation's master key (HKDF-SHA-256), for development and the simulator: nothing to set up. A new master key
 * makes a new KEK; name the old one among the previous until everything is wrapped anew.
 */
export function createDerivedKeyProvider(options: {
  readonly masterKey: Uint8Array;
  readonly previousMasterKeys?: readonly Uint8Array[];
}): KeyProvider {
  const current = deriveKek(options.masterKey);
  const known = new Map([current, ...(options.previousMasterKeys ?? []).map(deriveKek)].map((one) => [one.kekId, one]));
  return {
    grade: "development",
    currentKekId: () => Promise.resolve(current.kekId),
    wrap: (dek, aad) =>
      Promise.resolve().then(() => ({ kekId: current.kekId, wrappedDek: wrapWith(current.key, dek, aad) })),
    unwrap: (kekId, wrappedDek, aad) =>
      Promise.resolve().then(() => {
        const kek = known.get(kekId);
        if (kek === undefined)
          throw new KeyError(
            "UNKNOWN_KEK",
            `There is no key ${kekId}. Start with the master key that this database was made with, or name it among the previous ones.`,
          );
        return unwrapWith(kek.key, kekId, wrappedDek, aad);
      }),
  };
}

function deriveKek(masterKey: Uint8Array): { readonly kekId: string; readonly key: Uint8Array } {
  if (masterKey.length < KEY_BYTES)
    throw new Error(`a master key has at least ${KEY_BYTES} bytes, this has ${masterKey.length}`);
  const derive = (purpose: string) =>
    new Uint8Array(hkdfSync("sha256", masterKey, new Uint8Array(), `florin/plaid/${purpose}`, KEY_BYTES));
  // The name tells which key it is and nothing about it.
  const name = createHash("sha256").update(derive("kek-name")).digest("hex").slice(0, 16);
  return { kekId: `derived-${name}`, key: derive("kek") };
}
