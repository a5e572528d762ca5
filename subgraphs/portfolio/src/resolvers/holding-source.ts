import { formatId } from "@florin/kernel";
import type { PortfolioContext } from "../context.js";
import { toCurrency } from "./linked-currency.js";

type HoldingRow = Awaited<ReturnType<PortfolioContext["readers"]["listHoldings"]>>[number];

export function toHoldingSource(row: HoldingRow) {
  return {
    ...row,
    account: { id: formatId("linkedAccount", row.linkedAccountId) },
    security: { id: formatId("security", row.securityId) },
    institutionPriceDatetime: row.institutionPriceAt,
    currency: toCurrency(row),
    taxLots: row.taxLots?.map((lot) => ({ ...lot, originalPurchaseDatetime: lot.purchasedAt })) ?? null,
  };
}
