import { formatId } from "@florin/kernel";
import { liabilityData, type LiabilityData } from "@florin/linked-data";
import { existingDay } from "../calendar.js";
import type { PortfolioContext } from "../context.js";
import { toCurrency } from "./linked-currency.js";

/** A liability's row, as the readers give it. */
export type LiabilityRow = Awaited<ReturnType<PortfolioContext["readers"]["listLiabilities"]>>[number];

const typeNames = {
  CREDIT: "CreditCardLiability",
  MORTGAGE: "MortgageLiability",
  STUDENT: "StudentLoanLiability",
  LOAN: "LoanLiability",
  LINE_OF_CREDIT: "LineOfCreditLiability",
} as const;

const aprTypes: Readonly<Record<string, string>> = {
  balance_transfer_apr: "BALANCE_TRANSFER_APR",
  cash_apr: "CASH_APR",
  purchase_apr: "PURCHASE_APR",
  special: "SPECIAL",
  penalty_apr: "PENALTY_APR",
};

const NO_ADDRESS = { city: null, region: null, street: null, postalCode: null, country: null };

interface About {
  readonly linkedAccountId: LiabilityRow["linkedAccountId"];
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
}

/**
 * A liability as the graph shows it. Its currency is its account's, as institutions say none (linked-accounts.md §6). Where somebody lives,
 * and who vouches for a loan, is for the owner alone: nobody in the office needs it.
 */
export function toLiabilitySource(content: unknown, about: About, isOwner: boolean) {
  const data = liabilityData.parse(content);
  const { linkedAccountId } = about;
  return {
    ...withRealDays(data),
    ...(isOwner ? {} : withoutPrivateFields(data)),
    ...("aprs" in data
      ? { aprs: data.aprs.map((apr) => ({ ...apr, type: aprTypes[apr.type] ?? "UNKNOWN", typeRaw: apr.type })) }
      : {}),
    __typename: typeNames[data.kind],
    account: linkedAccountId === null ? null : { id: formatId("linkedAccount", linkedAccountId) },
    currency: linkedAccountId === null && data.kind === "CREDIT" ? null : toCurrency(about),
  };
}

function withoutPrivateFields(data: LiabilityData): object {
  if (data.kind === "MORTGAGE") return { propertyAddress: NO_ADDRESS };
  if (data.kind === "STUDENT") return { servicerAddress: NO_ADDRESS, guarantor: null };
  return {};
}

/** A day that does not exist is shown as null, wherever it stands. */
function withRealDays(data: object): object {
  return Object.fromEntries(
    Object.entries(data).map(([name, value]: [string, unknown]) => [name, withRealDay(name, value)]),
  );
}

function withRealDay(name: string, value: unknown): unknown {
  if (typeof value === "string") return /Date$/.test(name) ? existingDay(value) : value;
  if (Array.isArray(value) && name.endsWith("Dates"))
    return value.filter((day) => typeof day === "string" && existingDay(day) !== null);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? withRealDays(value) : value;
}
