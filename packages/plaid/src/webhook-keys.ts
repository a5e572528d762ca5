import { createPublicKey, type KeyObject } from "node:crypto";
import type { Clock } from "@florin/kernel";
import { createMemoryRateLimiter } from "./memory-rate-limiter.js";
import { PlaidCallError } from "./plaid-call-error.js";
import type { WebhookVerificationKey } from "./plaid-port.js";

/**
 * Plaid's keys by their id, for the webhook verifier. Whoever sends us something chooses the id, so everything is bounded: keys and
 * unknown ids that are kept, look-ups at a time of one id (one), and look-ups of ids we do not know in a minute.
 *
 * A key is asked for again after KEPT_SECONDS, since Plaid says only there that it has expired. That an id is unknown is kept only where
 * Plaid said exactly that; a limit, a failure or silence is "unavailable" and kept not at all.
 */
export interface WebhookKeys {
  find(keyId: string): Promise<FoundKey | "unknown" | "unavailable">;
}

export interface FoundKey {
  readonly publicKey: KeyObject;
  /** Seconds since 1970. */
  readonly expiredAtSeconds: number | undefined;
}

const MAX_KEYS = 32;
const MAX_UNKNOWN = 1_000;
const KEPT_SECONDS = 3_600;
const UNKNOWN_KEPT_SECONDS = 300;
const DEFAULT_LOOKUPS = 20;

export function createWebhookKeys(options: {
  readonly fetchKey: (keyId: string) => Promise<WebhookVerificationKey>;
  readonly clock: Clock;
  readonly lookupsPerMinute?: number | undefined;
}): WebhookKeys {
  const nowMs = () => Number(options.clock.now() / 1_000n);
  const known = new RecentMap<FoundKey>(MAX_KEYS, KEPT_SECONDS * 1_000);
  const unknown = new RecentMap<true>(MAX_UNKNOWN, UNKNOWN_KEPT_SECONDS * 1_000);
  const underWay = new Map<string, Promise<FoundKey | "unknown" | "unavailable">>();
  const budget = createMemoryRateLimiter({ nowMs });
  const claims = [{ key: "lookups", limit: options.lookupsPerMinute ?? DEFAULT_LOOKUPS }];

  async function lookUp(keyId: string): Promise<FoundKey | "unknown" | "unavailable"> {
    try {
      const key = await options.fetchKey(keyId);
      const publicKey = toPublicKey(key, keyId);
      // Not what was asked for: no verdict on the webhook can be built on it.
      if (publicKey === undefined) return "unavailable";
      const found = { publicKey, expiredAtSeconds: key.expiredAtSeconds };
      known.set(keyId, found, nowMs());
      return found;
    } catch (error) {
      const isUnknown = error instanceof PlaidCallError && error.errorCode === "INVALID_WEBHOOK_VERIFICATION_KEY_ID";
      if (!isUnknown) return "unavailable";
      unknown.set(keyId, true, nowMs());
      return "unknown";
    }
  }

  return {
    find: (keyId) => {
      const found = known.get(keyId, nowMs());
      if (found !== undefined) return Promise.resolve(found);
      if (unknown.get(keyId, nowMs()) === true) return Promise.resolve("unknown" as const);
      const running = underWay.get(keyId);
      if (running !== undefined) return running;
      // Keys that we have seen are asked for again whatever strangers do; there are few of them.
      if (!known.hasSeen(keyId) && budget.takeNow(claims) > 0) return Promise.resolve("unavailable" as const);
      const lookup = lookUp(keyId).finally(() => underWay.delete(keyId));
      underWay.set(keyId, lookup);
      return lookup;
    },
  };
}

/** The public key of a JWK that says exactly what Plaid's keys say, or undefined. */
function toPublicKey(key: WebhookVerificationKey, keyId: string): KeyObject | undefined {
  const isEs256 = key.algorithm === "ES256" && key.curve === "P-256" && key.keyType === "EC" && key.keyId === keyId;
  if (!isEs256) return undefined;
  try {
    return createPublicKey({ format: "jwk", key: { kty: "EC", crv: "P-256", x: key.x, y: key.y } });
  } catch {
    return undefined; // no point of the curve
  }
}

/** The last `size` that were set, each for `keptMs`; what is too old is still remembered as seen. */
class RecentMap<T> {
  readonly #size: number;
  readonly #keptMs: number;
  readonly #entries = new Map<string, { readonly value: T; readonly setAtMs: number }>();

  constructor(size: number, keptMs: number) {
    this.#size = size;
    this.#keptMs = keptMs;
  }

  get(key: string, nowMs: number): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || nowMs - entry.setAtMs > this.#keptMs) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  hasSeen(key: string): boolean {
    return this.#entries.has(key);
  }

  set(key: string, value: T, nowMs: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, setAtMs: nowMs });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#size) return;
      this.#entries.delete(oldest);
    }
  }
}
