/**
 * Text as PostgreSQL and JSON can keep it: without the zero character, and with every half of a surrogate pair that stands alone
 * replaced. Institutions send anything, and one name must not stop an account.
 */
export function toStorable(text: string): string {
  return text.includes("\0") || LONE_SURROGATE.test(text)
    ? text.replaceAll("\0", "").replace(LONE_SURROGATES, "\uFFFD")
    : text;
}

const LONE_SURROGATE = /\p{Surrogate}/u;
const LONE_SURROGATES = /\p{Surrogate}/gu;

/** The same for every text in it. The shape stays. */
export function withStorableTexts<T>(value: T): T;
export function withStorableTexts(value: unknown): unknown {
  if (typeof value === "string") return toStorable(value);
  if (Array.isArray(value)) return value.map((one: unknown) => withStorableTexts(one));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withStorableTexts(inner)]));
}
