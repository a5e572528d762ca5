import { createHmac, randomBytes } from "node:crypto";
import { AccessToken, revealAccessToken } from "./access-token.js";
import { KEY_BYTES, openBytes, sealBytes } from "./aes-gcm.js";
import type { KeyProvider } from "./key-provider.js";
import type { PlaidEnvironmentName } from "./plaid-port.js";

/**
 * Custody of access tokens, and of the few other texts that are as dear (linked-accounts.md §5.1).
 *
 * Envelope: every text is sealed with a random data key of its own (AES-256-GCM, 96-bit nonce, 128-bit tag), and that key is wrapped by a
 * KEK of the key provider. Both are bound to their owner, `tenant|user|itemRowId|environment|purpose|v1`, so that neither a ciphertext
 * nor a wrapped key opens in another row, in another column or in another environment of Plaid. Turning to a new KEK wraps the data
 * keys anew (`rewrap`) and leaves every ciphertext as it is.
 */
export interface TokenVault {
  sealToken(token: AccessToken, owner: SecretOwner): Promise<SealedSecret>;
  /** Throws VaultError or KeyError: nothing of what was tried is in them. */
  openToken(sealed: SealedSecret, owner: SecretOwner): Promise<AccessToken>;
  /** For `account_number`, `payment_reference_number` and the like. Not for tokens: `access_token` is no purpose here. */
  sealText(text: string, owner: SecretOwner, purpose: string): Promise<SealedSecret>;
  openText(sealed: SealedSecret, owner: SecretOwner, purpose: string): Promise<string>;
  /** Wrapped by the current KEK, or undefined where it is already. Checks first that the old one opens. `purpose`: of a text. */
  rewrap(sealed: SealedSecret, owner: SecretOwner, purpose?: string): Promise<SealedSecret | undefined>;
  currentKekId(): Promise<string>;
  /** HMAC-SHA-256 in hex, to find a row by its token without keeping it in clear. `key`: 32 bytes or more, of this purpose alone. */
  lookupHash(token: AccessToken, key: Uint8Array): string;
}

/** Whose it is; ids without `|`. */
export interface SecretOwner {
  readonly tenant: string;
  readonly user: string;
  readonly itemRowId: string;
}

/** As it is stored, one column each. */
export interface SealedSecret {
  /** With its tag of 16 bytes at the end. */
  readonly ciphertext: Uint8Array;
  readonly nonce: Uint8Array;
  readonly wrappedDek: Uint8Array;
  readonly kekId: string;
  readonly algVersion: number;
}

export class VaultError extends Error {
  override readonly name = "VaultError";
  readonly code: "NOT_OPENED" | "UNKNOWN_ALGORITHM";

  constructor(code: VaultError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

const ALG_VERSION = 1;
const TOKEN_PURPOSE = "access_token";
const NAME = /^[A-Za-z0-9_.:@-]{1,128}$/;

/** @param options.environment of Plaid. Its production refuses keys of development grade. */
export function createTokenVault(options: {
  readonly keys: KeyProvider;
  readonly environment: PlaidEnvironmentName;
}): TokenVault {
  const { keys, environment } = options;
  if (environment === "production" && keys.grade !== "production")
    throw new Error(
      "Access tokens of Plaid's production are not sealed with development keys. Configure a key service, or a key file declared fit for production.",
    );

  function boundTo(owner: SecretOwner, purpose: string): Uint8Array {
    const parts = [owner.tenant, owner.user, owner.itemRowId, environment, purpose, `v${ALG_VERSION}`];
    // Names without "|" only, or two owners could spell the same.
    for (const part of parts)
      if (!NAME.test(part)) throw new Error("the owner of a secret is named by letters, digits and _.:@- alone");
    return Buffer.from(parts.join("|"), "utf8");
  }

  async function seal(text: string, owner: SecretOwner, purpose: string): Promise<SealedSecret> {
    const aad = boundTo(owner, purpose);
    const dek = randomBytes(KEY_BYTES);
    try {
      const { kekId, wrappedDek } = await keys.wrap(dek, wrapping(aad));
      return { ...sealBytes(dek, Buffer.from(text, "utf8"), aad), wrappedDek, kekId, algVersion: ALG_VERSION };
    } finally {
      dek.fill(0);
    }
  }

  async function withDek<T>(
    sealed: SealedSecret,
    owner: SecretOwner,
    purpose: string,
    use: (plain: Uint8Array, dek: Uint8Array, aad: Uint8Array) => T | Promise<T>,
  ): Promise<T> {
    if (sealed.algVersion !== ALG_VERSION)
      throw new VaultError(
        "UNKNOWN_ALGORITHM",
        `Sealed by version ${sealed.algVersion}; this program knows ${ALG_VERSION}.`,
      );
    const aad = boundTo(owner, purpose);
    const dek = await keys.unwrap(sealed.kekId, sealed.wrappedDek, wrapping(aad));
    try {
      const plain = openBytes(dek, sealed.nonce, sealed.ciphertext, aad);
      if (plain === undefined)
        throw new VaultError(
          "NOT_OPENED",
          `A secret of ${owner.itemRowId} does not open: it was moved or altered. Link anew.`,
        );
      return await use(plain, dek, aad);
    } finally {
      dek.fill(0);
    }
  }

  const toText = (plain: Uint8Array) => Buffer.from(plain).toString("utf8");
  const textPurpose = (purpose: string): string => {
    if (purpose === TOKEN_PURPOSE) throw new Error("an access token is sealed and opened as one, never as text");
    return purpose;
  };

  return {
    sealToken: (token, owner) => seal(revealAccessToken(token), owner, TOKEN_PURPOSE),
    openToken: (sealed, owner) => withDek(sealed, owner, TOKEN_PURPOSE, (plain) => new AccessToken(toText(plain))),
    sealText: async (text, owner, purpose) => seal(text, owner, textPurpose(purpose)),
    openText: async (sealed, owner, purpose) => withDek(sealed, owner, textPurpose(purpose), toText),
    rewrap: async (sealed, owner, purpose = TOKEN_PURPOSE) => {
      if (sealed.kekId === (await keys.currentKekId())) return undefined;
      return withDek(sealed, owner, purpose, async (_plain, dek, aad) => ({
        ...sealed,
        ...(await keys.wrap(dek, wrapping(aad))),
      }));
    },
    currentKekId: () => keys.currentKekId(),
    lookupHash: (token, key) => {
      if (key.length < KEY_BYTES) throw new Error(`a key for look-ups has at least ${KEY_BYTES} bytes`);
      return createHmac("sha256", key).update(revealAccessToken(token)).digest("hex");
    },
  };
}

/** A wrapped key is never mistaken for a sealed text, nor the other way round. */
function wrapping(aad: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from("dek|"), aad]);
}
