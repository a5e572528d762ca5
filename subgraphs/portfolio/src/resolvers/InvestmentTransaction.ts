import type { PortfolioContext } from "../context.js";
import { toSecuritySource } from "./security-source.js";
import { toTransactionSource } from "./transaction-source.js";

export const InvestmentTransaction = {
  __resolveReference: async ({ id }: { readonly id: string }, { readers }: PortfolioContext) =>
    toTransactionSource(await readers.getInvestmentTransaction(id)),
  security: async (
    { security }: ReturnType<typeof toTransactionSource>,
    _args: unknown,
    { readers }: PortfolioContext,
  ) => (security === null ? null : toSecuritySource(await readers.getSecurity(security.id))),
};
