import fc from "fast-check";
import { currencyCodes, internalDigits, minorDigits, parseCurrency, type CurrencyCode } from "./currency.js";
import {
  amountFromNumeric,
  amountToNumeric,
  formatDecimal,
  formatMinor,
  isAtMinorScale,
  isDecimal,
  parseDecimal,
  parseInstructedMoney,
  type Amount,
} from "./money.js";
import type { FieldFault } from "./request-error.js";

function currency(code: string): CurrencyCode {
  const parsed = parseCurrency(code);
  if (parsed === undefined) throw new Error(`${code} is not registered`);
  return parsed;
}
const USD = currency("USD");

describe("the grammar of Decimal", () => {
  it.each(["0", "-0", "1", "10.50", "0.00", "-12.345", "9".repeat(40)])("takes %s", (text) => {
    expect(isDecimal(text)).toBe(true);
  });
  it.each(["", "01", "1.", ".5", "+1", "1e2", "1,5", " 1", "1 ", "--1", "NaN", "٣", "1\n", "9".repeat(41)])(
    "refuses %j",
    (text) => {
      expect(isDecimal(text)).toBe(false);
      expect(parseDecimal(text, 40)).toBeUndefined();
    },
  );
});

describe("instructed money (MON-2, PI-6)", () => {
  it.each([
    ["12.50", "USD", 125_000_000n],
    ["1", "USD", 10_000_000n],
    ["7", "JPY", 700_000n],
    ["0.001", "BHD", 100_000n],
    ["999999999999999.99", "USD", 9_999_999_999_999_999_900_000n],
  ])("reads %s %s at internal scale", (amount, code, scaled) => {
    const faults: FieldFault[] = [];
    expect(parseInstructedMoney({ amount, currency: code }, "input.amount", faults)).toEqual({
      amount: scaled,
      currency: code,
    });
    expect(faults).toEqual([]);
  });

  it.each([
    ["1.00", "XYZ", "input.amount.currency", "CURRENCY_UNKNOWN"],
    ["1.00", "usd", "input.amount.currency", "CURRENCY_UNKNOWN"],
    ["1.00", "constructor", "input.amount.currency", "CURRENCY_UNKNOWN"],
    ["1e3", "USD", "input.amount.amount", "AMOUNT_FORMAT"],
    ["0.00", "USD", "input.amount.amount", "AMOUNT_NOT_POSITIVE"],
    ["-0", "USD", "input.amount.amount", "AMOUNT_NOT_POSITIVE"],
    ["-1.00", "USD", "input.amount.amount", "AMOUNT_NOT_POSITIVE"],
    ["1.001", "USD", "input.amount.amount", "AMOUNT_SCALE"],
    ["1.000", "USD", "input.amount.amount", "AMOUNT_SCALE"],
    ["1.0", "JPY", "input.amount.amount", "AMOUNT_SCALE"],
    ["1000000000000000", "USD", "input.amount.amount", "AMOUNT_TOO_LARGE"],
  ])("refuses %s %s and names the field", (amount, code, path, fault) => {
    const faults: FieldFault[] = [];
    expect(parseInstructedMoney({ amount, currency: code }, "input.amount", faults)).toBeUndefined();
    expect(faults.map((found) => [found.path, found.code])).toEqual([[path, fault]]);
  });
});

describe("amounts inside and outside", () => {
  const amounts = fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n });
  const codes = fc.constantFrom(...currencyCodes);

  it("come back from SQL as they went, for every currency and with any number of trailing zeros", () => {
    fc.assert(
      fc.property(amounts, codes, fc.nat(8), (value, code, zeros) => {
        const text = amountToNumeric(value as Amount, code) + "0".repeat(zeros);
        expect(amountFromNumeric(text, code)).toBe(value);
      }),
    );
  });

  it("print with exactly the digits asked for, and read back exactly", () => {
    fc.assert(
      fc.property(amounts, fc.nat(12), (value, digits) => {
        const text = formatDecimal(value, digits);
        expect(text.split(".")[1]?.length ?? 0).toBe(digits);
        expect(parseDecimal(text, digits)).toBe(value);
      }),
    );
  });

  it("are never rounded on the way out: digits beyond the currency's own throw (MON-3)", () => {
    fc.assert(
      fc.property(amounts, codes, (value, code) => {
        const unit = 10n ** BigInt(internalDigits(code) - minorDigits(code));
        const isWhole = value % unit === 0n;
        expect(isAtMinorScale(value as Amount, code)).toBe(isWhole);
        if (!isWhole) expect(() => formatMinor(value as Amount, code)).toThrow(/round it first/);
        expect(formatMinor((value * unit) as Amount, code)).toBe(formatDecimal(value, minorDigits(code)));
      }),
    );
  });

  it("refuse a stored number with more digits than the ledger keeps", () => {
    expect(() => amountFromNumeric("0.00000001", USD)).toThrow(/more digits/);
  });
});
