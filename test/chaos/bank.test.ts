import { whereRedisIs } from "@florin/testkit";
import { runBank } from "../../chaos/bank.js";

whereRedisIs(describe, describe.skip)("the bank, through GraphQL", () => {
  test("every read adds up while ledgers die, freeze and lose their connections, and Redis is emptied", async () => {
    const report = await runBank({
      ...{ rounds: 2_000, seconds: 11, seed: 1, strikeEveryMs: 1_500 },
      strikes: [
        "kill a ledger",
        "freeze a ledger",
        "cut between a commit and its answer",
        "empty Redis",
        "kill a gateway",
      ],
    });
    expect(report.violations).toEqual([]);
    expect(report.reads).toBeGreaterThan(50);
    expect(report.transfers).toBeGreaterThan(20);
    expect(report.refused).toBeGreaterThan(0);
    expect(Object.keys(report.struck).length).toBeGreaterThan(0);
  }, 300_000);

  test("accounts that are read one by one do not add up: the control", async () => {
    const report = await runBank({ rounds: 150, seconds: 30, seed: 1, control: true });
    expect(report.violations.some((violation) => violation.startsWith("wrong-total"))).toBe(true);
  }, 300_000);
});
