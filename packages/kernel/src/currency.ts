/** ISO 4217 currencies that circulate, with their minor digits. A registered code of our own would join this table. */
const minorDigitsByCode: Readonly<Record<string, number>> = Object.fromEntries([
  ..."BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(" ").map((code) => [code, 0] as const),
  ..."BHD IQD JOD KWD LYD OMR TND".split(" ").map((code) => [code, 3] as const),
  ...(
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK " +
    "DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD " +
    "KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP " +
    "PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH " +
    "USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG"
  )
    .split(" ")
    .map((code) => [code, 2] as const),
]);

export type CurrencyCode = string & { readonly __brand: "CurrencyCode" };

/** Digits that an address of scale INTERNAL carries beyond the currency's own (MON-2). */
export const INTERNAL_EXTRA_DIGITS = 5;

export const currencyCodes: readonly CurrencyCode[] = Object.keys(minorDigitsByCode).sort() as CurrencyCode[];

/** undefined for a code that is not registered: the caller refuses with CURRENCY_UNKNOWN. */
export function parseCurrency(text: string): CurrencyCode | undefined {
  return Object.hasOwn(minorDigitsByCode, text) ? (text as CurrencyCode) : undefined;
}

export function minorDigits(currency: CurrencyCode): number {
  const digits = minorDigitsByCode[currency];
  if (digits === undefined) throw new Error(`not a registered currency: ${currency}`);
  return digits;
}

/** Digits of every amount inside the ledger (MON-2): minor digits and five more. */
export function internalDigits(currency: CurrencyCode): number {
  return minorDigits(currency) + INTERNAL_EXTRA_DIGITS;
}
