import type { Instant } from "@florin/kernel";
import { negateDecimal, sumDecimals } from "./decimal-sum.js";

/** What one account adds, in its own currency. */
export interface WorthPart {
  readonly isoCode: string | null;
  /** Decimal text, signed: owed is negative. null: not known. */
  readonly worth: string | null;
  readonly asOf: Instant | null;
}

export interface NetWorthFigures<Part> {
  readonly total: string;
  readonly assets: string;
  /** Positive. */
  readonly liabilities: string;
  /** Of the oldest figure that is in it; undefined when all are of now. */
  readonly asOf: Instant | undefined;
  /** In another currency, or not known. */
  readonly excluded: readonly Part[];
}

/** There is no source of rates, so nothing is converted: what is not in the currency is left out, and said to be. */
export function netWorthOf<Part extends WorthPart>(parts: readonly Part[], currency: string): NetWorthFigures<Part> {
  const counted: { readonly worth: string; readonly asOf: Instant | null }[] = [];
  const excluded: Part[] = [];
  for (const part of parts) {
    if (part.isoCode === currency && part.worth !== null) counted.push({ worth: part.worth, asOf: part.asOf });
    else excluded.push(part);
  }
  const assets = sumDecimals(counted.flatMap(({ worth }) => (worth.startsWith("-") ? [] : [worth])));
  const owed = sumDecimals(counted.flatMap(({ worth }) => (worth.startsWith("-") ? [worth] : [])));
  const times = counted.flatMap(({ asOf }) => (asOf === null ? [] : [asOf]));
  return {
    total: sumDecimals([assets, owed]),
    assets,
    liabilities: negateDecimal(owed),
    asOf: times.length === 0 ? undefined : times.reduce((oldest, time) => (time < oldest ? time : oldest)),
    excluded,
  };
}

const FALLBACK = "USD";

/**
 * The currency of the account held here that was opened first (parts come in that order); else the one that most linked accounts are in,
 * the first of the alphabet where several are; else USD.
 */
export function usualCurrency(
  parts: readonly { readonly isoCode: string | null; readonly ownAccountId: string | null }[],
): string {
  const own = parts.find(({ ownAccountId, isoCode }) => ownAccountId !== null && isoCode !== null);
  if (own?.isoCode !== null && own?.isoCode !== undefined) return own.isoCode;
  const counts = new Map<string, number>();
  for (const { isoCode } of parts) if (isoCode !== null) counts.set(isoCode, (counts.get(isoCode) ?? 0) + 1);
  const [most] = [...counts].sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1));
  return most?.[0] ?? FALLBACK;
}
