import { describe, expect, it } from "@jest/globals";
import { decimalText } from "@florin/linked-data";
import fc from "fast-check";
import { decimalOfDouble } from "./decimal-of-double.js";

describe("the decimal of a double", () => {
  it.each([
    [0, "0"],
    [-0, "0"],
    [1e-7, "0.0000001"],
    [-1.5e-10, "-0.00000000015"],
    [5e-324, `0.${"0".repeat(323)}5`],
    [1e21, "1000000000000000000000"],
    [-1.234e22, "-12340000000000000000000"],
    [23631.9805, "23631.9805"],
    [0.1 + 0.2, "0.30000000000000004"],
    [56302.06, "56302.06"],
    // What was written with more digits than a double holds is the same double, and so the same decimal.
    [12345678.123456789, "12345678.12345679"],
  ])("of %d is %s", (value, text) => {
    expect(decimalOfDouble(value)).toBe(text);
  });

  it("is plain, reads back as the same double, and has no more digits than the shortest", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = decimalOfDouble(value);
        expect(decimalText.safeParse(text).success).toBe(true);
        expect(Number(text)).toBe(value === 0 ? 0 : value);
        const digits = (written: string) =>
          written
            .replace(/e.*$/, "")
            .replace(/[-.]/g, "")
            .replace(/^0+|0+$/g, "");
        expect(digits(text)).toBe(digits(String(value)));
      }),
      { numRuns: 2_000 },
    );
  });

  it("refuses what is no number", () => {
    for (const value of [NaN, Infinity, -Infinity]) expect(() => decimalOfDouble(value)).toThrow("finite");
  });
});
