import { checkListAppend, whereRedisIs } from "@florin/testkit";
import { runListAppend } from "../../chaos/list-append.js";
import { runPlainLists } from "../../chaos/plain-lists.js";

whereRedisIs(describe, describe.skip)("list-append, through GraphQL", () => {
  test("the history is strictly serializable while the platform is struck down", async () => {
    const report = await runListAppend({
      ...{ rounds: 3_000, seconds: 12, seed: 1, strikeEveryMs: 1_500 },
      strikes: [
        "kill a ledger",
        "freeze a ledger",
        "cut between a commit and its answer",
        "reset the ledgers' database connections",
      ],
    });
    expect(report.violations).toEqual([]);
    expect(report.ok).toBeGreaterThan(100);
    expect(report.failed).toBeGreaterThan(0);
    expect(Object.keys(report.struck).length).toBeGreaterThan(0);
  }, 300_000);
});

describe("the checker of list-append, on a plain table", () => {
  test("finds what READ COMMITTED lets through: the control", async () => {
    const report = await runListAppend({ rounds: 1_000, seed: 1, control: true });
    expect(report.violations.some((violation) => violation.startsWith("incompatible-order"))).toBe(true);
    expect(report.violations.some((violation) => /^G/.test(violation))).toBe(true);
  }, 120_000);

  test("is content with SERIALIZABLE", async () => {
    const history = await runPlainLists({ transactions: 1_000, seed: 1, isolation: "serializable" });
    expect(checkListAppend(history.entries).anomalies).toEqual([]);
  }, 120_000);
});
