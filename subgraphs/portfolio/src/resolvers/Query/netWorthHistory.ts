import type { PortfolioContext } from "../../context.js";
import { negateDecimal, sumDecimals } from "../../decimal-sum.js";
import { usualCurrency } from "../../net-worth.js";
import { assertCurrency, assertPeriod, MAX_DAILY } from "../period-input.js";

export async function netWorthHistory(
  _parent: unknown,
  args: { readonly from: string; readonly to: string; readonly currency?: string | null },
  { readers }: PortfolioContext,
) {
  assertPeriod(args, MAX_DAILY);
  if (args.currency !== null && args.currency !== undefined) assertCurrency(args.currency);
  const currency = args.currency ?? usualCurrency(await readers.listWorth());
  const days = await readers.listWorthByDay({ from: args.from, to: args.to, currency });
  return days.map(({ day, assets, liabilities }) => ({
    date: day,
    total: { amount: sumDecimals([assets, negateDecimal(liabilities)]), currency },
    assets: { amount: assets, currency },
    liabilities: { amount: liabilities, currency },
  }));
}
