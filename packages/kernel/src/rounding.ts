import { internalDigits, minorDigits, type CurrencyCode } from "./currency.js";
import { ZERO, type Amount } from "./money.js";

/**
 * Rounding and splitting (MON-3). Nothing here happens by itself: who rounds says to which scale and in which mode, and the parts
 * of a split always make the whole.
 */
export type RoundingMode = "HALF_EVEN" | "HALF_UP" | "HALF_DOWN" | "UP" | "DOWN" | "CEILING" | "FLOOR";

/** MINOR: the currency's own digits. INTERNAL: all digits that the ledger keeps (MON-2). */
export type AddressScale = "MINOR" | "INTERNAL";

/** Above this the amount is one unit of the scale: 100_000n at MINOR, 1n at INTERNAL. */
export function unitOf(scale: AddressScale, currency: CurrencyCode): bigint {
  return scale === "INTERNAL" ? 1n : 10n ** BigInt(internalDigits(currency) - minorDigits(currency));
}

/** The multiple of the scale's unit that the mode chooses. HALF_UP and UP go away from zero, HALF_DOWN and DOWN towards it. */
export function round(
  amount: Amount,
  currency: CurrencyCode,
  how: { readonly scale: AddressScale; readonly mode: RoundingMode },
): Amount {
  const unit = unitOf(how.scale, currency);
  return (divideRounded(amount, unit, how.mode) * unit) as Amount;
}

/** `numerator / denominator` as a whole number. Throws for a denominator that is not above zero. */
export function divideRounded(numerator: bigint, denominator: bigint, mode: RoundingMode): bigint {
  if (denominator <= 0n) throw new Error(`cannot divide by ${denominator}: the denominator is above zero`);
  const quotient = numerator / denominator; // towards zero
  const rest = numerator - quotient * denominator;
  if (rest === 0n) return quotient;
  const away = rest < 0n ? quotient - 1n : quotient + 1n;
  return goesAway(quotient, rest, denominator, mode) ? away : quotient;
}

function goesAway(quotient: bigint, rest: bigint, denominator: bigint, mode: RoundingMode): boolean {
  const twice = rest < 0n ? -rest * 2n : rest * 2n;
  switch (mode) {
    case "UP":
      return true;
    case "DOWN":
      return false;
    case "CEILING":
      return rest > 0n;
    case "FLOOR":
      return rest < 0n;
    case "HALF_UP":
      return twice >= denominator;
    case "HALF_DOWN":
      return twice > denominator;
    case "HALF_EVEN":
      return twice > denominator || (twice === denominator && quotient % 2n !== 0n);
  }
}

/**
 * What of an accrual may be posted at minor scale, and what stays on the accrual address until next time (MON-3, carry-forward).
 * `posted + carried` is the amount.
 */
export function splitAtMinorScale(
  amount: Amount,
  currency: CurrencyCode,
  mode: RoundingMode,
): { readonly posted: Amount; readonly carried: Amount } {
  const posted = round(amount, currency, { scale: "MINOR", mode });
  return { posted, carried: (amount - posted) as Amount };
}

/**
 * Shares of an amount by weight, each a multiple of `unit`, by largest remainder: every share is cut down, and the units that are
 * left go to those who lost most, the earlier of equals first. The shares make the whole (MON-3).
 * Throws for an amount that is no multiple of the unit, for negative weights, and when all weights are zero.
 */
export function splitByWeights(amount: Amount, weights: readonly bigint[], unit = 1n): readonly Amount[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0n);
  if (total <= 0n || weights.some((weight) => weight < 0n))
    throw new Error("weights are zero or more, and one is above zero");
  if (amount % unit !== 0n) throw new Error(`${amount} is no multiple of ${unit}; round it first`);
  if (amount < 0n) return splitByWeights(-amount as Amount, weights, unit).map((share) => -share as Amount);
  const units = amount / unit;
  const shares = weights.map((weight) => (units * weight) / total);
  const remainders = weights.map((weight, place) => ({ place, remainder: (units * weight) % total }));
  remainders.sort((a, b) => (a.remainder === b.remainder ? a.place - b.place : a.remainder > b.remainder ? -1 : 1));
  let left = units - shares.reduce((sum, share) => sum + share, 0n);
  for (const { place } of remainders) {
    if (left === 0n) break;
    shares[place]! += 1n;
    left -= 1n;
  }
  return shares.map((share) => (share * unit) as Amount);
}

/** An amount times a rate, exact until the one rounding that is asked for. */
export function multiplyByRate(amount: Amount, rate: Rate, mode: RoundingMode): Amount {
  return divideRounded(amount * rate, RATE_UNIT, mode) as Amount;
}

/** A rate as a whole number of 10⁻¹²: 5 % is 50_000_000_000n. */
export type Rate = bigint & { readonly __brand: "Rate" };
export const RATE_DIGITS = 12;
const RATE_UNIT = 10n ** BigInt(RATE_DIGITS);

export function sumAmounts(amounts: Iterable<Amount>): Amount {
  let sum: bigint = ZERO;
  for (const amount of amounts) sum += amount;
  return sum as Amount;
}

export function minAmount(a: Amount, b: Amount): Amount {
  return a < b ? a : b;
}
