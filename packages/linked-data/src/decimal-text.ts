import { z } from "zod";

/** Plain decimal text without an exponent: `-12.5`, `0`, `23631.9805`. Never a number, so nothing is ever rounded. */
export const decimalText = z.string().regex(/^-?(0|[1-9]\d*)(\.\d+)?$/, "must be a plain decimal");
/** A day as the institution says it, `2026-11-21`. Whether the calendar has it is for who stores it: one field is no reason to refuse a row. */
export const dayText = z.string().regex(/^\d{4}-\d{2}-\d{2}$/, "must be a day");
/** RFC 3339, with its offset. */
export const instantText = z.string().regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}/, "must be an RFC 3339 instant");

/** As the institution says it: an ISO 4217 code, or its own code, never guessed (linked-accounts.md §4). Of a security both may be null. */
export const currencyPair = z.object({ isoCode: z.string().nullable(), unofficialCode: z.string().nullable() });
export type CurrencyPair = z.infer<typeof currencyPair>;
