import type { CurrencyPair } from "@florin/linked-data";
import { dayText, instantText } from "@florin/linked-data";
import { z } from "zod";
import { requestId } from "../call-failure.js";
import { decimalOfDouble } from "../decimal-of-double.js";

/**
 * The pieces that Plaid's answers are made of. Every piece checks before it converts; a field that Plaid may leave out and one that
 * may be null are the same to us: null. Members of an enumeration are text of any kind.
 */
export const id = z.string().min(1).max(256);
export const amount = z.number().transform(decimalOfDouble);
export const amountOrNull = orNull(amount);
export const textOrNull = orNull(z.string());
export const dayOrNull = orNull(dayText);
export const instantOrNull = orNull(instantText);
export const booleanOrNull = orNull(z.boolean());
export const countOrNull = orNull(z.int());
export const receipt = z.object({ request_id: requestId });

/** The types of the client have a member `'null'` in some enumerations, an artefact of their making: it is null (§2). */
export const memberOrNull = orNull(z.string()).transform((member) => (member === "null" ? null : member));

export function orNull<T extends z.ZodType>(field: T) {
  return field.nullish().transform((value) => value ?? null);
}

/** Absent, null and empty text are all "not said". */
export const textOrAbsent = z
  .string()
  .nullish()
  .transform((text) => (text === null || text === "" ? undefined : text));

export const currencyFields = { iso_currency_code: textOrNull, unofficial_currency_code: textOrNull } as const;

export function currencyOf(row: {
  readonly iso_currency_code: string | null;
  readonly unofficial_currency_code: string | null;
}): CurrencyPair {
  return { isoCode: row.iso_currency_code, unofficialCode: row.unofficial_currency_code };
}

const SHOWN_DIGITS = 4;

/** `••3154`: the last four, and of a number as short as that nothing (§5.5). */
export function maskNumber(whole: string | null): string | null {
  if (whole === null) return null;
  const letters = whole.replace(/[^\p{L}\p{N}]/gu, "");
  return letters.length > SHOWN_DIGITS ? `••${letters.slice(-SHOWN_DIGITS)}` : "••";
}
