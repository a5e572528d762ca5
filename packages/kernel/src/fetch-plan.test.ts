import { planFetches } from "./fetch-plan.js";
import { parseInstant } from "./instant.js";

const instant = (text: string) => parseInstant(text)!;
const context = {
  effectiveAt: instant("2026-03-31T00:00:00Z"),
  executedAt: instant("2026-03-31T01:00:00Z"),
  knownAt: instant("2026-03-31T01:00:05Z"),
  group: { timeZone: "UTC", cutoff: "00:00:00" },
};
const all = { addresses: ["DEFAULT"], phases: ["COMMITTED", "PENDING_IN", "PENDING_OUT"] };

test("FET-6: everything of one execution is read at one known time, every point resolved (FET-2)", () => {
  const plan = planFetches(
    {
      observations: {
        close: { at: { origin: "EFFECTIVE", shift: { days: -1 }, at: "closeOfBusinessDay" }, addresses: ["POCKET"] },
      },
      balanceIntervals: {
        month: { start: { origin: "EFFECTIVE", shift: { months: -1 } }, end: "EFFECTIVE", phases: ["COMMITTED"] },
      },
      postingIntervals: {
        week: { start: { origin: "LIVE", shift: { days: -7 } }, end: { origin: "INTERVAL_START", shift: { days: 1 } } },
      },
      calendars: { holidays: { ids: ["bank"], start: "EFFECTIVE", end: "LIVE" } },
      lastExecutions: ["ACCRUE"],
    },
    context,
  );
  expect(plan).toEqual({
    knownAt: context.knownAt,
    observations: { close: { ...all, addresses: ["POCKET"], valueAt: instant("2026-03-30T23:59:59.999999Z") } },
    balanceIntervals: {
      month: { ...all, phases: ["COMMITTED"], start: instant("2026-02-28T00:00:00Z"), end: context.effectiveAt },
    },
    postingIntervals: {
      week: { ...all, start: instant("2026-03-24T01:00:00Z"), end: instant("2026-03-25T01:00:00Z") },
    },
    calendars: { holidays: { ids: ["bank"], start: context.effectiveAt, end: context.executedAt } },
    lastExecutions: ["ACCRUE"],
  });
});

test("FET-3: a shorthand is an observation or an interval of its own name", () => {
  expect(planFetches({ balances: "latest live", postings: "1 day" }, context)).toMatchObject({
    observations: { balances: { ...all, valueAt: context.executedAt } },
    balanceIntervals: {},
    postingIntervals: { postings: { start: instant("2026-03-30T00:00:00Z"), end: context.effectiveAt } },
  });
  expect(planFetches({ balances: "1 month" }, context)).toMatchObject({
    observations: {},
    balanceIntervals: { balances: { start: instant("2026-02-28T00:00:00Z") } },
  });
});

test("nothing asked, nothing read; nonsense throws", () => {
  const nothing = { observations: {}, balanceIntervals: {}, postingIntervals: {}, calendars: {}, lastExecutions: [] };
  expect(planFetches({}, context)).toEqual({ knownAt: context.knownAt, ...nothing });
  expect(() => planFetches({ balances: "sometime" }, context)).toThrow(/no range/);
  expect(() => planFetches({ postings: "latest" }, context)).toThrow(/moment/);
});
