import { parseShorthand, resolvePoint, spanInDays, type Point } from "./data-requirement.js";
import { parseInstant } from "./instant.js";

const instant = (text: string) => parseInstant(text)!;
const context = {
  effectiveAt: instant("2026-03-31T00:00:00Z"),
  executedAt: instant("2026-03-31T01:00:00Z"),
  group: { timeZone: "UTC", cutoff: "00:00:00" },
};

test.each<[string, Point, Point, number]>([
  ["a year", { origin: "EFFECTIVE", shift: { years: -1 } }, "EFFECTIVE", 365],
  ["two months and three days", { origin: "LIVE", shift: { months: -2, days: -3 } }, "LIVE", 63],
  ["a year and a month", { origin: "LIVE", shift: { years: -1, months: -1 } }, "LIVE", 395],
  ["a day and twelve hours", { origin: "LIVE", shift: { days: -1, hours: -12 } }, "LIVE", 1.5],
  ["from one shift to the next", { origin: "LIVE", shift: { days: -9 } }, { origin: "LIVE", shift: { days: -2 } }, 7],
  [
    "counted from the start",
    { origin: "LIVE", shift: { years: -9 } },
    { origin: "INTERVAL_START", shift: { days: 5 } },
    5,
  ],
  ["nothing from the start", { origin: "LIVE", shift: { years: -9 } }, "INTERVAL_START", 0],
  ["a moment", "EFFECTIVE", "LIVE", 0],
])("FET-5: %s spans so many days", (_what, start, end, days) => {
  expect(spanInDays({ start, end })).toBeCloseTo(days, 9);
});

test.each(["09:30", "24:00:00", "09:60:00", "9:30:15", "009:30:15", "09:30:150", "09:30:60", "noon", ""])(
  "FET-2: %j is no time of the day",
  (at) => {
    expect(() => resolvePoint({ origin: "EFFECTIVE", at }, context)).toThrow(/not a time of the day/);
  },
);

test("FET-2: INTERVAL_START belongs to the end of an interval", () => {
  expect(() => resolvePoint("INTERVAL_START", context)).toThrow(/end of an interval/);
  expect(resolvePoint("INTERVAL_START", { ...context, intervalStart: instant("2026-01-01T00:00:00Z") })).toBe(
    instant("2026-01-01T00:00:00Z"),
  );
});

test.each([
  "0 days",
  "01 days",
  "10000 days",
  "1 week",
  "latest  live",
  "1 day dead",
  " 1 day",
  "days",
  "live",
  "1 live",
  "",
])("FET-3: %j means nothing", (text) => {
  expect(parseShorthand(text)).toBeUndefined();
});

test("FET-3: a range ends where it is counted from, and latest is a moment", () => {
  expect(parseShorthand("latest")).toEqual({ at: "EFFECTIVE" });
  expect(parseShorthand("latest live")).toEqual({ at: "LIVE" });
  expect(parseShorthand("12 hours live")).toEqual({ start: { origin: "LIVE", shift: { hours: -12 } }, end: "LIVE" });
  expect(parseShorthand("1 month")).toEqual({
    start: { origin: "EFFECTIVE", shift: { months: -1 } },
    end: "EFFECTIVE",
  });
});
