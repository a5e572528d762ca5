import type { Handler, RequestOf } from "../endpoint.js";
import { findInstitution } from "../institutions.js";
import { createItem, issuePublicToken, setItemState } from "../item-lifecycle.js";
import { servingProduct } from "../item-view.js";
import { refuse } from "../plaid-error.js";
import { buildTransaction, category } from "../seed-users/build-transaction.js";
import { findSeedUser, SEED_PASSWORD } from "../seed-users/index.js";
import { recordNews } from "../transaction-pull.js";
import {
  holdingsDefaultUpdate,
  investmentsTransactionsUpdate,
  liabilitiesDefaultUpdate,
  loginRepaired,
  newAccountsAvailable,
  notify,
  pendingDisconnect,
  syncUpdatesAvailable,
  transactionsDefaultUpdate,
  userAccountRevoked,
  userPermissionRevoked,
} from "../webhook-bodies.js";
import type { Product, SimItem, SimulatorWorld } from "../world.js";
import { webhookAddress } from "./items.js";

const DEFAULT_DAYS = 90;

/** An Item without Link. The user name chooses the seed user. */
export const createPublicToken: Handler<"/sandbox/public_token/create"> = (request, world) => {
  const institution = findInstitution(request.institution_id);
  if (!institution) refuse("INVALID_INSTITUTION");
  const options = request.options ?? {};
  const user = findSeedUser(options.override_username ?? "user_good");
  if (!user || (options.override_password ?? SEED_PASSWORD) !== SEED_PASSWORD) refuse("INVALID_CREDENTIALS");
  const item = createItem(world, {
    institution,
    user,
    products: request.initial_products,
    webhook: webhookAddress(options.webhook),
    daysRequested: options.transactions?.days_requested ?? DEFAULT_DAYS,
    clientUserId: null,
  });
  return { public_token: issuePublicToken(world, item, false).token };
};

export const resetLogin: Handler<"/sandbox/item/reset_login"> = (request, world) => {
  setItemState(world, world.itemOf(request.access_token), "LOGIN_REQUIRED");
  return { reset_login: true };
};

export const createTransactions: Handler<"/sandbox/transactions/create"> = (request, world) => {
  const item = servingProduct(world, request.access_token, "transactions");
  if (!findSeedUser(item.userName)?.isDynamic) {
    refuse("SANDBOX_PRODUCT_NOT_ENABLED", "transactions can be created for user_transactions_dynamic only");
  }
  const account = item.accounts.find((it) => it.granted && it.base.subtype === "checking") ?? item.accounts[0];
  if (!account) refuse("NO_ACCOUNTS");
  const created = request.transactions.map((it) =>
    buildTransaction({
      transactionId: world.ids.next("transaction"),
      accountId: account.base.account_id,
      date: it.date_posted,
      amount: it.amount,
      name: it.description,
      category: category("GENERAL_MERCHANDISE", "OTHER_GENERAL_MERCHANDISE"),
      currency: it.iso_currency_code ?? "USD",
      isPending: it.date_posted > world.today(),
    }),
  );
  recordNews(
    world,
    item,
    created.map((transaction) => ({ kind: "added", transaction })),
  );
  return {};
};

/** Sends a webhook and changes nothing else. Only the documented codes, and only for products that the Item has. */
export const fireWebhook: Handler<"/sandbox/item/fire_webhook"> = (request, world) => {
  const item = world.itemOf(request.access_token);
  if (item.webhook === null) refuse("SANDBOX_WEBHOOK_INVALID", "the Item has no webhook to fire at");
  return { webhook_fired: notify(world, item, bodyOf(world, item, request)) };
};

function bodyOf(world: SimulatorWorld, item: SimItem, request: RequestOf<"/sandbox/item/fire_webhook">) {
  const type = request.webhook_type ?? usualType(request.webhook_code);
  switch (`${type}/${request.webhook_code}`) {
    case "TRANSACTIONS/SYNC_UPDATES_AVAILABLE":
      needs(item, "transactions");
      if (!item.transactions.isActivated) {
        refuse("SANDBOX_WEBHOOK_INVALID", "call /transactions/sync once before SYNC_UPDATES_AVAILABLE can be fired");
      }
      return syncUpdatesAvailable(world, item);
    case "TRANSACTIONS/DEFAULT_UPDATE":
      needs(item, "transactions");
      return transactionsDefaultUpdate(world, item, 0);
    case "LIABILITIES/DEFAULT_UPDATE":
      needs(item, "liabilities");
      return liabilitiesDefaultUpdate(world, item, { added: [], updated: {} });
    case "HOLDINGS/DEFAULT_UPDATE":
      needs(item, "investments");
      return holdingsDefaultUpdate(world, item, 0, item.investments.holdings.length);
    case "INVESTMENTS_TRANSACTIONS/DEFAULT_UPDATE":
      needs(item, "investments");
      return investmentsTransactionsUpdate(world, item, "DEFAULT_UPDATE", { added: 0, cancelled: 0 });
    case "ITEM/NEW_ACCOUNTS_AVAILABLE":
      return newAccountsAvailable(world, item);
    case "ITEM/USER_PERMISSION_REVOKED":
      return userPermissionRevoked(world, item);
    case "ITEM/USER_ACCOUNT_REVOKED":
      return userAccountRevoked(world, item, item.accounts.find((it) => it.granted)?.base.account_id ?? "");
    case "ITEM/PENDING_DISCONNECT":
      return pendingDisconnect(world, item);
    case "ITEM/LOGIN_REPAIRED":
      return loginRepaired(world, item);
    case "AUTH/SMS_MICRODEPOSITS_VERIFICATION":
    case "AUTH/DEFAULT_UPDATE":
    case "TRANSACTIONS/RECURRING_TRANSACTIONS_UPDATE":
    case "ASSETS/PRODUCT_READY":
    case "ASSETS/ERROR":
      return refuse("SANDBOX_PRODUCT_NOT_ENABLED", `this Item has no product that sends ${type}`);
    default:
      return refuse("SANDBOX_WEBHOOK_INVALID", `${request.webhook_code} is no webhook of ${type}`);
  }
}

function usualType(code: RequestOf<"/sandbox/item/fire_webhook">["webhook_code"]): string {
  switch (code) {
    case "DEFAULT_UPDATE":
    case "SYNC_UPDATES_AVAILABLE":
    case "RECURRING_TRANSACTIONS_UPDATE":
      return "TRANSACTIONS";
    case "SMS_MICRODEPOSITS_VERIFICATION":
      return "AUTH";
    case "PRODUCT_READY":
    case "ERROR":
      return "ASSETS";
    default:
      return "ITEM";
  }
}

function needs(item: SimItem, product: Product): void {
  if (!item.products.includes(product)) {
    refuse("SANDBOX_PRODUCT_NOT_ENABLED", `the product ${product} is not enabled for this Item`);
  }
}
