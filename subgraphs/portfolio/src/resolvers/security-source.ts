import { formatId } from "@florin/kernel";
import { securityData } from "@florin/linked-data";
import { existingDay, existingInstant } from "../calendar.js";
import type { PortfolioContext } from "../context.js";

type SecurityRow = Awaited<ReturnType<PortfolioContext["readers"]["getSecurity"]>>;

/** Of one that is only named by a holding, everything but its id is null. */
const content = securityData.partial();

export function toSecuritySource(row: SecurityRow) {
  const { optionContract, fixedIncome, updateDatetime, currency: _currency, ...told } = content.parse(row.content);
  return {
    ...told,
    id: formatId("security", row.securityId),
    closePrice: row.closePrice,
    closePriceAsOf: row.closePriceAsOf,
    updateDatetime: existingInstant(updateDatetime ?? null),
    currency: { isoCode: row.isoCode, unofficialCode: row.unofficialCode },
    optionContract: hasRealExpiry(optionContract) ? optionContract : null,
    fixedIncome: fixedIncome && {
      ...fixedIncome,
      maturityDate: existingDay(fixedIncome.maturityDate),
      issueDate: existingDay(fixedIncome.issueDate),
    },
  };
}

function hasRealExpiry(contract: { readonly expirationDate: string } | null | undefined): boolean {
  return contract !== null && contract !== undefined && existingDay(contract.expirationDate) !== null;
}
