import {
  beginProduct,
  deferJob,
  findSyncedItem,
  finishJob,
  saveProduct,
  type DueJob,
  type ItemLease,
  type LinkedJobKind,
  type LinkedProductName,
  type SyncedItem,
} from "@florin/db/accounts";
import { KeyError, PlaidCallError, VaultError } from "@florin/plaid";
import { checkItem } from "./check-item.js";
import { mayCall } from "./item-status.js";
import type { LinkOperations } from "./link-operations.js";
import { openItemToken } from "./link-parts.js";
import { planAfterFailure, type FailurePlan } from "./plan-after-failure.js";
import { requestRemoval } from "./removal-request.js";
import { syncAccounts, syncBalances } from "./sync-accounts.js";
import { syncHoldings, syncInvestmentTransactions } from "./sync-investments.js";
import { syncLiabilities } from "./sync-liabilities.js";
import { laterByMs, LeaseLost, msBetween, writeFenced, type JobRun, type SyncParts } from "./sync-parts.js";
import { syncTransactions } from "./sync-transactions.js";

/** The kinds that read an institution's data, each by itself: one that fails disturbs no other (§4). */
const readers: Record<Exclude<LinkedJobKind, "REMOVE">, (parts: SyncParts, run: JobRun) => Promise<void>> = {
  ITEM: checkItem,
  ACCOUNTS: syncAccounts,
  BALANCES: syncBalances,
  TRANSACTIONS: syncTransactions,
  LIABILITIES: syncLiabilities,
  HOLDINGS: syncHoldings,
  INVESTMENT_TRANSACTIONS: syncInvestmentTransactions,
};

const productOf: Partial<Record<LinkedJobKind, LinkedProductName>> = {
  ACCOUNTS: "BALANCES",
  BALANCES: "BALANCES",
  TRANSACTIONS: "TRANSACTIONS",
  LIABILITIES: "LIABILITIES",
  HOLDINGS: "INVESTMENTS",
  INVESTMENT_TRANSACTIONS: "INVESTMENTS",
};

/** Runs one job to its end, good or bad, and writes down which. Throws LeaseLost, or what the database throws. */
export async function runJob(
  parts: SyncParts,
  operations: Pick<LinkOperations, "removeItem" | "absorbReplacedItems">,
  lease: ItemLease,
  job: DueJob,
): Promise<void> {
  const item = await findSyncedItem(parts.database.sql, lease.itemId);
  if (item === undefined) throw new LeaseLost();
  try {
    if (job.kind === "REMOVE") await remove(parts, operations, lease, job, item);
    else if (!isWorthACall(job.kind, item)) await settle(parts, lease, job, `ITEM_${item.status}`);
    else await read(parts, lease, job, item, readers[job.kind]);
    parts.meters.job(job.kind, "done");
  } catch (error) {
    await afterFailure(parts, lease, job, error);
  }
  if (job.kind === "TRANSACTIONS" || job.kind === "ITEM")
    await operations.absorbReplacedItems(lease.itemId, job.correlationId);
}

/** What ails an item is asked in every state but those in which Plaid is not to be called any more. */
function isWorthACall(kind: LinkedJobKind, item: SyncedItem): boolean {
  if (item.removedAt !== null) return false;
  return kind === "ITEM" ? item.status !== "REVOKED" && item.status !== "TOKEN_LOST" : mayCall(item.status);
}

async function read(
  parts: SyncParts,
  lease: ItemLease,
  job: DueJob,
  item: SyncedItem,
  work: (parts: SyncParts, run: JobRun) => Promise<void>,
): Promise<void> {
  const product = productOf[job.kind];
  if (product !== undefined) await beginProduct(parts.database.sql, item.itemId, product, job.kind);
  const accessToken = await openItemToken(parts, item.itemId);
  if (accessToken === undefined) return loseToken(parts, lease, job);
  const institutionId = item.institutionId ?? undefined;
  const deadlineMs = parts.policy.callDeadlineMs;
  await work(parts, { lease, job, item, call: { accessToken, itemKey: item.itemId, institutionId, deadlineMs } });
}

async function loseToken(parts: SyncParts, lease: ItemLease, job: DueJob): Promise<void> {
  await writeFenced(parts, lease, job.correlationId, async ({ tx, hear }) => {
    await hear({ kind: "TOKEN_LOST", reason: "NO_TOKEN" });
    await finishJob(tx, lease.itemId, job, "NO_TOKEN");
  });
}

async function settle(parts: SyncParts, lease: ItemLease, job: DueJob, reason: string | undefined): Promise<void> {
  await writeFenced(parts, lease, job.correlationId, ({ tx }) => finishJob(tx, lease.itemId, job, reason));
}

/**
 * Of an item with a tombstone: institution, then purge. Of one whose permission was withdrawn at the institution, once the time of grace
 * is over, the tombstone first. Of one that works again meanwhile: nothing.
 */
async function remove(
  parts: SyncParts,
  operations: Pick<LinkOperations, "removeItem">,
  lease: ItemLease,
  job: DueJob,
  item: SyncedItem,
): Promise<void> {
  if (item.removedAt === null) {
    if (item.status !== "REVOKED") return settle(parts, lease, job, "REPAIRED_MEANWHILE");
    const { itemId } = item;
    const { correlationId } = job;
    await writeFenced(parts, lease, correlationId, async ({ tx }) => {
      const reason = "PERMISSION_REVOKED";
      await requestRemoval(parts, tx, { itemId, requestedBy: "svc:accounts", reason, correlationId });
    });
    parts.wakeRelay();
  }
  await operations.removeItem(item.itemId);
  await settle(parts, lease, job, undefined);
}

async function afterFailure(parts: SyncParts, lease: ItemLease, job: DueJob, error: unknown): Promise<void> {
  if (error instanceof LeaseLost) throw error;
  const plan = planFor(parts, job, error);
  const isOurs = !(error instanceof PlaidCallError) || error.class === "OPERATOR" || error.class === "REFUSED_INPUT";
  parts.logger[isOurs ? "error" : "info"](
    { itemId: lease.itemId, kind: job.kind, err: error, againMs: plan.again?.afterMs },
    "A job for a linked item failed; what was read before stays as it is.",
  );
  await writeFenced(parts, lease, job.correlationId, async ({ tx, item, at, hear, noteChange }) => {
    if (error instanceof PlaidCallError && item.removedAt === null) await hear({ kind: "CALL_FAILED", error });
    const product = productOf[job.kind];
    const state = plan.productState;
    if (product !== undefined && state !== undefined && item.removedAt === null) {
      const saidBy = job.kind === "BALANCES" ? "ACCOUNTS" : job.kind;
      const report = { product, state, reason: plan.reason, saidBy };
      if (await saveProduct(tx, item.itemId, report)) noteChange();
    }
    if (plan.again === undefined) return finishJob(tx, item.itemId, job, plan.reason);
    const { afterMs, isFailure } = plan.again;
    await deferJob(tx, item.itemId, job, { notBefore: laterByMs(at, afterMs), reason: plan.reason, isFailure });
  });
  parts.meters.job(job.kind, plan.again === undefined ? "gave_up" : "deferred");
}

/** A removal that was promised is never given up; a call that is paid for is tried twice, then the person may ask again. */
function maxFailuresOf(kind: LinkedJobKind, usual: number): number {
  return kind === "REMOVE" ? Infinity : kind === "BALANCES" ? 2 : usual;
}

function planFor(parts: SyncParts, job: DueJob, error: unknown): FailurePlan {
  const facts = {
    failures: job.failures,
    maxFailures: maxFailuresOf(job.kind, parts.policy.maxFailures),
    waitedMs: msBetween(job.requestedAt, parts.clock.now()),
    random: parts.random,
  };
  if (error instanceof PlaidCallError) {
    const plan = planAfterFailure(error, facts);
    const isForGood = job.kind === "REMOVE" && plan.again === undefined;
    return isForGood ? planAfterFailure({ ...error, class: "OPERATOR" }, facts) : plan;
  }
  const isSealed = error instanceof VaultError || error instanceof KeyError;
  const failure = { errorCode: isSealed ? "TOKEN_NOT_OPENED" : "INTERNAL", retryAfterMs: undefined } as const;
  return planAfterFailure({ ...failure, class: isSealed ? "OPERATOR" : "TRANSIENT" }, facts);
}
