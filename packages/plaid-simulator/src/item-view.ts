import type { AccountBase, Item } from "plaid";
import { findInstitution } from "./institutions.js";
import { supportedProducts } from "./item-lifecycle.js";
import { PlaidRefusal, refuse, toItemError } from "./plaid-error.js";
import { findSeedUser } from "./seed-users/index.js";
import type { Wire } from "./wire.js";
import { errorOfState, type Product, type SimItem, type SimulatorWorld } from "./world.js";

/** An Item as it stands in answers. */
export function toPlaidItem(item: SimItem): Wire<Item> {
  const error = errorOfState(item.state);
  const billed: Product[] = [...item.products];
  return {
    available_products: productsOf(item).filter((it) => !billed.includes(it)),
    billed_products: billed,
    consent_expiration_time: item.consentExpirationTime,
    error: error ? toItemError(error) : null,
    institution_id: item.institutionId,
    institution_name: findInstitution(item.institutionId)?.name ?? null,
    item_id: item.itemId,
    products: billed,
    update_type: "background",
    webhook: item.webhook,
  };
}

export function productsOf(item: SimItem): Product[] {
  const institution = findInstitution(item.institutionId);
  const user = findSeedUser(item.userName);
  return institution && user ? supportedProducts(institution, user) : [];
}

/** The Item of a token, if its state serves data. */
export function servingItem(world: SimulatorWorld, accessToken: string): SimItem {
  const item = world.itemOf(accessToken);
  const error = errorOfState(item.state);
  if (error) throw new PlaidRefusal(error);
  return item;
}

/** The same for a product: it must be supported, and is billed from the first call on. */
export function servingProduct(world: SimulatorWorld, accessToken: string, product: Product): SimItem {
  const item = servingItem(world, accessToken);
  if (!productsOf(item).includes(product)) {
    refuse("PRODUCTS_NOT_SUPPORTED", `the following products are not supported by this institution: ["${product}"]`);
  }
  if (!item.products.includes(product)) item.products.push(product);
  return item;
}

/** The accounts that are shared, or those of them that were asked for. */
export function sharedAccounts(item: SimItem, accountIds: readonly string[] | undefined): Wire<AccountBase>[] {
  const shared = item.accounts.filter((it) => it.granted).map((it) => it.base);
  if (shared.length === 0) refuse("NO_ACCOUNTS");
  if (accountIds === undefined) return shared;
  return accountIds.map((id) => shared.find((it) => it.account_id === id) ?? refuse("INVALID_ACCOUNT_ID"));
}

/** The bank's present balances become the ones Plaid has cached. */
export function freshenBalances(item: SimItem, accountIds?: readonly string[]): void {
  for (const account of item.accounts) {
    if (account.live === null || (accountIds && !accountIds.includes(account.base.account_id))) continue;
    account.base = { ...account.base, balances: account.live };
    account.live = null;
  }
}
