import type { CountryCode, Products } from "plaid";
import type { LinkProducts } from "./plaid-port.js";

/** What may stand in a link's configuration: checked when the port is made, not when the first person links. */
const COUNTRIES = {
  US: true,
  GB: true,
  ES: true,
  NL: true,
  FR: true,
  IE: true,
  CA: true,
  DE: true,
  IT: true,
  PL: true,
  DK: true,
  NO: true,
  SE: true,
  EE: true,
  LT: true,
  LV: true,
  PT: true,
  BE: true,
  AT: true,
  FI: true,
} as const satisfies Record<`${CountryCode}`, true>;

/** Those that we read. Another one would be billed and never looked at. */
const PRODUCTS = { transactions: true, liabilities: true, investments: true } as const satisfies Partial<
  Record<`${Products}`, true>
>;

export function toCountries(codes: readonly string[]): CountryCode[] {
  if (codes.length === 0) throw new Error("A link needs at least one country.");
  return codes.map((code) => memberOf<CountryCode>(COUNTRIES, code, "country"));
}

/** As the request has them. A product stands in one list only (linked-accounts.md §1.2). */
export function toProductLists({ required, requiredIfSupported, optional }: LinkProducts) {
  const all = [...required, ...requiredIfSupported, ...optional];
  if (required.length === 0) throw new Error("A link needs at least one required product.");
  if (new Set(all).size !== all.length) throw new Error(`A product stands in two lists: ${all.join(", ")}.`);
  const list = (names: readonly string[]) => names.map((name) => memberOf<Products>(PRODUCTS, name, "product"));
  return {
    products: list(required),
    ...(requiredIfSupported.length === 0 ? {} : { required_if_supported_products: list(requiredIfSupported) }),
    ...(optional.length === 0 ? {} : { optional_products: list(optional) }),
  };
}

/** The table's keys are members of the enumeration: the compiler holds the tables to that. */
function memberOf<Member extends string>(table: object, name: string, what: string): Member {
  if (Object.hasOwn(table, name)) return name as Member;
  throw new Error(`"${name}" is no ${what} that can be linked here. There are: ${Object.keys(table).join(", ")}.`);
}
