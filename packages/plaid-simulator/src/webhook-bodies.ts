/**
 * Every webhook body the simulator sends (§1.4 of the design), typed by Plaid's own types. Which of them a sandbox client may
 * ask for itself (/sandbox/item/fire_webhook) is decided in handlers/sandbox.ts.
 */
import type {
  DefaultUpdateWebhook,
  HistoricalUpdateWebhook,
  HoldingsDefaultUpdateWebhook,
  InitialUpdateWebhook,
  InvestmentsDefaultUpdateWebhook,
  InvestmentsHistoricalUpdateWebhook,
  ItemAddResultWebhook,
  ItemErrorWebhook,
  ItemLoginRepairedWebhook,
  LiabilitiesDefaultUpdateWebhook,
  LinkSessionFinishedWebhook,
  NewAccountsAvailableWebhook,
  PendingDisconnectWebhook,
  PendingExpirationWebhook,
  SyncUpdatesAvailableWebhook,
  TransactionsRemovedWebhook,
  UserAccountRevokedWebhook,
  UserPermissionRevokedWebhook,
  WebhookUpdateAcknowledgedWebhook,
} from "plaid";
import { knownError, toWebhookError, type PlaidErrorBody } from "./plaid-error.js";
import type { SendOptions } from "./webhook-delivery.js";
import type { Wire } from "./wire.js";
import {
  errorOfState,
  toPlaidTime,
  type LinkSession,
  type LinkToken,
  type SimItem,
  type SimulatorWorld,
} from "./world.js";

const WEEK_MS = 7 * 86_400_000;

/** Hands a body to the Item's webhook, when it has one, and notes it for /item/get. */
export function notify(
  world: SimulatorWorld,
  item: SimItem,
  body: { readonly webhook_type: string; readonly webhook_code: string },
  options: SendOptions = {},
): boolean {
  if (item.webhook === null || item.state === "REMOVED") return false;
  item.lastWebhook = { sent_at: world.nowIso(), code_sent: body.webhook_code };
  world.sendWebhook(item.webhook, body, { itemId: item.itemId, ...options });
  return true;
}

function base<Type extends string, Code extends string>(world: SimulatorWorld, item: SimItem, type: Type, code: Code) {
  return { webhook_type: type, webhook_code: code, item_id: item.itemId, environment: world.settings.environment };
}

export function syncUpdatesAvailable(world: SimulatorWorld, item: SimItem): Wire<SyncUpdatesAvailableWebhook> {
  const { status } = item.transactions;
  return {
    ...base(world, item, "TRANSACTIONS", "SYNC_UPDATES_AVAILABLE"),
    initial_update_complete: status !== "NOT_READY",
    historical_update_complete: status === "HISTORICAL_UPDATE_COMPLETE",
  };
}

export function initialUpdate(world: SimulatorWorld, item: SimItem, count: number): Wire<InitialUpdateWebhook> {
  return { ...base(world, item, "TRANSACTIONS", "INITIAL_UPDATE"), error: null, new_transactions: count };
}

export function historicalUpdate(world: SimulatorWorld, item: SimItem, count: number): Wire<HistoricalUpdateWebhook> {
  return { ...base(world, item, "TRANSACTIONS", "HISTORICAL_UPDATE"), error: null, new_transactions: count };
}

export function transactionsDefaultUpdate(
  world: SimulatorWorld,
  item: SimItem,
  count: number,
): Wire<DefaultUpdateWebhook> {
  return { ...base(world, item, "TRANSACTIONS", "DEFAULT_UPDATE"), error: null, new_transactions: count };
}

export function transactionsRemoved(
  world: SimulatorWorld,
  item: SimItem,
  removed: readonly string[],
): Wire<TransactionsRemovedWebhook> {
  return {
    ...base(world, item, "TRANSACTIONS", "TRANSACTIONS_REMOVED"),
    error: null,
    removed_transactions: [...removed],
  };
}

export function liabilitiesDefaultUpdate(
  world: SimulatorWorld,
  item: SimItem,
  changed: { readonly added: readonly string[]; readonly updated: Readonly<Record<string, readonly string[]>> },
): Wire<LiabilitiesDefaultUpdateWebhook> {
  const updated = Object.entries(changed.updated).map(([accountId, fields]): [string, string[]] => [
    accountId,
    [...fields],
  ]);
  return {
    ...base(world, item, "LIABILITIES", "DEFAULT_UPDATE"),
    error: null,
    account_ids_with_new_liabilities: [...changed.added],
    account_ids_with_updated_liabilities: Object.fromEntries(updated),
  };
}

export function holdingsDefaultUpdate(
  world: SimulatorWorld,
  item: SimItem,
  added: number,
  updated: number,
): Wire<HoldingsDefaultUpdateWebhook> {
  return {
    ...base(world, item, "HOLDINGS", "DEFAULT_UPDATE"),
    error: null,
    new_holdings: added,
    updated_holdings: updated,
  };
}

export function investmentsTransactionsUpdate(
  world: SimulatorWorld,
  item: SimItem,
  code: "DEFAULT_UPDATE" | "HISTORICAL_UPDATE",
  counts: { readonly added: number; readonly cancelled: number },
): Wire<InvestmentsDefaultUpdateWebhook> & Wire<InvestmentsHistoricalUpdateWebhook> {
  return {
    ...base(world, item, "INVESTMENTS_TRANSACTIONS", code),
    error: null,
    new_investments_transactions: counts.added,
    cancelled_investments_transactions: counts.cancelled,
  };
}

export function itemError(world: SimulatorWorld, item: SimItem, error?: PlaidErrorBody): Wire<ItemErrorWebhook> {
  const body = error ?? errorOfState(item.state) ?? knownError("ITEM_LOGIN_REQUIRED");
  return { ...base(world, item, "ITEM", "ERROR"), error: toWebhookError(body) };
}

export function loginRepaired(world: SimulatorWorld, item: SimItem): Wire<ItemLoginRepairedWebhook> {
  return base(world, item, "ITEM", "LOGIN_REPAIRED");
}

/** Without a time of its own the Item is said to stop in a week. */
export function pendingDisconnect(
  world: SimulatorWorld,
  item: SimItem,
  reason: Wire<PendingDisconnectWebhook>["reason"] = "INSTITUTION_MIGRATION",
): Wire<PendingDisconnectWebhook> {
  return {
    ...base(world, item, "ITEM", "PENDING_DISCONNECT"),
    reason,
    disconnect_time: item.disconnectTime ?? inAWeek(world),
  };
}

export function pendingExpiration(world: SimulatorWorld, item: SimItem): Wire<PendingExpirationWebhook> {
  return {
    ...base(world, item, "ITEM", "PENDING_EXPIRATION"),
    consent_expiration_time: item.consentExpirationTime ?? inAWeek(world),
  };
}

export function newAccountsAvailable(world: SimulatorWorld, item: SimItem) {
  const body = { ...base(world, item, "ITEM", "NEW_ACCOUNTS_AVAILABLE"), error: null };
  return body satisfies Wire<NewAccountsAvailableWebhook>;
}

export function userPermissionRevoked(world: SimulatorWorld, item: SimItem): Wire<UserPermissionRevokedWebhook> {
  return {
    ...base(world, item, "ITEM", "USER_PERMISSION_REVOKED"),
    error: toWebhookError(knownError("USER_PERMISSION_REVOKED")),
  };
}

/** Has no `error` member at all, unlike its neighbours. */
export function userAccountRevoked(
  world: SimulatorWorld,
  item: SimItem,
  accountId: string,
): Wire<UserAccountRevokedWebhook> {
  return { ...base(world, item, "ITEM", "USER_ACCOUNT_REVOKED"), account_id: accountId };
}

export function webhookUpdateAcknowledged(
  world: SimulatorWorld,
  item: SimItem,
  newUrl: string,
): Wire<WebhookUpdateAcknowledgedWebhook> {
  return { ...base(world, item, "ITEM", "WEBHOOK_UPDATE_ACKNOWLEDGED"), error: null, new_webhook_url: newUrl };
}

export function itemAddResult(
  world: SimulatorWorld,
  link: LinkToken,
  session: LinkSession,
  publicToken: string,
): Wire<ItemAddResultWebhook> {
  return {
    webhook_type: "LINK",
    webhook_code: "ITEM_ADD_RESULT",
    link_session_id: session.sessionId,
    link_token: link.token,
    public_token: publicToken,
    environment: world.settings.environment,
  };
}

export function sessionFinished(
  world: SimulatorWorld,
  link: LinkToken,
  session: LinkSession,
  outcome: { readonly status: "SUCCESS" | "EXITED"; readonly publicTokens: readonly string[] },
): Wire<LinkSessionFinishedWebhook> {
  return {
    webhook_type: "LINK",
    webhook_code: "SESSION_FINISHED",
    status: outcome.status,
    link_session_id: session.sessionId,
    link_token: link.token,
    public_tokens: [...outcome.publicTokens],
    environment: world.settings.environment,
  };
}

function inAWeek(world: SimulatorWorld): string {
  return toPlaidTime(new Date(world.clock.now().getTime() + WEEK_MS));
}
