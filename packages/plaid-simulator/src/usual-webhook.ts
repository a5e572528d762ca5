import * as bodies from "./webhook-bodies.js";
import type { WebhookBody } from "./webhook-delivery.js";
import { currentTransactions } from "./change-log.js";
import type { SimItem, SimulatorWorld } from "./world.js";

/**
 * The body that Plaid would send for an Item under this type and code: what the control plane starts from when it is told to
 * send one. Type and code that nobody knows get the members that all webhooks of an Item have.
 */
export function usualWebhook(world: SimulatorWorld, item: SimItem, type: string, code: string): WebhookBody {
  const usual = USUAL[`${type}/${code}`];
  if (usual !== undefined) return usual(world, item);
  const ofAll = { item_id: item.itemId, environment: world.settings.environment };
  return { webhook_type: type, webhook_code: code, ...ofAll };
}

type MakeBody = (world: SimulatorWorld, item: SimItem) => WebhookBody;

const NONE = { added: 0, cancelled: 0 };

const USUAL: Readonly<Record<string, MakeBody>> = {
  "TRANSACTIONS/SYNC_UPDATES_AVAILABLE": bodies.syncUpdatesAvailable,
  "TRANSACTIONS/INITIAL_UPDATE": (world, item) => bodies.initialUpdate(world, item, countOf(item)),
  "TRANSACTIONS/HISTORICAL_UPDATE": (world, item) => bodies.historicalUpdate(world, item, countOf(item)),
  "TRANSACTIONS/DEFAULT_UPDATE": (world, item) => bodies.transactionsDefaultUpdate(world, item, 0),
  "TRANSACTIONS/TRANSACTIONS_REMOVED": (world, item) => bodies.transactionsRemoved(world, item, []),
  "LIABILITIES/DEFAULT_UPDATE": (world, item) =>
    bodies.liabilitiesDefaultUpdate(world, item, { added: [], updated: {} }),
  "HOLDINGS/DEFAULT_UPDATE": (world, item) =>
    bodies.holdingsDefaultUpdate(world, item, 0, item.investments.holdings.length),
  "INVESTMENTS_TRANSACTIONS/DEFAULT_UPDATE": (world, item) =>
    bodies.investmentsTransactionsUpdate(world, item, "DEFAULT_UPDATE", NONE),
  "INVESTMENTS_TRANSACTIONS/HISTORICAL_UPDATE": (world, item) =>
    bodies.investmentsTransactionsUpdate(world, item, "HISTORICAL_UPDATE", {
      ...NONE,
      added: item.investments.transactions.length,
    }),
  "ITEM/ERROR": (world, item) => bodies.itemError(world, item),
  "ITEM/LOGIN_REPAIRED": bodies.loginRepaired,
  "ITEM/PENDING_EXPIRATION": bodies.pendingExpiration,
  "ITEM/PENDING_DISCONNECT": (world, item) => bodies.pendingDisconnect(world, item),
  "ITEM/NEW_ACCOUNTS_AVAILABLE": bodies.newAccountsAvailable,
  "ITEM/USER_PERMISSION_REVOKED": bodies.userPermissionRevoked,
  "ITEM/USER_ACCOUNT_REVOKED": (world, item) => bodies.userAccountRevoked(world, item, firstSharedAccount(item)),
  "ITEM/WEBHOOK_UPDATE_ACKNOWLEDGED": (world, item) =>
    bodies.webhookUpdateAcknowledged(world, item, item.webhook ?? ""),
};

function countOf(item: SimItem): number {
  return currentTransactions(item).length;
}

function firstSharedAccount(item: SimItem): string {
  return item.accounts.find(({ granted }) => granted)?.base.account_id ?? "";
}
