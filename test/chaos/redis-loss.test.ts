import { whereRedisIs } from "@florin/testkit";
import { runRedisLoss } from "../../chaos/redis-loss.js";

const describeWithRedis = whereRedisIs(describe, describe.skip);

describeWithRedis("Redis flushed, restarted, emptied and away, under load", () => {
  it("loses nothing, and a live subscriber sees neither a gap nor a repeat", async () => {
    const report = await runRedisLoss({ rounds: 1, seed: 1 });
    expect(report.violations).toEqual([]);
    expect(report.losses).toEqual({ flush: 1, restart: 1, empty: 1, down: 1 });
    expect(report.depositsWithoutRedis).toBeGreaterThan(10);
    expect(report.liveTransactions).toBeGreaterThan(20);
  }, 600_000);

  it("misses an event that was taken from a consumer: the control", async () => {
    const { violations } = await runRedisLoss({ rounds: 0, seed: 1, control: true });
    expect(violations).toContainEqual(expect.stringMatching(/^I7 .*ledger was applied or parked by accounts/));
  }, 600_000);
});
