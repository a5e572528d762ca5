import { Redis } from "ioredis";

/** Sealed answers that all gateways share. A cache of a cache: it may be away, late, empty or wrong, and is never worth waiting for. */
export interface SharedLevel {
  get(key: string): Promise<Uint8Array | undefined>;
  /** Returns at once; what cannot be written is forgotten. */
  set(key: string, sealed: Uint8Array, ttlMs: number): void;
  stop(): void;
}

export interface RedisLevelOptions {
  readonly url: string;
  /** Milliseconds, never decreasing. */
  readonly now: () => number;
  readonly onFailure: () => void;
}

const ANSWER_MS = 50;
const CONNECT_MS = 1_000;
const RECONNECT_MS = { base: 50, max: 1_000 } as const;
/** After a failure Redis is left alone so long: a slow one costs 50 ms once, not with every request. */
const LEFT_ALONE_MS = 5_000;
const WRITES_AT_ONCE = 256;
const PREFIX = "florin:response:";

export function createRedisLevel(options: RedisLevelOptions): SharedLevel {
  const { now } = options;
  const client = new Redis(options.url, {
    lazyConnect: true,
    connectionName: "florin-response-cache",
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_MS,
    disconnectTimeout: 100,
    commandTimeout: ANSWER_MS,
    retryStrategy: (times) => Math.min(RECONNECT_MS.base * 2 ** Math.min(times, 10), RECONNECT_MS.max),
  });
  client.on("error", () => undefined); // told by the commands
  client.connect().catch(() => undefined); // it goes on trying
  let leftAloneUntil = 0;
  let writes = 0;

  const isUsable = (): boolean => client.status === "ready" && now() >= leftAloneUntil;
  const fail = (): void => {
    leftAloneUntil = now() + LEFT_ALONE_MS;
    options.onFailure();
  };

  return {
    async get(key) {
      if (!isUsable()) return undefined;
      try {
        return (await client.getBuffer(PREFIX + key)) ?? undefined;
      } catch {
        fail();
        return undefined;
      }
    },
    set(key, sealed, ttlMs) {
      if (!isUsable() || writes >= WRITES_AT_ONCE) return;
      writes += 1;
      client
        .set(PREFIX + key, Buffer.from(sealed), "PX", Math.max(1, Math.floor(ttlMs)))
        .catch(fail)
        .finally(() => (writes -= 1));
    },
    stop: () => client.disconnect(),
  };
}
