import type { PortfolioContext } from "../context.js";
import type { toHoldingSource } from "./holding-source.js";
import { toSecuritySource } from "./security-source.js";

export const Holding = {
  security: async ({ security }: ReturnType<typeof toHoldingSource>, _args: unknown, { readers }: PortfolioContext) =>
    toSecuritySource(await readers.getSecurity(security.id)),
};
