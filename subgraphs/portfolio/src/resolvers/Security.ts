import type { PortfolioContext } from "../context.js";
import { toSecuritySource } from "./security-source.js";

export const Security = {
  __resolveReference: async ({ id }: { readonly id: string }, { readers }: PortfolioContext) =>
    toSecuritySource(await readers.getSecurity(id)),
};
