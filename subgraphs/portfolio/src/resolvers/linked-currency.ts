/** What the graph says where an institution names no currency: never a guess, and never neither of the two. */
const NO_CURRENCY = "XXX";

/** Exactly one of the two is set. */
export function toCurrency(row: { readonly isoCode: string | null; readonly unofficialCode: string | null }) {
  if (row.isoCode !== null) return { isoCode: row.isoCode, unofficialCode: null };
  return { isoCode: null, unofficialCode: row.unofficialCode ?? NO_CURRENCY };
}
