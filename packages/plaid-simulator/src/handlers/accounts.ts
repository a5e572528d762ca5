import type { Handler } from "../endpoint.js";
import { freshenBalances, servingItem, servingProduct, sharedAccounts, toPlaidItem } from "../item-view.js";
import type { LiabilitiesObject } from "plaid";
import { refuse } from "../plaid-error.js";
import type { Wire } from "../wire.js";

/** Free and cached. */
export const getAccounts: Handler<"/accounts/get"> = (request, world) => {
  const item = servingItem(world, request.access_token);
  return { accounts: sharedAccounts(item, request.options?.account_ids), item: toPlaidItem(item) };
};

/** Real-time and billed: what the bank says now. */
export const getBalances: Handler<"/accounts/balance/get"> = (request, world) => {
  const item = servingItem(world, request.access_token);
  sharedAccounts(item, request.options?.account_ids);
  freshenBalances(item, request.options?.account_ids);
  return { accounts: sharedAccounts(item, request.options?.account_ids), item: toPlaidItem(item) };
};

export const getLiabilities: Handler<"/liabilities/get"> = (request, world) => {
  const item = servingProduct(world, request.access_token, "liabilities");
  const accounts = sharedAccounts(item, request.options?.account_ids);
  const ids = new Set(accounts.filter((it) => it.type === "credit" || it.type === "loan").map((it) => it.account_id));
  if (ids.size === 0) refuse("NO_LIABILITY_ACCOUNTS");
  return { accounts, item: toPlaidItem(item), liabilities: liabilitiesOf(item.liabilities, ids) };
};

/** Those of the accounts asked for; a liability without an account belongs to all. A kind without any is null. */
function liabilitiesOf(all: Wire<LiabilitiesObject>, ids: ReadonlySet<string>): Wire<LiabilitiesObject> {
  const shared = <Liability extends { readonly account_id: string | null }>(list: Liability[] | null | undefined) => {
    const kept = (list ?? []).filter((it) => it.account_id === null || ids.has(it.account_id));
    return kept.length > 0 ? kept : null;
  };
  return {
    credit: shared(all.credit),
    mortgage: shared(all.mortgage),
    student: shared(all.student),
    ...(all.loan ? { loan: shared(all.loan) } : {}),
    ...(all.line_of_credit ? { line_of_credit: shared(all.line_of_credit) } : {}),
  };
}
