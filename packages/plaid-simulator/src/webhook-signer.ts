/**
 * Signs webhooks as Plaid does (§1.4): the header `Plaid-Verification` is a JWT {alg: ES256, kid, typ} . {iat, request_body_sha256},
 * its signature the raw r‖s of 64 bytes, over the bytes of the body as they are sent.
 *
 * Keys: one signs, those that it replaced stay known with the moment at which they expired, and so a receiver that cached
 * one learns of the next by its `kid`. Every attempt at delivery is signed anew, because a receiver refuses an `iat` older than
 * five minutes and a retry may come hours later. What an attacker would send is made in webhook-attacks.ts.
 */
import type { JWKPublicKey } from "plaid";
import { forge, type AttackName, type SignedWebhook } from "./webhook-attacks.js";
import { freshKey, seededKey, signedJwt, webhookClaims, type SigningKey } from "./webhook-keys.js";

/** Where the signer takes the time from: the simulator's clock. */
export interface SigningClock {
  now(): Date;
}

/** How many keys that no longer sign are kept; the oldest are forgotten first and are unknown from then on. */
const KEPT_KEYS = 64;

export class WebhookSigner {
  readonly #clock: SigningClock;
  readonly #seed: string | undefined;
  readonly #keys = new Map<string, SigningKey>();
  #made = 0;
  #current: SigningKey;
  #expired: SigningKey | undefined;

  /**
   * @param seed derives the keys, so that two runs sign with the same ones. Leave it out where the seed is no secret
   *   (it has a usual value, it stands in a document): who knows the seed can sign. Without it the keys are drawn at random.
   */
  constructor(clock: SigningClock, seed?: string) {
    this.#clock = clock;
    this.#seed = seed;
    this.#current = this.#makeKey();
  }

  /** The value of `Plaid-Verification` for this body, by the key that signs now. */
  sign(rawBody: string): string {
    return signedJwt(this.#current, webhookClaims(rawBody, this.#nowSeconds()));
  }

  /** The key that signs now. */
  get kid(): string {
    return this.#current.kid;
  }

  /**
   * The next key signs from now on.
   * @param graceSeconds how long the old key stays good; 0: it is expired at once
   * @returns both kids
   */
  rotate(graceSeconds = 0): { readonly oldKid: string; readonly newKid: string } {
    const old = this.#current;
    this.#keep({ ...old, jwk: { ...old.jwk, expired_at: this.#nowSeconds() + graceSeconds } });
    this.#current = this.#makeKey();
    return { oldKid: old.kid, newKid: this.#current.kid };
  }

  /** The public key of that id in Plaid's shape, expired ones too, or undefined when there never was one. */
  jwk(kid: string): JWKPublicKey | undefined {
    return this.#keys.get(kid)?.jwk;
  }

  /** What an attacker, or a Plaid that is not ours, would send in place of this body. */
  attack(name: AttackName, rawBody: string): SignedWebhook {
    return forge(name, rawBody, {
      key: this.#current,
      nowSeconds: this.#nowSeconds(),
      expiredKey: () => (this.#expired ??= this.#makeExpiredKey()),
      strangerKey: () => this.#newKey("stranger"),
    });
  }

  /** A key that served and expired a day ago: a receiver finds it, and must refuse it. */
  #makeExpiredKey(): SigningKey {
    const key = this.#newKey("expired");
    const now = this.#nowSeconds();
    const expired = { ...key, jwk: { ...key.jwk, created_at: now - 30 * 86_400, expired_at: now - 86_400 } };
    this.#keep(expired);
    return expired;
  }

  #makeKey(): SigningKey {
    const key = this.#newKey("signing");
    this.#keep(key);
    return key;
  }

  #keep(key: SigningKey): void {
    this.#keys.delete(key.kid);
    this.#keys.set(key.kid, key);
    for (const kid of this.#keys.keys()) {
      if (this.#keys.size <= KEPT_KEYS) return;
      if (kid !== key.kid) this.#keys.delete(kid);
    }
  }

  #newKey(purpose: string): SigningKey {
    const createdAt = this.#nowSeconds();
    if (this.#seed === undefined) return freshKey(createdAt);
    return seededKey(this.#seed, `${purpose}/${this.#made++}`, createdAt);
  }

  #nowSeconds(): number {
    return Math.floor(this.#clock.now().getTime() / 1000);
  }
}
