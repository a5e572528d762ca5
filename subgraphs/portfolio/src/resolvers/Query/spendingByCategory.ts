import type { PortfolioContext } from "../../context.js";
import { assertPeriod } from "../period-input.js";

export async function spendingByCategory(
  _parent: unknown,
  args: { readonly from: string; readonly to: string },
  { readers }: PortfolioContext,
) {
  assertPeriod(args);
  const spending = await readers.listSpending(args);
  return spending.map(({ category, amount, currency }) => ({ category, amount: { amount, currency } }));
}
