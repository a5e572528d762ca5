import { whereRedisIs } from "@florin/testkit";
import { runRollingRestart } from "../../chaos/rolling-restart.js";

const describeWithRedis = whereRedisIs(describe, describe.skip);

describeWithRedis("a rolling restart of a process of every kind, under load", () => {
  it("shows clients nothing but retries, and a live subscriber neither a gap nor a repeat", async () => {
    const report = await runRollingRestart({ rounds: 1, seed: 1, oneOfEach: true });
    expect(report.violations).toEqual([]);
    expect(report.restarts).toBe(4);
    expect(report.transfers).toBeGreaterThan(100);
    expect(report.liveResumed).toBeGreaterThan(0);
  }, 300_000);

  it("doubles transfers when clients ask again under a new key: the control", async () => {
    const report = await runRollingRestart({ rounds: 1, seed: 1, control: true });
    expect(report.violations.some((violation) => /was told of \d+ transfers; the ledger has/.test(violation))).toBe(
      true,
    );
  }, 300_000);
});
