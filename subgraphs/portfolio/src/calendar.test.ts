import fc from "fast-check";
import { addDays, daysBetween, existingDay, existingInstant, intervalsOf } from "./calendar.js";

const day = fc.integer({ min: 0, max: 20_000 }).map((days) => addDays("1990-01-01", days));

it.each(["DAY", "WEEK", "MONTH"] as const)(
  "cuts a period into each %s, without a gap and without an overlap",
  (interval) => {
    fc.assert(
      fc.property(day, fc.integer({ min: 0, max: 100 }), (from, length) => {
        const to = addDays(from, length);
        const intervals = intervalsOf(from, to, interval);
        expect(intervals[0]?.from).toBe(from);
        expect(intervals.at(-1)?.to).toBe(to);
        for (const [index, { from: start, to: end }] of intervals.entries()) {
          expect(daysBetween(start, end)).toBeGreaterThanOrEqual(0);
          if (index > 0) expect(start).toBe(addDays(intervals[index - 1]!.to, 1));
          if (index > 0 && interval === "WEEK") expect(new Date(`${start}T00:00:00Z`).getUTCDay()).toBe(1);
          if (index > 0 && interval === "MONTH") expect(start.slice(8)).toBe("01");
        }
      }),
      { numRuns: 30 },
    );
  },
);

it("knows which days and points in time exist", () => {
  expect(["2026-02-28", "2026-02-29", "2024-02-29", "0001-01-01", null].map(existingDay)).toEqual([
    "2026-02-28",
    null,
    "2024-02-29",
    null,
    null,
  ]);
  expect(existingInstant("2026-01-01T00:00:00+01:00")).toBe("2025-12-31T23:00:00.000000Z");
  expect(existingInstant("2026-13-01T00:00:00Z")).toBeNull();
});
