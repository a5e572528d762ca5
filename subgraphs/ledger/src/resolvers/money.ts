import { formatMinor, type Amount, type CurrencyCode } from "@florin/kernel";

/** The `Money` of the graph: exactly the currency's minor digits. */
export function toMoney(amount: Amount, currency: CurrencyCode): { amount: string; currency: CurrencyCode } {
  return { amount: formatMinor(amount, currency), currency };
}
