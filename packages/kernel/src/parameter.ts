import { internalDigits, minorDigits, type CurrencyCode } from "./currency.js";
import type { Json } from "./event.js";
import { formatDecimal, formatMinor, parseDecimal, type Amount } from "./money.js";
import { refuse, type Refusal } from "./refusal.js";
import { RATE_DIGITS, type Rate } from "./rounding.js";

/**
 * What an account of a product is opened with. A parameter travels and is stored as text of one canonical form for each value, and
 * hooks see it decoded: no hook parses.
 */
export type ParameterKind =
  /** A decimal of the account's currency, zero or more. */
  | "AMOUNT_NOT_NEGATIVE"
  /** The same, or `none`. */
  | "AMOUNT_OR_NONE"
  /** A decimal share of one for a year, from 0 to below 10: `0.05` is five percent. */
  | "RATE"
  /** A whole number from 0 to 100 000: days, months. */
  | "COUNT"
  /** Rates from amounts on, `0=0.01,1000=0.02`: the first from zero, each later one from more. */
  | "TIERS";

export interface ParameterTerms {
  readonly description: string;
  readonly kind: ParameterKind;
  readonly defaultValue: string;
}

export interface ParameterDefinition extends ParameterTerms {
  readonly name: string;
}

/** By name, as text. */
export type ParameterValues = Readonly<Record<string, string>>;

export interface Tier {
  readonly from: Amount;
  readonly rate: Rate;
}

interface DecodedByKind {
  readonly AMOUNT_NOT_NEGATIVE: Amount;
  readonly AMOUNT_OR_NONE: Amount | undefined;
  readonly RATE: Rate;
  readonly COUNT: number;
  readonly TIERS: readonly Tier[];
}
export type Decoded<K extends ParameterKind> = DecodedByKind[K];

interface Codec<T> {
  /** undefined for text that is no value of this kind. */
  readonly parse: (text: string, currency: CurrencyCode) => { readonly value: T } | undefined;
  readonly format: (value: T, currency: CurrencyCode) => string;
  readonly hint: string;
}

const amounts: Codec<Amount> = {
  parse: (text, currency) => {
    const digits = minorDigits(currency);
    const scaled = parseDecimal(text, digits);
    if (scaled === undefined || scaled < 0n || scaled >= 10n ** BigInt(15 + digits)) return undefined;
    return { value: (scaled * 10n ** BigInt(internalDigits(currency) - digits)) as Amount };
  },
  format: formatMinor,
  hint: "send a decimal string of the account's currency, zero or more",
};

const amountsOrNone: Codec<Amount | undefined> = {
  parse: (text, currency) => (text === "none" ? { value: undefined } : amounts.parse(text, currency)),
  format: (value, currency) => (value === undefined ? "none" : amounts.format(value, currency)),
  hint: 'send a decimal string of the account\'s currency, zero or more, or "none"',
};

const rates: Codec<Rate> = {
  parse: (text) => {
    const scaled = parseDecimal(text, RATE_DIGITS);
    return scaled === undefined || scaled < 0n || scaled >= 10n ** BigInt(RATE_DIGITS + 1)
      ? undefined
      : { value: scaled as Rate };
  },
  format: (value) => formatDecimal(value, RATE_DIGITS).replace(/\.?0+$/, ""),
  hint: 'send a decimal share of one such as "0.05", from 0 to below 10',
};

const counts: Codec<number> = {
  parse: (text) => (/^(0|[1-9][0-9]{0,5})$/.test(text) && +text <= 100_000 ? { value: +text } : undefined),
  format: (value) => value.toString(),
  hint: "send a whole number from 0 to 100000",
};

const tiers: Codec<readonly Tier[]> = {
  parse: (text, currency) => {
    const value: Tier[] = [];
    for (const part of text.split(",")) {
      const [from = "", rate = "", ...more] = part.split("=");
      const parsedFrom = amounts.parse(from, currency);
      const parsedRate = rates.parse(rate, currency);
      if (parsedFrom === undefined || parsedRate === undefined || more.length > 0) return undefined;
      const previous = value.at(-1);
      if (previous === undefined ? parsedFrom.value !== 0n : parsedFrom.value <= previous.from) return undefined;
      value.push({ from: parsedFrom.value, rate: parsedRate.value });
    }
    return { value };
  },
  format: (value, currency) =>
    value.map(({ from, rate }) => `${amounts.format(from, currency)}=${rates.format(rate, currency)}`).join(","),
  hint: 'send rates from amounts on, such as "0=0.01,1000=0.02", the first from zero',
};

const codecs: { readonly [K in ParameterKind]: Codec<Decoded<K>> } = {
  AMOUNT_NOT_NEGATIVE: amounts,
  AMOUNT_OR_NONE: amountsOrNone,
  RATE: rates,
  COUNT: counts,
  TIERS: tiers,
};

/** The canonical text of a value, or undefined. */
function canonicalize<K extends ParameterKind>(kind: K, text: string, currency: CurrencyCode): string | undefined {
  const codec: Codec<Decoded<K>> = codecs[kind];
  const parsed = codec.parse(text, currency);
  return parsed === undefined ? undefined : codec.format(parsed.value, currency);
}

/** A stored value as hooks see it. Throws when it is none: it was checked when it was stored. */
export function decodeParameter<K extends ParameterKind>(
  { name, kind }: { readonly name: string; readonly kind: K },
  values: ParameterValues,
  currency: CurrencyCode,
): Decoded<K> {
  const codec: Codec<Decoded<K>> = codecs[kind];
  const parsed = codec.parse(values[name] ?? "", currency);
  if (parsed === undefined) throw new Error(`parameter ${name} is stored as something that is no ${kind}`);
  return parsed.value;
}

export type ResolvedParameters = { readonly parameters: ParameterValues } | { readonly refusal: Refusal };

/**
 * The values an account gets: those proposed, else those it has, else the defaults; in canonical form. Refused by name:
 * what the product does not know, and what is no value of its kind.
 */
export function resolveParameters(
  product: { readonly code: string; readonly parameters: readonly ParameterDefinition[] },
  currency: CurrencyCode,
  proposed: Json,
  current: ParameterValues = {},
): ResolvedParameters {
  if (proposed === null || typeof proposed !== "object" || Array.isArray(proposed))
    return { refusal: refuse("PARAMETER_INVALID", "parameters: send an object") };
  const given = proposed as { readonly [name: string]: Json | undefined };
  const unknown = Object.keys(given).find((name) => !product.parameters.some((known) => known.name === name));
  if (unknown !== undefined)
    return {
      refusal: refuse("PARAMETER_INVALID", `${product.code} has no parameter of the name ${unknown.slice(0, 80)}`),
    };
  const parameters: Record<string, string> = {};
  for (const { name, kind, defaultValue } of product.parameters) {
    const text = ownMember(given, name) ?? ownMember(current, name) ?? defaultValue;
    const value = typeof text === "string" ? canonicalize(kind, text, currency) : undefined;
    if (value === undefined) return { refusal: refuse("PARAMETER_INVALID", `${name}: ${codecs[kind].hint}`) };
    parameters[name] = value;
  }
  return { parameters };
}

/** A name of every object (`toString`) is nothing that was sent. */
function ownMember<T>(object: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}
