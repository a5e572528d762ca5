import fc from "fast-check";
import { formatInstant, instantFromMicros, parseInstant } from "./instant.js";

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
