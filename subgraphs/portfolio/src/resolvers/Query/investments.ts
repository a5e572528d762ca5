import type { PortfolioContext } from "../../context.js";

/** Its fields are read one by one, as they are asked for. */
export function investments(
  _parent: unknown,
  args: { readonly virtualAccountId?: string | null },
  { readers }: PortfolioContext,
) {
  return readers.openPortfolio(args.virtualAccountId ?? undefined);
}
