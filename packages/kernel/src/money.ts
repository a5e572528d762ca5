import { internalDigits, minorDigits, parseCurrency, type CurrencyCode } from "./currency.js";
import type { FieldFault } from "./request-error.js";

/**
 * An exact amount at its currency's internal scale (MON-1, MON-2): 1.00 USD is 10_000_000n, two minor digits and five more.
 * Never a `number`. Strings at the border, `numeric` in SQL, this inside.
 */
export type Amount = bigint & { readonly __brand: "Amount" };

export interface Money {
  readonly amount: Amount;
  readonly currency: CurrencyCode;
}

export const ZERO = 0n as Amount;

/** The grammar of the Decimal scalar (api.md, "Values"). */
const DECIMAL = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/;
/** Longer than any money there is, shorter than an attack: numeric(38) with room for the point and the sign. */
const MAX_DECIMAL_LENGTH = 40;

export function isDecimal(text: string): boolean {
  return text.length <= MAX_DECIMAL_LENGTH && DECIMAL.test(text);
}

/** Scaled integer of a decimal string, or undefined when it is no decimal or has more than `digits` digits behind the point. */
export function parseDecimal(text: string, digits: number): bigint | undefined {
  if (!isDecimal(text)) return undefined;
  const isNegative = text.startsWith("-");
  const [whole, fraction = ""] = (isNegative ? text.slice(1) : text).split(".") as [string, string?];
  if (fraction.length > digits) return undefined;
  const value = BigInt(whole + fraction.padEnd(digits, "0"));
  return isNegative ? -value : value;
}

const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** The decimal string of `value / 10^digits` with exactly `digits` digits behind the point. */
export function formatDecimal(value: bigint, digits: number): string {
  if (value >= 0n && value <= SAFE && digits > 0) return formatSafe(Number(value), 10 ** digits, digits);
  const sign = value < 0n ? "-" : "";
  const text = (value < 0n ? -value : value).toString().padStart(digits + 1, "0");
  return digits === 0 ? sign + text : `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/** Nearly all amounts are whole numbers that a double holds exactly; it divides them five times as fast. */
function formatSafe(value: number, scale: number, digits: number): string {
  const fraction = value % scale;
  return `${(value - fraction) / scale}.${String(fraction).padStart(digits, "0")}`;
}

/** For amounts that come from our own SQL (`numeric` as text, any number of trailing zeros). Throws when they do not fit. */
export function amountFromNumeric(text: string, currency: CurrencyCode): Amount {
  const digits = internalDigits(currency);
  const [whole, fraction = ""] = text.split(".") as [string, string?];
  const kept = fraction.slice(0, digits);
  if (/[1-9]/.test(fraction.slice(digits)))
    throw new Error(`${text} has more digits than ${currency} has at internal scale`);
  const value = parseDecimal(kept === "" ? whole : `${whole}.${kept}`, digits);
  if (value === undefined) throw new Error(`not a decimal: ${text}`);
  return value as Amount;
}

/** For SQL and for coordinates at internal scale: all digits that the ledger keeps. */
export function amountToNumeric(amount: Amount, currency: CurrencyCode): string {
  return formatDecimal(amount, internalDigits(currency));
}

/** Has the amount no digits beyond the currency's own? Addresses of scale MINOR, DEFAULT among them, hold only such (MON-2). */
export function isAtMinorScale(amount: Amount, currency: CurrencyCode): boolean {
  return amount % 10n ** BigInt(internalDigits(currency) - minorDigits(currency)) === 0n;
}

/** Output money: exactly the currency's minor digits (`100.00`). Throws if digits would be lost: rounding is never implicit (MON-3). */
export function formatMinor(amount: Amount, currency: CurrencyCode): string {
  if (!isAtMinorScale(amount, currency)) throw new Error(`${amount} ${currency} is not at minor scale; round it first`);
  return formatDecimal(amount / 10n ** BigInt(internalDigits(currency) - minorDigits(currency)), minorDigits(currency));
}

/**
 * A stranger's money for an instruction: positive, in a registered currency, with no more digits than the currency has.
 * Pushes one fault per problem and returns undefined, so that a whole input's faults can be told at once.
 */
export function parseInstructedMoney(
  input: { readonly amount: string; readonly currency: string },
  path: string,
  faults: FieldFault[],
): Money | undefined {
  const currency = parseCurrency(input.currency);
  if (currency === undefined) {
    faults.push({
      path: `${path}.currency`,
      code: "CURRENCY_UNKNOWN",
      message: "Not a currency that is registered here. Use an ISO 4217 code such as USD.",
    });
    return undefined;
  }
  if (!isDecimal(input.amount)) {
    faults.push({
      path: `${path}.amount`,
      code: "AMOUNT_FORMAT",
      message: 'Not a decimal. Send a string such as "12.50".',
    });
    return undefined;
  }
  const digits = minorDigits(currency);
  if (input.amount.startsWith("-") || !/[1-9]/.test(input.amount)) {
    faults.push({ path: `${path}.amount`, code: "AMOUNT_NOT_POSITIVE", message: "Send an amount above zero." });
    return undefined;
  }
  const scaled = parseDecimal(input.amount, digits);
  if (scaled === undefined) {
    faults.push({
      path: `${path}.amount`,
      code: "AMOUNT_SCALE",
      message: `${currency} has ${digits} digits behind the point. Send no more; amounts are never rounded here.`,
    });
    return undefined;
  }
  if (scaled >= 10n ** BigInt(15 + digits)) {
    faults.push({ path: `${path}.amount`, code: "AMOUNT_TOO_LARGE", message: "Send an amount below 10^15." });
    return undefined;
  }
  return { amount: (scaled * 10n ** BigInt(internalDigits(currency) - digits)) as Amount, currency };
}
