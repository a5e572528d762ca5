/**
 * How transactions get into an Item's log.
 *
 *   first sync calls ─► NOT_READY ─► initial pull (30 days) ─► historical pull (all days asked for) ─► news
 *
 * The pulls come some time after the last NOT_READY answer, or with the next sync call, whichever is first. Each fires the
 * webhook of its own (legacy) code and, as the client has called sync, SYNC_UPDATES_AVAILABLE. A login in error pulls
 * nothing; the next sync call after its repair takes the pull up again.
 */
import type { Transaction } from "plaid";
import { appendToLog, currentTransactions, type LogChange } from "./change-log.js";
import { seedContext } from "./seed-context.js";
import { findSeedUser } from "./seed-users/index.js";
import { pendingPurchase } from "./seed-users/dynamic.js";
import {
  historicalUpdate,
  initialUpdate,
  notify,
  syncUpdatesAvailable,
  transactionsDefaultUpdate,
  transactionsRemoved,
} from "./webhook-bodies.js";
import type { Wire } from "./wire.js";
import { addDays, errorOfState, type PullStatus, type SimItem, type SimulatorWorld } from "./world.js";

const INITIAL_DAYS = 30;

/** Counts a sync call and does what falls due with it. Returns how far the history is for this call. */
export function noteSyncCall(world: SimulatorWorld, item: SimItem): PullStatus {
  const history = item.transactions;
  history.syncCalls += 1;
  history.isActivated = true;
  if (findSeedUser(item.userName)?.hasNoTransactionStream) return "HISTORICAL_UPDATE_COMPLETE";
  if (history.status === "NOT_READY") {
    if (history.syncCalls > world.settings.notReadyCalls) pullInitial(world, item);
    else if (history.syncCalls === world.settings.notReadyCalls) {
      world.clock.schedule(world.settings.initialPullMs, () => pullInitial(world, item));
    }
  } else if (history.status === "INITIAL_UPDATE_COMPLETE" && !history.isPullScheduled) {
    scheduleHistorical(world, item);
  }
  return history.status;
}

/** The newest 30 days. Nothing happens when they are there already, or when the login is in error. */
export function pullInitial(world: SimulatorWorld, item: SimItem): void {
  const history = item.transactions;
  if (history.status !== "NOT_READY" || errorOfState(item.state)) return;
  const all = seedTransactions(world, item, (accountId) => isGranted(item, accountId));
  const from = addDays(world.today(), -INITIAL_DAYS);
  const newest = all.filter((it) => it.date >= from);
  history.older = all.filter((it) => it.date < from);
  appendToLog(world, item, newest.map(asAdded));
  history.status = "INITIAL_UPDATE_COMPLETE";
  item.lastSuccessfulUpdate = world.nowIso();
  if (world.settings.historicalPullMs === 0) return pullHistorical(world, item);
  announce(world, item, () => initialUpdate(world, item, newest.length));
  scheduleHistorical(world, item);
}

/** The rest of the days asked for. */
export function pullHistorical(world: SimulatorWorld, item: SimItem): void {
  const history = item.transactions;
  history.isPullScheduled = false;
  if (history.status !== "INITIAL_UPDATE_COMPLETE" || errorOfState(item.state)) return;
  const older = history.older;
  history.older = [];
  appendToLog(world, item, older.map(asAdded));
  history.status = "HISTORICAL_UPDATE_COMPLETE";
  item.lastSuccessfulUpdate = world.nowIso();
  announce(world, item, () => historicalUpdate(world, item, older.length));
}

/** Adds, changes and removes transactions as an institution would, and says so by webhook. */
export function recordNews(world: SimulatorWorld, item: SimItem, changes: readonly LogChange[]): void {
  if (changes.length === 0) return;
  appendToLog(world, item, changes);
  item.lastSuccessfulUpdate = world.nowIso();
  const added = changes.filter((it) => it.kind === "added").length;
  const removed = changes.flatMap((it) => (it.kind === "removed" ? [it.transactionId] : []));
  notify(world, item, transactionsDefaultUpdate(world, item, added));
  if (removed.length > 0) notify(world, item, transactionsRemoved(world, item, removed));
  if (item.transactions.isActivated) notify(world, item, syncUpdatesAvailable(world, item));
}

/**
 * What /transactions/refresh finds at the dynamic login: every pending transaction has been posted under a new id, one
 * posted amount has been corrected by one unit, one purchase is new and pending. Other logins have no news.
 */
export function refreshNews(world: SimulatorWorld, item: SimItem): void {
  if (!findSeedUser(item.userName)?.isDynamic || item.transactions.status === "NOT_READY") return;
  const current = currentTransactions(item);
  const pending = current.filter((it) => it.pending);
  const corrected = current.find((it) => !it.pending && it.amount > 0);
  const changes: LogChange[] = pending.flatMap((it): LogChange[] => [
    { kind: "removed", transactionId: it.transaction_id, accountId: it.account_id },
    asAdded({
      ...it,
      transaction_id: world.ids.next("transaction"),
      pending: false,
      pending_transaction_id: it.transaction_id,
    }),
  ]);
  if (corrected) changes.push({ kind: "modified", transaction: { ...corrected, amount: plusOne(corrected.amount) } });
  changes.push(asAdded(pendingPurchase(seedContext(world, item), item.transactions.log.length)));
  recordNews(world, item, changes);
}

/** After accounts were added to the share: their history joins the log. Before the first pull there is nothing to do. */
export function addHistoryOf(world: SimulatorWorld, item: SimItem, accountIds: readonly string[]): void {
  if (accountIds.length === 0 || item.transactions.status === "NOT_READY") return;
  const known = currentTransactions(item).filter((it) => accountIds.includes(it.account_id));
  const unseen = accountIds.filter((id) => !known.some((it) => it.account_id === id));
  const fresh = seedTransactions(world, item, (accountId) => unseen.includes(accountId));
  recordNews(world, item, [...known, ...fresh].map(asAdded));
}

function scheduleHistorical(world: SimulatorWorld, item: SimItem): void {
  item.transactions.isPullScheduled = true;
  world.clock.schedule(world.settings.historicalPullMs, () => pullHistorical(world, item));
}

function announce(
  world: SimulatorWorld,
  item: SimItem,
  legacy: () => { readonly webhook_type: string; readonly webhook_code: string },
): void {
  notify(world, item, legacy());
  if (item.transactions.isActivated) notify(world, item, syncUpdatesAvailable(world, item));
}

function seedTransactions(
  world: SimulatorWorld,
  item: SimItem,
  isWanted: (accountId: string) => boolean,
): Wire<Transaction>[] {
  const user = findSeedUser(item.userName);
  return (user?.transactions(seedContext(world, item)) ?? []).filter((it) => isWanted(it.account_id));
}

function isGranted(item: SimItem, accountId: string): boolean {
  return item.accounts.some((it) => it.granted && it.base.account_id === accountId);
}

function asAdded(transaction: Wire<Transaction>): LogChange {
  return { kind: "added", transaction };
}

/** In hundredths, so that 12.99 becomes 13.99 and not 13.990000000000002. */
function plusOne(units: number): number {
  return Math.round(units * 100 + 100) / 100;
}
