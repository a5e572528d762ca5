import fc from "fast-check";
import { currencyCodes, type CurrencyCode } from "./currency.js";
import type { Amount } from "./money.js";
import { isAtMinorScale } from "./money.js";
import {
  divideRounded,
  multiplyByRate,
  round,
  splitAtMinorScale,
  splitByWeights,
  sumAmounts,
  unitOf,
  type Rate,
  type RoundingMode,
} from "./rounding.js";

const USD = "USD" as CurrencyCode;
const modes: readonly RoundingMode[] = ["HALF_EVEN", "HALF_UP", "HALF_DOWN", "UP", "DOWN", "CEILING", "FLOOR"];
const amounts = fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }).map((value) => value as Amount);

describe("rounding is asked for, with a mode (MON-3)", () => {
  // Tenths divided by ten.
  test.each<[bigint, Record<RoundingMode, bigint>]>([
    [25n, { HALF_EVEN: 2n, HALF_UP: 3n, HALF_DOWN: 2n, UP: 3n, DOWN: 2n, CEILING: 3n, FLOOR: 2n }],
    [35n, { HALF_EVEN: 4n, HALF_UP: 4n, HALF_DOWN: 3n, UP: 4n, DOWN: 3n, CEILING: 4n, FLOOR: 3n }],
    [24n, { HALF_EVEN: 2n, HALF_UP: 2n, HALF_DOWN: 2n, UP: 3n, DOWN: 2n, CEILING: 3n, FLOOR: 2n }],
    [26n, { HALF_EVEN: 3n, HALF_UP: 3n, HALF_DOWN: 3n, UP: 3n, DOWN: 2n, CEILING: 3n, FLOOR: 2n }],
    [-25n, { HALF_EVEN: -2n, HALF_UP: -3n, HALF_DOWN: -2n, UP: -3n, DOWN: -2n, CEILING: -2n, FLOOR: -3n }],
    [-35n, { HALF_EVEN: -4n, HALF_UP: -4n, HALF_DOWN: -3n, UP: -4n, DOWN: -3n, CEILING: -3n, FLOOR: -4n }],
    [-26n, { HALF_EVEN: -3n, HALF_UP: -3n, HALF_DOWN: -3n, UP: -3n, DOWN: -2n, CEILING: -2n, FLOOR: -3n }],
    [-4n, { HALF_EVEN: 0n, HALF_UP: 0n, HALF_DOWN: 0n, UP: -1n, DOWN: 0n, CEILING: 0n, FLOOR: -1n }],
    [30n, { HALF_EVEN: 3n, HALF_UP: 3n, HALF_DOWN: 3n, UP: 3n, DOWN: 3n, CEILING: 3n, FLOOR: 3n }],
  ])("%s tenths", (tenths, expected) => {
    for (const mode of modes) expect([mode, divideRounded(tenths, 10n, mode)]).toEqual([mode, expected[mode]]);
  });

  test("to minor scale it is less than one unit away, to internal scale it changes nothing", () => {
    fc.assert(
      fc.property(amounts, fc.constantFrom(...currencyCodes), fc.constantFrom(...modes), (amount, code, mode) => {
        const rounded = round(amount, code, { scale: "MINOR", mode });
        const off = rounded - amount;
        expect(isAtMinorScale(rounded, code)).toBe(true);
        expect((off < 0n ? -off : off) < unitOf("MINOR", code)).toBe(true);
        expect(round(amount, code, { scale: "INTERNAL", mode })).toBe(amount);
      }),
    );
  });

  test("a divisor that is not above zero is a bug", () => {
    expect(() => divideRounded(1n, 0n, "UP")).toThrow(/above zero/);
  });

  test("a rate is applied exactly, with one rounding", () => {
    const fivePercent = 50_000_000_000n as Rate;
    expect(multiplyByRate(10_000_000n as Amount, fivePercent, "HALF_EVEN")).toBe(500_000n);
    expect(multiplyByRate(10n as Amount, fivePercent, "HALF_EVEN")).toBe(0n); // 0.5, to even
    expect(multiplyByRate(30n as Amount, fivePercent, "HALF_EVEN")).toBe(2n); // 1.5, to even
    expect(multiplyByRate(30n as Amount, fivePercent, "DOWN")).toBe(1n);
  });
});

describe("the parts of a split make the whole (MON-3)", () => {
  test.each([
    [100n, [1n, 1n, 1n], 1n, [34n, 33n, 33n]],
    [100n, [1n, 2n, 3n], 1n, [17n, 33n, 50n]],
    [1_000n, [1n, 1n, 1n], 100n, [400n, 300n, 300n]],
    [-100n, [1n, 1n, 1n], 1n, [-34n, -33n, -33n]],
    [5n, [0n, 1n], 1n, [0n, 5n]],
    [0n, [3n, 1n], 1n, [0n, 0n]],
  ])("%s by %j in units of %s", (amount, weights, unit, shares) => {
    expect(splitByWeights(amount as Amount, weights, unit)).toEqual(shares);
  });

  test("for any weights, each share within a unit of its exact part", () => {
    const weights = fc
      .array(fc.bigInt({ min: 0n, max: 1_000n }), { minLength: 1, maxLength: 8 })
      .filter((all) => all.some((w) => w > 0n));
    fc.assert(
      fc.property(amounts, weights, (amount, all) => {
        const shares = splitByWeights(amount, all);
        const total = all.reduce((sum, weight) => sum + weight, 0n);
        expect(sumAmounts(shares)).toBe(amount);
        shares.forEach((share, place) => {
          const off = share * total - amount * all[place]!;
          expect((off < 0n ? -off : off) < total).toBe(true);
        });
      }),
    );
  });

  test("what of an accrual is posted and what is carried make the accrual", () => {
    expect(splitAtMinorScale(1_250_000n as Amount, USD, "HALF_EVEN")).toEqual({ posted: 1_200_000n, carried: 50_000n });
    expect(splitAtMinorScale(1_260_000n as Amount, USD, "HALF_EVEN")).toEqual({
      posted: 1_300_000n,
      carried: -40_000n,
    });
  });

  test.each([
    ["no weight", 1n, [0n, 0n], 1n],
    ["a negative weight", 1n, [2n, -1n], 1n],
    ["no multiple of the unit", 5n, [1n], 2n],
  ])("%s is a bug", (_what, amount, weights, unit) => {
    expect(() => splitByWeights(amount as Amount, weights, unit)).toThrow();
  });
});

describe("largest remainder (MON-3)", () => {
  test.each<[string, bigint, readonly bigint[], readonly bigint[]]>([
    ["who lost most gets first, wherever it stands", 10n, [1n, 2n, 4n], [1n, 3n, 6n]],
    ["not who stands first", 7n, [10n, 10n, 15n], [2n, 2n, 3n]],
    ["of equals the earlier", 100n, [1n, 1n, 1n], [34n, 33n, 33n]],
    ["two units for the earlier two of three", 11n, [1n, 1n, 1n], [4n, 4n, 3n]],
    ["the last, where it lost most", 5n, [30n, 30n, 40n], [2n, 1n, 2n]],
    ["the last before equals", 4n, [3n, 3n, 5n], [1n, 1n, 2n]],
    ["nobody, where nothing is left", 6n, [1n, 2n, 3n], [1n, 2n, 3n]],
    ["a weight of zero gets nothing", 7n, [0n, 2n, 0n, 1n], [0n, 5n, 0n, 2n]],
    ["debts as credits, mirrored", -10n, [1n, 2n, 4n], [-1n, -3n, -6n]],
  ])("%s", (_what, amount, weights, shares) => {
    expect(splitByWeights(amount as Amount, weights)).toEqual(shares);
    expect(splitByWeights((amount * 5n) as Amount, weights, 5n)).toEqual(shares.map((share) => share * 5n));
  });

  test.each([[[]], [[0n]], [[0n, 0n]], [[1n, -1n]], [[2n, -1n]]])("no shares by the weights %p", (weights) => {
    expect(() => splitByWeights(10n as Amount, weights)).toThrow(/weights are zero or more/);
  });
});

test("MON-3: below the half an odd quotient stays, above it an even one goes", () => {
  expect([14n, 16n, -14n, -16n, 15n, 5n].map((tenths) => divideRounded(tenths, 10n, "HALF_EVEN"))).toEqual([
    1n,
    2n,
    -1n,
    -2n,
    2n,
    0n,
  ]);
});

test("MON-3: what may be posted is at minor scale, the rest is carried", () => {
  expect(splitAtMinorScale(1_250_000n as Amount, USD, "DOWN")).toEqual({ posted: 1_200_000n, carried: 50_000n });
  expect(splitAtMinorScale(1_250_000n as Amount, USD, "UP")).toEqual({ posted: 1_300_000n, carried: -50_000n });
});

test("a product with a rate is rounded once, at the end (MON-3)", () => {
  const fivePercent = 50_000_000_000n as Rate;
  expect([10n, 30n, 9n, 11n].map((amount) => multiplyByRate(amount as Amount, fivePercent, "HALF_EVEN"))).toEqual([
    0n,
    2n,
    0n,
    1n,
  ]);
});
