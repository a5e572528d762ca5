import { businessDateOf, closeOf, cutoffOf, type BusinessDate } from "./business-day.js";
import { parseShorthand, resolveInterval, resolvePoint, spanInDays, type Point } from "./data-requirement.js";
import { formatInstant, parseInstant } from "./instant.js";
import { fromLocalTime, shiftInstant, toLocalTime } from "./zoned-time.js";

const instant = (text: string) => parseInstant(text)!;
const show = (value: ReturnType<typeof instant>) => formatInstant(value).replace(".000000Z", "Z");
const local = (text: string) => {
  const [year, month, day, hour, minute, second] = text.split(/[-T:]/).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return { year, month, day, hour, minute, second, micros: 0 };
};

describe("local time", () => {
  test.each([
    ["Europe/Berlin", "2026-01-15T12:00:00", "2026-01-15T11:00:00Z"],
    ["Europe/Berlin", "2026-07-15T12:00:00", "2026-07-15T10:00:00Z"],
    ["Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29T01:00:00Z"], // skipped: the first instant after
    ["Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T00:30:00Z"], // twice: the first
    ["America/New_York", "2026-03-08T02:00:00", "2026-03-08T07:00:00Z"],
    ["America/New_York", "2026-11-01T01:30:00", "2026-11-01T05:30:00Z"],
    ["Asia/Kolkata", "2026-01-01T00:00:00", "2025-12-31T18:30:00Z"],
    ["Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-03T15:30:00Z"], // a gap of half an hour
    ["UTC", "2026-01-01T00:00:00", "2026-01-01T00:00:00Z"],
  ])("%s %s is %s", (zone, text, utc) => {
    expect(show(fromLocalTime(local(text), zone))).toBe(utc);
  });

  test("there and back, microseconds and all", () => {
    const at = instant("2026-07-15T21:59:59.123456Z");
    expect(fromLocalTime(toLocalTime(at, "Asia/Tokyo"), "Asia/Tokyo")).toBe(at);
    expect(toLocalTime(instant("1969-12-31T23:59:59.999999Z"), "UTC")).toMatchObject({
      year: 1969,
      second: 59,
      micros: 999_999,
    });
  });

  test("whole seconds before 1970", () => {
    expect(toLocalTime(instant("1969-12-31T23:59:58Z"), "UTC")).toMatchObject({ second: 58, micros: 0 });
    expect(show(fromLocalTime(local("1969-12-31T23:59:58"), "UTC"))).toBe("1969-12-31T23:59:58Z");
  });

  test("a zone that does not exist throws", () => {
    expect(() => toLocalTime(instant("2026-01-01T00:00:00Z"), "Mars/Olympus")).toThrow();
  });
});

describe("shifts (FET-2)", () => {
  test.each([
    ["2026-03-31T00:00:00Z", { months: -1 }, "UTC", "2026-02-28T00:00:00Z"],
    ["2024-02-29T10:00:00Z", { years: 1 }, "UTC", "2025-02-28T10:00:00Z"],
    ["2026-01-31T00:00:00Z", { months: 1, days: 1 }, "UTC", "2026-03-01T00:00:00Z"],
    ["2026-01-15T00:00:00Z", { months: -13 }, "UTC", "2024-12-15T00:00:00Z"],
    ["2026-01-01T00:00:00Z", { hours: -1, minutes: -1, seconds: -1 }, "UTC", "2025-12-31T22:58:59Z"],
    // A day on the calendar is 23 hours long where the clock jumps; 24 hours on the clock are 24 hours.
    ["2026-03-28T11:00:00Z", { days: 1 }, "Europe/Berlin", "2026-03-29T10:00:00Z"],
    ["2026-03-28T11:00:00Z", { hours: 24 }, "Europe/Berlin", "2026-03-29T11:00:00Z"],
  ])("%s by %j in %s is %s", (from, shift, zone, to) => {
    expect(show(shiftInstant(instant(from), shift, zone))).toBe(to);
  });
});

describe("business days (T-5)", () => {
  const group = { timeZone: "Europe/Berlin", cutoff: "18:00:00" };
  test.each([
    ["2026-01-15T16:59:59.999999Z", "2026-01-14"],
    ["2026-01-15T17:00:00Z", "2026-01-15"],
    ["2026-01-16T00:00:00Z", "2026-01-15"],
    ["2026-07-15T16:00:00Z", "2026-07-15"],
  ])("%s belongs to %s", (at, date) => {
    expect(businessDateOf(instant(at), group)).toBe(date);
  });
  test("each begins where the one before ends, also where the clock jumps", () => {
    const [before, after] = ["2026-03-28", "2026-03-29"] as BusinessDate[];
    expect(closeOf(before!, group) + 1n).toBe(cutoffOf(after!, group));
    expect(show(cutoffOf(before!, group))).toBe("2026-03-28T17:00:00Z");
    expect(show(cutoffOf(after!, group))).toBe("2026-03-29T16:00:00Z");
  });
});

describe("points and ranges", () => {
  const group = { timeZone: "UTC", cutoff: "06:00:00" };
  const context = {
    effectiveAt: instant("2026-03-31T00:00:00Z"),
    executedAt: instant("2026-03-31T01:00:00Z"),
    group,
  };

  test("GV-8: a hook that is due at 00:00 and runs at 01:00 (FET-3)", () => {
    const interval = (text: string) => {
      const parsed = parseShorthand(text);
      if (parsed === undefined || "at" in parsed) throw new Error(`${text} is no interval`);
      const { start, end } = resolveInterval(parsed, context);
      return [show(start), show(end)];
    };
    const moment = (text: string) => {
      const parsed = parseShorthand(text);
      if (parsed === undefined || !("at" in parsed)) throw new Error(`${text} is no moment`);
      return show(resolvePoint(parsed.at, context));
    };
    expect(interval("1 month")).toEqual(["2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"]);
    expect(moment("latest")).toBe("2026-03-31T00:00:00Z");
    expect(moment("latest live")).toBe("2026-03-31T01:00:00Z");
    expect(interval("1 day live")).toEqual(["2026-03-30T01:00:00Z", "2026-03-31T01:00:00Z"]);
    expect(interval("90 days")).toEqual(["2025-12-31T00:00:00Z", "2026-03-31T00:00:00Z"]);
    for (const text of ["", "month", "0 days", "-1 day", "1 fortnight", "live latest", "1 day LIVE"])
      expect(parseShorthand(text)).toBeUndefined();
  });

  test.each<[Point, string]>([
    ["EFFECTIVE", "2026-03-31T00:00:00Z"],
    ["LIVE", "2026-03-31T01:00:00Z"],
    [{ origin: "LIVE", at: "startOfDay" }, "2026-03-31T00:00:00Z"],
    [{ origin: "EFFECTIVE", at: "startOfMonth" }, "2026-03-01T00:00:00Z"],
    [{ origin: "EFFECTIVE", shift: { months: -1 }, at: "startOfMonth" }, "2026-02-01T00:00:00Z"],
    [{ origin: "EFFECTIVE", at: "09:30:15" }, "2026-03-31T09:30:15Z"],
    [{ origin: "EFFECTIVE", shift: { days: -1 }, at: "closeOfBusinessDay" }, "2026-03-30T05:59:59.999999Z"],
  ])("FET-2: %j is %s", (point, text) => {
    expect(show(resolvePoint(point, context))).toBe(text);
  });

  test("FET-2: an interval's end may hang on its start, and nothing else may", () => {
    const interval = {
      start: { origin: "EFFECTIVE", shift: { months: -1 } },
      end: { origin: "INTERVAL_START", shift: { days: 7 } },
    } as const;
    const { start, end } = resolveInterval(interval, context);
    expect([show(start), show(end)]).toEqual(["2026-02-28T00:00:00Z", "2026-03-07T00:00:00Z"]);
    expect(spanInDays(interval)).toBe(7);
    expect(() => resolvePoint("INTERVAL_START", context)).toThrow(/interval/);
    expect(() => resolvePoint({ origin: "LIVE", at: "25:00:00" }, context)).toThrow(/HH:mm:ss/);
  });
});
