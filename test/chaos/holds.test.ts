import { whereRedisIs } from "@florin/testkit";
import { runHolds } from "../../chaos/holds.js";

whereRedisIs(describe, describe.skip)("kernel.pg: holds that many clients share, through GraphQL (CT-1 … CT-8)", () => {
  test("each answer is the one legal outcome of one order, while ledgers die, freeze and lose their connections after COMMIT", async () => {
    const report = await runHolds({
      ...{ rounds: 1_500, seconds: 9, seed: 1, strikeEveryMs: 1_200 },
      strikes: ["kill a ledger", "freeze a ledger", "cut between a commit and its answer"],
    });
    expect(report.violations).toEqual([]);
    expect(report.accepted).toBeGreaterThan(20);
    expect(report.refused).toBeGreaterThan(20);
    expect(report.holds).toBeGreaterThan(5);
    expect(Object.keys(report.struck).length).toBeGreaterThan(0);
  }, 300_000);

  test("without the fence the same judgement finds a second writer's work: the control", async () => {
    const report = await runHolds({ rounds: 1_500, seconds: 9, seed: 1, control: true });
    expect(report.violations).not.toEqual([]);
  }, 300_000);
});
