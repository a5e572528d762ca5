import { parsePageArguments, toConnection } from "@florin/graph";
import { formatId } from "@florin/kernel";
import type { PortfolioContext } from "../context.js";
import { toHoldingSource } from "./holding-source.js";
import { toSecuritySource } from "./security-source.js";
import { toTransactionSource } from "./transaction-source.js";

type Opened = ReturnType<PortfolioContext["readers"]["openPortfolio"]>;

export const Investments = {
  accounts: async ({ userId }: Opened, _args: unknown, { readers }: PortfolioContext) =>
    (await readers.listInvestmentAccounts(userId)).map(({ linkedAccountId }) => ({
      id: formatId("linkedAccount", linkedAccountId),
    })),
  holdings: async ({ userId }: Opened, _args: unknown, { readers }: PortfolioContext) =>
    (await readers.listHoldings(userId)).map(toHoldingSource),
  securities: async ({ userId }: Opened, _args: unknown, { readers }: PortfolioContext) =>
    (await readers.listSecurities(userId)).map(toSecuritySource),
  /** `totalCount` is counted when it is asked for. */
  transactions: async (
    { userId }: Opened,
    args: { readonly first?: number | null; readonly after?: string | null },
    { readers }: PortfolioContext,
  ) => {
    const page = parsePageArguments(args);
    const rows = await readers.listInvestmentTransactions(userId, page);
    const { edges, pageInfo } = toConnection(rows, page, readers.cursorOf);
    return {
      edges: edges.map(({ cursor, node }) => ({ cursor, node: toTransactionSource(node) })),
      pageInfo,
      totalCount: () => readers.countInvestmentTransactions(userId),
    };
  },
};
