import type { SimulatorClock } from "./clock.js";
import { knownError, type PlaidErrorBody, type PlaidErrorCode } from "./plaid-error.js";

/** Calls a minute: of one Item, and of the client over all its Items; null where Plaid states none. */
interface Limit {
  readonly perItem: number | null;
  readonly perClient: number | null;
}

interface LimitedEndpoint {
  readonly production: Limit;
  readonly sandbox: Limit;
  readonly itemCode: PlaidErrorCode;
  readonly clientCode: PlaidErrorCode;
}

const limit = (perItem: number | null, perClient: number | null): Limit => ({ perItem, perClient });

/** §1.6, after Plaid's documentation of March 2026. Endpoints that are not here have no limit of their own. */
export const LIMITED_ENDPOINTS: Readonly<Record<string, LimitedEndpoint>> = {
  "/accounts/get": {
    production: limit(15, 15_000),
    sandbox: limit(100, 5_000),
    itemCode: "ACCOUNTS_LIMIT",
    clientCode: "ACCOUNTS_LIMIT",
  },
  "/accounts/balance/get": {
    production: limit(5, 1_200),
    sandbox: limit(25, 100),
    itemCode: "BALANCE_LIMIT",
    clientCode: "ACCOUNTS_BALANCE_GET_LIMIT",
  },
  "/transactions/sync": {
    production: limit(50, 2_500),
    sandbox: limit(50, 1_000),
    itemCode: "TRANSACTIONS_SYNC_LIMIT",
    clientCode: "TRANSACTIONS_SYNC_LIMIT",
  },
  "/transactions/refresh": {
    production: limit(2, 100),
    sandbox: limit(2, 100),
    itemCode: "TRANSACTIONS_REFRESH_LIMIT",
    clientCode: "TRANSACTIONS_REFRESH_LIMIT",
  },
  "/liabilities/get": {
    production: limit(15, 1_000),
    sandbox: limit(10, 1_000),
    itemCode: "RATE_LIMIT",
    clientCode: "RATE_LIMIT",
  },
  "/investments/holdings/get": {
    production: limit(15, 2_000),
    sandbox: limit(100, 1_000),
    itemCode: "INVESTMENT_HOLDINGS_GET_LIMIT",
    clientCode: "INVESTMENT_HOLDINGS_GET_LIMIT",
  },
  "/investments/transactions/get": {
    production: limit(30, 20_000),
    sandbox: limit(100, 1_000),
    itemCode: "INVESTMENT_TRANSACTIONS_LIMIT",
    clientCode: "INVESTMENT_TRANSACTIONS_LIMIT",
  },
  "/investments/refresh": {
    production: limit(1, 100),
    sandbox: limit(1, 100),
    itemCode: "RATE_LIMIT",
    clientCode: "RATE_LIMIT",
  },
  "/item/get": {
    production: limit(15, 5_000),
    sandbox: limit(40, 5_000),
    itemCode: "ITEM_GET_LIMIT",
    clientCode: "ITEM_GET_LIMIT",
  },
  "/item/remove": {
    production: limit(30, 2_000),
    sandbox: limit(100, 500),
    itemCode: "RATE_LIMIT",
    clientCode: "RATE_LIMIT",
  },
  "/institutions/get_by_id": {
    production: limit(null, 400),
    sandbox: limit(null, 400),
    itemCode: "RATE_LIMIT",
    clientCode: "RATE_LIMIT",
  },
  // Exists in the sandbox alone.
  "/sandbox/transactions/create": {
    production: limit(2, null),
    sandbox: limit(2, null),
    itemCode: "RATE_LIMIT",
    clientCode: "RATE_LIMIT",
  },
};

interface Bucket {
  tokens: number;
  readonly capacity: number;
  /** Milliseconds of the simulator's clock at which `tokens` was right. */
  at: number;
}

const WINDOW_MS = 60_000;
/** Above this many buckets those that are full again are forgotten: they say the same as none. */
const SWEEP_ABOVE = 10_000;

/**
 * Token buckets per Item and per client on the simulator's clock. A bucket holds a minute's calls and fills evenly, so after
 * a pause of a minute all of them may come at once. A call that one of its buckets refuses takes a token from neither.
 */
export class RateLimits {
  readonly #clock: Pick<SimulatorClock, "now">;
  readonly #environment: "sandbox" | "production";
  readonly #scale: number;
  readonly #buckets = new Map<string, Bucket>();
  #sweepAt = SWEEP_ABOVE;

  /** @param scale 1: the table as it is; 0.1: a tenth of it, never less than one call; Infinity: no limits */
  constructor(clock: Pick<SimulatorClock, "now">, environment: "sandbox" | "production", scale: number) {
    if (!(scale > 0)) throw new RangeError("The scale of the limits must be above 0 (Infinity turns them off).");
    this.#clock = clock;
    this.#environment = environment;
    this.#scale = scale;
  }

  /** Takes one call. @returns Plaid's refusal when the Item or the client has used its minute up */
  take(endpoint: string, itemId: string | undefined): PlaidErrorBody | undefined {
    const limited = LIMITED_ENDPOINTS[endpoint];
    if (limited === undefined || this.#scale === Infinity) return undefined;
    const { perItem, perClient } = limited[this.#environment];
    const item = itemId === undefined ? undefined : this.#bucket(`${endpoint} ${itemId}`, perItem);
    const client = this.#bucket(endpoint, perClient);
    if (isEmpty(item)) return knownError(limited.itemCode);
    if (isEmpty(client)) return knownError(limited.clientCode);
    if (item !== undefined) item.tokens -= 1;
    if (client !== undefined) client.tokens -= 1;
    return undefined;
  }

  #bucket(key: string, perMinute: number | null): Bucket | undefined {
    if (perMinute === null) return undefined;
    const now = this.#clock.now().getTime();
    const bucket = this.#buckets.get(key);
    if (bucket !== undefined) {
      fill(bucket, now);
      return bucket;
    }
    if (this.#buckets.size >= this.#sweepAt) this.#sweep(now);
    const capacity = Math.max(1, perMinute * this.#scale);
    const fresh = { tokens: capacity, capacity, at: now };
    this.#buckets.set(key, fresh);
    return fresh;
  }

  /** Not again before there are twice as many: a sweep that finds little to forget must not follow at every call. */
  #sweep(now: number): void {
    for (const [key, bucket] of this.#buckets) if (now - bucket.at >= WINDOW_MS) this.#buckets.delete(key);
    this.#sweepAt = Math.max(SWEEP_ABOVE, this.#buckets.size * 2);
  }
}

/** Filling is done in fractions; what is a hair below a whole token is one. */
function isEmpty(bucket: Bucket | undefined): boolean {
  return bucket !== undefined && bucket.tokens < 1 - 1e-9;
}

function fill(bucket: Bucket, now: number): void {
  const passed = Math.max(0, now - bucket.at);
  bucket.tokens = Math.min(bucket.capacity, bucket.tokens + (passed * bucket.capacity) / WINDOW_MS);
  bucket.at = now;
}
