import { whereRedisIs } from "@florin/testkit";
import { runFailover } from "../../chaos/failover.js";

// Correctness is asserted here; the pass line for time is the long form's, on a machine of its own (docs/failover.md).
const patient = { maxDetectionMs: 60_000, maxDownMs: 60_000 };

test("no acknowledged deposit is lost or done twice when the primary dies and the standby takes over", async () => {
  // The other mode, "on", is the one below, through processes; the long form has both everywhere.
  const report = await runFailover({ rounds: 1, seed: 1, modes: ["remote_apply"], ...patient });
  expect(report.violations).toEqual([]);
  expect(report.rounds.map((round) => round.mode)).toEqual(["remote_apply"]);
  expect(report.acknowledged).toBeGreaterThan(100);
}, 300_000);

test("without waiting for the standby they are lost: the control", async () => {
  const report = await runFailover({ rounds: 1, seed: 1, control: true, ...patient });
  expect(report.rounds[0]?.lost).toBeGreaterThan(0);
  expect(report.violations).not.toEqual([]);
}, 300_000);

whereRedisIs(describe, describe.skip)("through a gateway, an accounts and two ledgers", () => {
  test("the same holds, and every process finds the new primary by itself", async () => {
    const report = await runFailover({ rounds: 1, seed: 2, modes: ["on"], through: "processes", ...patient });
    expect(report.violations).toEqual([]);
    expect(report.acknowledged).toBeGreaterThan(100);
  }, 300_000);
});
