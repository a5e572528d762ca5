import type { Transaction } from "plaid";
import { cursorNow, readSyncPage } from "../change-log.js";
import type { Handler } from "../endpoint.js";
import { freshenBalances, servingProduct, sharedAccounts } from "../item-view.js";
import { findSeedUser } from "../seed-users/index.js";
import { noteSyncCall, refreshNews } from "../transaction-pull.js";
import type { Wire } from "../wire.js";
import type { SimItem } from "../world.js";

const DEFAULT_COUNT = 100;

export const syncTransactions: Handler<"/transactions/sync"> = (request, world) => {
  const item = servingProduct(world, request.access_token, "transactions");
  const options = request.options ?? {};
  if (options.account_id !== undefined) sharedAccounts(item, [options.account_id]);
  const { transactions: history } = item;
  if (history.syncCalls === 0 && options.days_requested !== undefined) history.daysRequested = options.days_requested;

  const status = noteSyncCall(world, item);
  const nothing = { added: [], modified: [], removed: [], has_more: false };
  if (status === "NOT_READY" || findSeedUser(item.userName)?.hasNoTransactionStream) {
    return { ...nothing, accounts: [], next_cursor: "", transactions_update_status: status };
  }
  if (request.cursor === "now") {
    const next = cursorNow(world, item, options.account_id);
    return { ...nothing, accounts: [], next_cursor: next, transactions_update_status: status };
  }
  const page = readSyncPage(world, item, {
    cursor: request.cursor ?? "",
    count: request.count ?? DEFAULT_COUNT,
    accountId: options.account_id,
  });
  const show = (it: Wire<Transaction>) => visible(it, options.include_original_description ?? false);
  return {
    accounts: accountsWithTransactions(item, options.account_id),
    added: page.added.map(show),
    modified: page.modified.map(show),
    removed: page.removed,
    has_more: page.hasMore,
    next_cursor: page.nextCursor,
    transactions_update_status: status,
  };
};

/** A paid extra: asks the bank at once. What it finds comes by webhook and through /transactions/sync. */
export const refreshTransactions: Handler<"/transactions/refresh"> = (request, world) => {
  const item = servingProduct(world, request.access_token, "transactions");
  freshenBalances(item);
  refreshNews(world, item);
  return {};
};

/** Not the roster: only accounts that have transactions. */
function accountsWithTransactions(item: SimItem, accountId: string | undefined) {
  const seen = new Set(item.transactions.log.map((it) => it.accountId));
  return item.accounts
    .filter((it) => it.granted && seen.has(it.base.account_id))
    .map((it) => it.base)
    .filter((it) => accountId === undefined || it.account_id === accountId);
}

function visible(transaction: Wire<Transaction>, withOriginal: boolean): Wire<Transaction> {
  return withOriginal ? transaction : { ...transaction, original_description: null };
}
