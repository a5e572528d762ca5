import { createHash } from "node:crypto";
import type { Redis, RedisOptions } from "ioredis";
import { createMemoryRateLimiter } from "./memory-rate-limiter.js";
import { WINDOW_SECONDS, type Claim, type RateLimiter } from "./rate-limiter.js";

/** Makes a client with these options, and whatever the place needs besides (sentinels, TLS, credentials). It must not connect yet. */
export type LimiterRedisConnect = (options: RedisOptions) => Redis;

const COMMAND_TIMEOUT_MS = 500;
/** After a failure Redis is left alone for so long. */
const PAUSE_MS = 1_000;
/** After an outage our own count goes on binding for so long: Redis has not heard of the calls made meanwhile. */
const RECOVERY_MS = (WINDOW_SECONDS + 1) * 1_000;

/**
 * One count for all processes, in Redis, by Redis' clock. Per key a hash of second → calls, gone a minute after the last call.
 *
 * Without Redis every process keeps to its share (1/`replicas`), never more; who has used more than that lately waits. In the minute
 * in which Redis goes, all together may come to twice the limit; at no other time is it exceeded.
 */
export function createRedisRateLimiter(options: {
  readonly connect: LimiterRedisConnect;
  /** Separates environments of Plaid and installations that share a Redis. */
  readonly prefix: string;
  /** How many processes call Plaid, at most. */
  readonly replicas: number;
  readonly nowMs: () => number;
  /** An answer that takes longer is none: the call to Plaid waits for it. Default 500 ms. */
  readonly timeoutMs?: number | undefined;
  /** Told when Redis fails or is back. */
  readonly onDegraded?: ((isDegraded: boolean) => void) | undefined;
}): RateLimiter {
  const timeoutMs = options.timeoutMs ?? COMMAND_TIMEOUT_MS;
  const client = options.connect({
    lazyConnect: true,
    connectionName: "plaid-limits",
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    disconnectTimeout: 100,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), PAUSE_MS),
  });
  client.on("error", () => undefined); // told by the commands that fail
  const local = createMemoryRateLimiter({ nowMs: options.nowMs, share: options.replicas });
  const connected = client.connect().catch(() => undefined); // goes on trying
  let isDegraded = false;
  let pausedUntilMs = 0;
  let localUntilMs = 0;

  function mark(degraded: boolean): void {
    if (degraded) {
      pausedUntilMs = options.nowMs() + PAUSE_MS;
      localUntilMs = options.nowMs() + RECOVERY_MS;
    }
    if (degraded === isDegraded) return;
    isDegraded = degraded;
    options.onDegraded?.(degraded);
  }

  async function askRedis(claims: readonly Claim[]): Promise<number | undefined> {
    if (options.nowMs() < pausedUntilMs) return undefined;
    await connected;
    try {
      const waitMs = await runScript(client, options.prefix, claims);
      mark(false);
      return waitMs;
    } catch {
      mark(true);
      return undefined;
    }
  }

  return {
    take: async (claims) => {
      const isLocalBinding = options.nowMs() < localUntilMs;
      // Before Redis, which would have counted the call already.
      const localWaitMs = isLocalBinding ? local.takeNow(claims) : 0;
      if (localWaitMs > 0) return localWaitMs;
      const waitMs = await askRedis(claims);
      if (waitMs === undefined) return isLocalBinding ? 0 : local.takeNow(claims);
      if (waitMs === 0 && !isLocalBinding) local.record(claims);
      return waitMs;
    },
    close: () => client.disconnect(),
  };
}

/** KEYS: one for each claim. ARGV: the window's seconds, then each claim's limit. Answers 0, or the milliseconds to wait. */
const LUA = `
local window = tonumber(ARGV[1])
local time = redis.call("TIME")
local second = tonumber(time[1])
local nowMs = second * 1000 + math.floor(tonumber(time[2]) / 1000)
local wait = 0
for i, key in ipairs(KEYS) do
  local limit = tonumber(ARGV[i + 1])
  local flat = redis.call("HGETALL", key)
  local slots, used, stale = {}, 0, {}
  for j = 1, #flat, 2 do
    local slot, count = tonumber(flat[j]), tonumber(flat[j + 1])
    if slot < second - window then stale[#stale + 1] = flat[j]
    else slots[#slots + 1] = { slot, count }; used = used + count end
  end
  if #stale > 0 then redis.call("HDEL", key, unpack(stale)) end
  if used >= limit then
    table.sort(slots, function(a, b) return a[1] < b[1] end)
    for _, slot in ipairs(slots) do
      used = used - slot[2]
      if used < limit then
        wait = math.max(wait, 1, (slot[1] + window + 1) * 1000 - nowMs)
        break
      end
    end
  end
end
if wait > 0 then return wait end
for _, key in ipairs(KEYS) do
  redis.call("HINCRBY", key, tostring(second), 1)
  redis.call("EXPIRE", key, window + 2)
end
return 0
`;
const SHA = createHash("sha1").update(LUA).digest("hex");

async function runScript(client: Redis, prefix: string, claims: readonly Claim[]): Promise<number> {
  // One slot of a cluster, so that the claims are taken together or not at all.
  const keys = claims.map((claim) => `{${prefix}}:${claim.key}`);
  const args = [String(WINDOW_SECONDS), ...claims.map((claim) => String(claim.limit))];
  const answer: unknown = await client.evalsha(SHA, keys.length, ...keys, ...args).catch((error: unknown) => {
    if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
    return client.eval(LUA, keys.length, ...keys, ...args);
  });
  if (typeof answer !== "number") throw new Error("the limiter's script answered no number");
  return answer;
}
