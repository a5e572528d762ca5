import { formatId } from "@florin/kernel";
import type { PortfolioContext } from "../../context.js";
import { netWorthOf, usualCurrency } from "../../net-worth.js";
import { assertCurrency } from "../period-input.js";

export async function netWorth(
  _parent: unknown,
  args: { readonly currency?: string | null },
  { readers, clock }: PortfolioContext,
) {
  if (args.currency !== null && args.currency !== undefined) assertCurrency(args.currency);
  const parts = await readers.listWorth();
  const currency = args.currency ?? usualCurrency(parts);
  const { total, assets, liabilities, asOf, excluded } = netWorthOf(parts, currency);
  return {
    total: { amount: total, currency },
    assets: { amount: assets, currency },
    liabilities: { amount: liabilities, currency },
    asOf: asOf ?? clock.now(),
    excluded: excluded.flatMap(({ linkedAccountId }) =>
      linkedAccountId === null ? [] : [{ id: formatId("linkedAccount", linkedAccountId) }],
    ),
    excludedAccounts: excluded.flatMap(({ ownAccountId }) =>
      ownAccountId === null ? [] : [{ id: formatId("account", ownAccountId) }],
    ),
  };
}
