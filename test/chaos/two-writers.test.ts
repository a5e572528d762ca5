import { whereRedisIs } from "@florin/testkit";
import { runTwoWriters } from "../../chaos/two-writers.js";

whereRedisIs(describe, describe.skip)("two ledger processes on one book", () => {
  test("whoever writes is killed, cut off and frozen: nothing told is lost, doubled or taken back", async () => {
    const report = await runTwoWriters({ rounds: 3, seed: 1 });
    expect(report.violations.filter((violation) => !violation.startsWith("slow"))).toEqual([]); // time is the long form's
    expect(report.struck).toEqual({ kill: 1, freeze: 1, cut: 1 });
    expect(report.completed).toBeGreaterThan(50);
    expect(report.rejected).toBeGreaterThan(0);
  }, 300_000);

  test("without the fence the same judgement finds a second writer's work: the control", async () => {
    const report = await runTwoWriters({ rounds: 2, seed: 1, control: true });
    expect(report.violations).not.toEqual([]);
  }, 300_000);
});
