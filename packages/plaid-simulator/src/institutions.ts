import type { Institution } from "plaid";
import type { Country, Product } from "./world.js";
import type { Wire } from "./wire.js";

/**
 * The institutions one can link here. Each is there for one behaviour:
 * First Platypus for everything ordinary, Tartan for a second ordinary bank, Kestrel for an OAuth bank, Hunter for a bank
 * that keeps one connection per person and application, Brightwater for the UK with a consent that ends.
 */
export interface SimInstitution {
  readonly institutionId: string;
  readonly name: string;
  readonly countryCodes: readonly Country[];
  readonly products: readonly Product[];
  readonly url: string;
  readonly primaryColor: string;
  readonly routingNumbers: readonly string[];
  readonly isOauth: boolean;
  /** A second Item of the same login makes the first one ask for a new login, as some large US banks do. */
  readonly keepsOneItemPerLogin: boolean;
  /** Consent ends after so many days and must be renewed (UK and EU). */
  readonly consentDays: number | null;
}

const ALL: readonly Product[] = ["transactions", "liabilities", "investments"];

const INSTITUTIONS: readonly SimInstitution[] = [
  {
    institutionId: "ins_109508",
    name: "First Platypus Bank",
    countryCodes: ["US"],
    products: ALL,
    url: "https://first-platypus.example",
    primaryColor: "#1f6f8b",
    routingNumbers: ["011000028"],
    isOauth: false,
    keepsOneItemPerLogin: false,
    consentDays: null,
  },
  {
    institutionId: "ins_109509",
    name: "Tartan Credit Union",
    countryCodes: ["US"],
    products: ALL,
    url: "https://tartan-cu.example",
    primaryColor: "#7a2e4d",
    routingNumbers: ["021000021"],
    isOauth: false,
    keepsOneItemPerLogin: false,
    consentDays: null,
  },
  {
    institutionId: "ins_127287",
    name: "Kestrel OAuth Bank",
    countryCodes: ["US"],
    products: ALL,
    url: "https://kestrel.example",
    primaryColor: "#8a5a00",
    routingNumbers: ["031000503"],
    isOauth: true,
    keepsOneItemPerLogin: false,
    consentDays: null,
  },
  {
    institutionId: "ins_56",
    name: "Hunter National Bank",
    countryCodes: ["US"],
    products: ALL,
    url: "https://hunter-national.example",
    primaryColor: "#174ea6",
    routingNumbers: ["044000037"],
    isOauth: true,
    keepsOneItemPerLogin: true,
    consentDays: null,
  },
  {
    institutionId: "ins_118274",
    name: "Brightwater Building Society",
    countryCodes: ["GB"],
    products: ["transactions"],
    url: "https://brightwater.example",
    primaryColor: "#0b6e4f",
    routingNumbers: [],
    isOauth: true,
    keepsOneItemPerLogin: false,
    consentDays: 90,
  },
];

export function listInstitutions(countryCodes: readonly Country[]): readonly SimInstitution[] {
  return INSTITUTIONS.filter((it) => it.countryCodes.some((code) => countryCodes.includes(code)));
}

export function findInstitution(institutionId: string): SimInstitution | undefined {
  return INSTITUTIONS.find((it) => it.institutionId === institutionId);
}

/** The body of /institutions/get_by_id. `withDetails` is `options.include_optional_metadata`. */
export function toPlaidInstitution(institution: SimInstitution, withDetails: boolean): Wire<Institution> {
  return {
    institution_id: institution.institutionId,
    name: institution.name,
    products: [...institution.products],
    country_codes: [...institution.countryCodes],
    routing_numbers: [...institution.routingNumbers],
    dtc_numbers: [],
    oauth: institution.isOauth,
    ...(withDetails ? { url: institution.url, primary_color: institution.primaryColor, logo: null } : {}),
  };
}
