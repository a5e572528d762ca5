import { intervalsOf, type IntervalName } from "../../calendar.js";
import type { PortfolioContext } from "../../context.js";
import { assertPeriod, MAX_DAILY } from "../period-input.js";

/** A row for each interval and each currency that something moved in within the period: also where nothing did in the interval. */
export async function cashFlow(
  _parent: unknown,
  args: { readonly from: string; readonly to: string; readonly interval: IntervalName },
  { readers }: PortfolioContext,
) {
  assertPeriod(args, args.interval === "DAY" ? MAX_DAILY : undefined);
  const flows = await readers.listCashFlow(args);
  const byInterval = new Map(flows.map((flow) => [`${flow.from} ${flow.currency}`, flow]));
  const currencies = [...new Set(flows.map(({ currency }) => currency))].sort();
  return intervalsOf(args.from, args.to, args.interval).flatMap(({ from, to }) =>
    currencies.map((currency) => {
      const flow = byInterval.get(`${from} ${currency}`);
      return {
        from,
        to,
        in: { amount: flow?.moneyIn ?? "0", currency },
        out: { amount: flow?.moneyOut ?? "0", currency },
      };
    }),
  );
}
