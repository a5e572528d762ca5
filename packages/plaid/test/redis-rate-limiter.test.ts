import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createRedisRateLimiter, type RateLimiter } from "../src/index.js";
import { eventually, startTestRedis, whereRedisIs, type TestRedis } from "@florin/testkit";
import { Redis } from "ioredis";

const describeWithRedis = whereRedisIs(describe, describe.skip);

describeWithRedis("five processes that share a limit", () => {
  let redis: TestRedis;
  let limiters: RateLimiter[];
  let nowMs = 1_800_000_000_000;
  const degraded = new Set<number>();

  beforeAll(async () => {
    redis = await startTestRedis();
    limiters = Array.from({ length: 5 }, (_, replica) =>
      createRedisRateLimiter({
        connect: (options) => new Redis(redis.url, options),
        prefix: "test",
        replicas: 5,
        nowMs: () => nowMs,
        timeoutMs: 10_000,
        onDegraded: (isDegraded) => (isDegraded ? degraded.add(replica) : degraded.delete(replica)),
      }),
    );
  });
  afterAll(async () => {
    for (const limiter of limiters) limiter.close();
    await redis.stop();
  });

  /** Everybody tries at once, each `times` times; how many were let through. */
  async function rush(key: string, limit: number, times: number): Promise<number> {
    const claims = [
      { key: "client", limit: 1_000 },
      { key, limit },
    ];
    const waits = await Promise.all(
      limiters.flatMap((limiter) => Array.from({ length: times }, () => limiter.take(claims))),
    );
    return waits.filter((waitMs) => waitMs === 0).length;
  }

  it("stay inside it together, to the last call", async () => {
    expect(await rush("a", 15, 10)).toBe(15);
    expect(await rush("b", 15, 1)).toBe(5);
    const [limiter] = limiters;
    const waitMs = await limiter?.take([{ key: "a", limit: 15 }]);
    expect(waitMs).toBeGreaterThan(30_000);
    expect(waitMs).toBeLessThanOrEqual(61_000);
  });

  it("take of all claims or of none", async () => {
    const [limiter] = limiters;
    for (let refusal = 1; refusal <= 5; refusal++)
      await limiter?.take([
        { key: "c", limit: 3 },
        { key: "a", limit: 15 },
      ]);
    expect(await rush("c", 3, 2)).toBe(3);
  });

  it("keep to a fifth each while Redis is away, and for a minute afterwards", async () => {
    expect(await rush("e", 15, 3)).toBe(15);
    await redis.kill();
    // Nothing was counted here yet for this key: three each.
    expect(await rush("d", 15, 10)).toBe(15);
    expect(degraded.size).toBe(5);
    // What each has used through Redis counts in its share.
    expect(await rush("e", 15, 10)).toBe(0);
    await redis.start();
    await eventually(async () => {
      nowMs += 1_001;
      await rush("probe", 100, 1);
      return degraded.size === 0;
    });
    // Redis has not heard of the calls to "d"; our own counts hold.
    expect(await rush("d", 15, 10)).toBe(0);
    nowMs += 62_000;
    expect(await rush("d", 15, 10)).toBe(15);
  });
});
