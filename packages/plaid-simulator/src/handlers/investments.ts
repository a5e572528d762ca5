import type { AccountBase, InvestmentAccount } from "plaid";
import type { Handler } from "../endpoint.js";
import { servingProduct, sharedAccounts, toPlaidItem } from "../item-view.js";
import { refuse } from "../plaid-error.js";
import { investmentsTransactionsUpdate, notify } from "../webhook-bodies.js";
import type { Wire } from "../wire.js";
import { addDays, type SimItem, type SimulatorWorld } from "../world.js";

const DEFAULT_COUNT = 100;
const LONGEST_HISTORY_DAYS = 731;

/** `accounts` are all accounts that are shared, not only those of investments. */
export const getHoldings: Handler<"/investments/holdings/get"> = (request, world) => {
  const item = servingProduct(world, request.access_token, "investments");
  const accounts = sharedAccounts(item, request.options?.account_ids);
  const ids = investmentIds(accounts);
  const holdings = item.investments.holdings.filter((it) => ids.has(it.account_id));
  const used = new Set(holdings.map((it) => it.security_id));
  return {
    accounts: accounts.map(asInvestmentAccount),
    holdings,
    item: toPlaidItem(item),
    securities: item.investments.securities.filter((it) => used.has(it.security_id)),
  };
};

/** By offset, newest first; past the end there is nothing. The history goes back 24 months. */
export const getInvestmentTransactions: Handler<"/investments/transactions/get"> = (request, world) => {
  const { start_date: from, end_date: to, options = {} } = request;
  if (from > to) refuse("INVALID_FIELD", "start_date: must not be after end_date");
  const item = servingProduct(world, request.access_token, "investments");
  const accounts = sharedAccounts(item, options.account_ids);
  const ids = investmentIds(accounts);
  pullHistory(world, item, options.async_update ?? false);

  const oldest = addDays(world.today(), -LONGEST_HISTORY_DAYS);
  const found = item.investments.transactions
    .filter((it) => ids.has(it.account_id) && it.date >= from && it.date <= to && it.date >= oldest)
    .sort((a, b) => (a.date < b.date ? 1 : a.date > b.date ? -1 : 0));
  const offset = options.offset ?? 0;
  const page = found.slice(offset, offset + (options.count ?? DEFAULT_COUNT));
  const used = new Set(page.map((it) => it.security_id));
  return {
    accounts: accounts.map(asInvestmentAccount),
    investment_transactions: page,
    item: toPlaidItem(item),
    securities: item.investments.securities.filter((it) => used.has(it.security_id)),
    total_investment_transactions: found.length,
  };
};

/** Here, and only here, balances say what was borrowed on margin. */
function asInvestmentAccount(account: Wire<AccountBase>): Wire<InvestmentAccount> {
  return { ...account, balances: { ...account.balances, margin_loan_amount: null } };
}

function investmentIds(accounts: readonly { readonly account_id: string; readonly type: string }[]) {
  const ids = new Set(accounts.filter((it) => it.type === "investment").map((it) => it.account_id));
  if (ids.size === 0) refuse("NO_INVESTMENT_ACCOUNTS");
  return ids;
}

/** The first call fetches: at once, or (`async_update`) later, with PRODUCT_NOT_READY until the webhook has come. */
function pullHistory(world: SimulatorWorld, item: SimItem, isAsync: boolean): void {
  if (item.investments.isPulled) return;
  if (!isAsync) {
    item.investments.isPulled = true;
    return;
  }
  world.clock.schedule(world.settings.initialPullMs, () => {
    if (item.investments.isPulled || item.state === "REMOVED") return;
    item.investments.isPulled = true;
    const counts = { added: item.investments.transactions.length, cancelled: 0 };
    notify(world, item, investmentsTransactionsUpdate(world, item, "HISTORICAL_UPDATE", counts));
  });
  refuse("PRODUCT_NOT_READY");
}
