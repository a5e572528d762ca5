import { importJWK, type CryptoKey } from "jose";
import { AuthError, KeysUnavailableError } from "./auth-error.js";
import { KEY_ID, type JwkSet } from "./signing-keys.js";
import { millisSince1970, type TokenClock } from "./token-clock.js";

/** The most keys one set may hold: three are usual, more means that something else was fetched. */
const MAX_KEYS = 32;

export interface KeySetOptions {
  /** Reads the published set; in one process a function call, else a fetch with a deadline of its own. */
  readonly jwks: () => Promise<JwkSet>;
  readonly clock: TokenClock;
  /** After this time the set is read again, so that a retired key is forgotten. Default 60 s. */
  readonly maxAgeMs?: number | undefined;
  /** An unknown key id asks for a fresh set at most this often, so that strangers cannot make us fetch. Default 5 s. */
  readonly refetchEveryMs?: number | undefined;
}

/**
 * The public keys that tokens are checked with, by exact key id.
 *
 * Fresh set: no waiting. Older than `maxAgeMs`: read again, all callers share one read; when that fails the old set serves on for ten
 * times that long, and the read is tried again at most every `refetchEveryMs`. Unknown key id: one throttled read, then AuthError.
 */
export class KeySet {
  readonly #options: KeySetOptions;
  readonly #maxAgeMs: number;
  readonly #refetchEveryMs: number;
  #keys: ReadonlyMap<string, CryptoKey> = new Map();
  #readAtMs = Number.NEGATIVE_INFINITY;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #lastFault: unknown;

  constructor(options: KeySetOptions) {
    this.#options = options;
    this.#maxAgeMs = options.maxAgeMs ?? 60_000;
    this.#refetchEveryMs = options.refetchEveryMs ?? 5_000;
  }

  /** The key when the set is fresh and holds it; undefined means: ask `get`. */
  peek(keyId: string): CryptoKey | undefined {
    return this.#ageMs() < this.#maxAgeMs ? this.#keys.get(keyId) : undefined;
  }

  /** Throws AuthError UNKNOWN_KEY, or KeysUnavailableError when there is no set to look into. */
  async get(keyId: string): Promise<CryptoKey> {
    if (!KEY_ID.test(keyId)) throw unknownKey();
    if (this.#ageMs() >= this.#maxAgeMs || !this.#keys.has(keyId)) await this.#refetch();
    if (this.#ageMs() >= this.#maxAgeMs * 10) throw new KeysUnavailableError(this.#lastFault);
    const key = this.#keys.get(keyId);
    if (key === undefined) throw unknownKey();
    return key;
  }

  #ageMs(): number {
    // Of a clock that stepped back we believe nothing: the set counts as old.
    const age = millisSince1970(this.#options.clock) - this.#readAtMs;
    return age < 0 ? this.#maxAgeMs : age;
  }

  #refetch(): Promise<void> {
    if (this.#reading !== undefined) return this.#reading;
    const now = millisSince1970(this.#options.clock);
    const sinceTried = now - this.#triedAtMs;
    if (sinceTried >= 0 && sinceTried < this.#refetchEveryMs) return Promise.resolve();
    this.#triedAtMs = now;
    this.#reading = this.#read(now)
      .catch((error: unknown) => {
        this.#lastFault = error;
      })
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }

  async #read(now: number): Promise<void> {
    const { keys } = await this.#options.jwks();
    if (keys.length > MAX_KEYS)
      throw new Error(`the published set has ${keys.length} keys; at most ${MAX_KEYS} are believed`);
    const imported = new Map<string, CryptoKey>();
    for (const { kty, crv, x, kid } of keys) {
      // Other kinds of keys may stand in the set one day; they sign nothing for us.
      if (kty !== "OKP" || crv !== "Ed25519" || !KEY_ID.test(kid)) continue;
      const key = await importJWK({ kty, crv, x }, "EdDSA");
      if (!(key instanceof Uint8Array)) imported.set(kid, key);
    }
    this.#keys = imported;
    this.#readAtMs = now;
  }
}

function unknownKey(): AuthError {
  return new AuthError("UNKNOWN_KEY", "The token is signed with a key that is not in use here. Sign in again.");
}
