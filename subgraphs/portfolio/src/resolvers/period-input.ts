import { assertInput, parseCurrency } from "@florin/kernel";
import { daysBetween } from "../calendar.js";

const MAX_DAYS = 3_660;
/** Of what is told for each day. */
export const MAX_DAILY = 400;

/** Throws BAD_USER_INPUT for a period that ends before it begins, or is longer than `maxDays`. */
export function assertPeriod({ from, to }: { readonly from: string; readonly to: string }, maxDays = MAX_DAYS): void {
  if (to < from)
    assertInput([{ path: "to", code: "PERIOD_ORDER", message: "Ends before it begins: swap from and to." }]);
  if (daysBetween(from, to) >= maxDays)
    assertInput([{ path: "to", code: "PERIOD_TOO_LONG", message: `Ask for at most ${maxDays} days at once.` }]);
}

export function assertCurrency(currency: string): void {
  if (parseCurrency(currency) !== undefined) return;
  const message = "Not a currency that is registered here. Use an ISO 4217 code such as USD.";
  assertInput([{ path: "currency", code: "CURRENCY_UNKNOWN", message }]);
}
