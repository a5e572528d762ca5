import { formatId } from "@florin/kernel";
import type { PortfolioContext } from "../context.js";
import { toCurrency } from "./linked-currency.js";

type TransactionRow = Awaited<ReturnType<PortfolioContext["readers"]["getInvestmentTransaction"]>>;

export function toTransactionSource(row: TransactionRow) {
  return {
    ...row,
    id: formatId("investmentTransaction", row.investmentTransactionId),
    account: { id: formatId("linkedAccount", row.linkedAccountId) },
    security: row.securityId === null ? null : { id: formatId("security", row.securityId) },
    transactionDatetime: row.transactionAt,
    currency: toCurrency(row),
  };
}
