import fc from "fast-check";
import { negateDecimal, sumDecimals } from "./decimal-sum.js";

const decimal = fc
  .tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.integer({ min: 0, max: 12 }))
  .map(([value, scale]) => {
    const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0");
    const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
    return { text: value < 0n ? `-${text}` : text, units: value * 10n ** BigInt(12 - scale) };
  });

it("sums exactly, whatever the scales", () => {
  fc.assert(
    fc.property(fc.array(decimal, { maxLength: 20 }), (parts) => {
      const sum = sumDecimals(parts.map(({ text }) => text));
      const [whole, fraction = ""] = sum.split(".") as [string, string?];
      const units = BigInt(whole.replace("-", "") + fraction.padEnd(12, "0")) * (sum.startsWith("-") ? -1n : 1n);
      expect(units).toBe(parts.reduce((total, part) => total + part.units, 0n));
    }),
  );
});

it("keeps the digits that it was given, and knows no negative zero", () => {
  expect(sumDecimals([])).toBe("0");
  expect(sumDecimals(["12.50"])).toBe("12.50");
  expect(sumDecimals(["0.1", "0.2"])).toBe("0.3");
  expect(sumDecimals(["-1", "1.00"])).toBe("0.00");
  expect([negateDecimal("0.00"), negateDecimal("-3.1"), negateDecimal("3.1")]).toEqual(["0.00", "3.1", "-3.1"]);
});
