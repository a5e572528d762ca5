import fc from "fast-check";
import { formatInstant, instantFromMicros, instantFromMillis, parseInstant } from "./instant.js";

test("every microsecond between 1900 and 9999 reads back", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -2_208_988_800_000_000n, max: 253_402_300_799_999_999n }), (micros) => {
      expect(parseInstant(formatInstant(instantFromMicros(micros)))).toBe(micros);
    }),
  );
});

test.each([
  ["2026-01-31T09:00:00.000001Z", "2026-01-31T09:00:00.000001Z"],
  ["2026-01-31T09:00:00+02:00", "2026-01-31T07:00:00.000000Z"],
  ["2026-01-31 09:00:00.123456+00", "2026-01-31T09:00:00.123456Z"],
  ["1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"],
])("%s is %s", (text, canonical) => {
  const instant = parseInstant(text);
  expect(instant && formatInstant(instant)).toBe(canonical);
});

test.each([
  "2026-02-30T00:00:00Z",
  "2026-01-31",
  "2026-01-31T09:00:00",
  "1899-12-31T00:00:00Z",
  "2026-01-31T09:00:00+15:00",
  "x",
])("is no instant: %s", (text) => expect(parseInstant(text)).toBeUndefined());

test.each([
  ["2026-01-31T09:00:00+05:30", "2026-01-31T03:30:00.000000Z"],
  ["2026-01-31T09:00:00-03:30", "2026-01-31T12:30:00.000000Z"],
  ["2026-01-31T09:00:00-08", "2026-01-31T17:00:00.000000Z"],
  ["2026-01-31T09:00:00+0545", "2026-01-31T03:15:00.000000Z"],
  ["2026-01-31T09:00:00+14:00", "2026-01-30T19:00:00.000000Z"],
  ["2026-01-31T09:00:00+13:59", "2026-01-30T19:01:00.000000Z"],
  ["2026-01-31t09:00:00.5z", "2026-01-31T09:00:00.500000Z"],
  ["2026-01-31T09:00:00.000123999Z", "2026-01-31T09:00:00.000123Z"], // what is finer than a microsecond is cut
  ["1900-01-01T00:00:00Z", "1900-01-01T00:00:00.000000Z"],
  ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"],
])("an offset is taken off, a fraction filled up: %s is %s", (text, canonical) => {
  const instant = parseInstant(text);
  expect(instant === undefined ? undefined : formatInstant(instant)).toBe(canonical);
});

test.each([
  "x2026-01-31T09:00:00Z",
  "2026-01-31T09:00:00Zx",
  "2026-01-31T09:00:00+00:60",
  "2026-01-31T09:00:00.Z",
  "2026-01-31T24:00:00Z",
  "2026-13-01T00:00:00Z",
  "2026-01-31T09:60:00Z",
])("nor is %s", (text) => expect(parseInstant(text)).toBeUndefined());

test("milliseconds are cut to whole ones", () => {
  expect([0, 1, 1.9, -1].map(instantFromMillis)).toEqual([0n, 1_000n, 1_000n, -1_000n]);
});

test("texts of one second and of the next do not mix", () => {
  const texts = [0n, 999_999n, 1_000_000n, 999_999n, -1n, -1_000_000n, 0n].map((micros) =>
    formatInstant(instantFromMicros(micros)),
  );
  expect(texts.map((text) => text.slice(17))).toEqual([
    "00.000000Z",
    "00.999999Z",
    "01.000000Z",
    "00.999999Z",
    "59.999999Z",
    "59.000000Z",
    "00.000000Z",
  ]);
});
