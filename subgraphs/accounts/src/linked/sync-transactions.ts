import {
  advanceCursor,
  applyStagedRun,
  clearStaged,
  countStaged,
  finishJob,
  listNewPosted,
  listOrphanedEdits,
  listPutAt,
  listRemovedAt,
  listUnknownStagedAccounts,
  moveEdits,
  requestJobs,
  saveProduct,
  stageChanges,
  deferJob,
  type ChangedTransaction,
  type StagedChange,
} from "@florin/db/accounts";
import type { AccountData, SnapshotRow, TransactionData } from "@florin/linked-data";
import { formatId, type Instant, type Uuid } from "@florin/kernel";
import { PlaidCallError, type TransactionsPage } from "@florin/plaid";
import { faultPoint } from "@florin/resilience";
import { handOverSnapshot } from "./hand-over-snapshot.js";
import { pairEdits } from "./pair-edits.js";
import { waitAgain } from "./plan-after-failure.js";
import { withStorableTexts } from "./storable-text.js";
import { addMissingAccounts, readRoster } from "./sync-accounts.js";
import {
  laterByMs,
  LeaseLost,
  msBetween,
  writeFenced,
  type Fenced,
  type JobRun,
  type SyncParts,
} from "./sync-parts.js";

/**
 * A run of transactions/sync, by the rules of linked-accounts.md §1.3.
 *
 *   read    pages from the cursor that the item holds, staged as they come. Any failure leaves the cursor where it was; a mutation of the
 *           data throws the run away and begins again from that same cursor, at most MAX_RESTARTS times, then once from no cursor at all
 *   check   accounts that the run speaks of and nobody knows are read first
 *   apply   removals, puts, people's edits, the cursor and what portfolio gets, in one transaction under the item's fence, if the cursor
 *           is still the one that the run began with
 *
 * "Not ready" is no error and no end: nothing is stored, and the run comes again by webhook or after a pause. A run without a cursor
 * over rows that are there (a cursor was refused) takes away what it does not bring, but only when history is complete.
 * Bounds: one page in memory, MAX_PAGES a run, MAX_CHUNK rows a snapshot.
 */
const MAX_PAGES = 2_000;
const MAX_RESTARTS = 5;
const RESTART_PAUSE_MS = 250;
/** In the midst of a run the limiter may say "in a while" so often; the same cursor gives the same page (rule 5). */
const MAX_HOLDS = 20;
const MAX_HOLD_MS = 30_000;
const MAX_CHUNK = 5_000;
/** A pending transaction that went away is looked for among new ones for so long. */
const ORPHAN_DAYS_MS = 14 * 86_400_000;

interface ReadRun {
  /** Undefined: the item has none (yet). */
  readonly cursor: string | undefined;
  readonly status: string;
  readonly startedFrom: string | undefined;
  readonly changes: number;
  /** As the pages described them; not the roster (rule 8). */
  readonly accounts: ReadonlyMap<string, AccountData>;
}

export async function syncTransactions(parts: SyncParts, run: JobRun): Promise<void> {
  const read = await readRun(parts, run);
  faultPoint("accounts.sync.after-fetch");
  if (read.cursor === undefined && read.status === "NOT_READY") return markNotReady(parts, run, read.status);
  await makeAccountsKnown(parts, run, read);
  await writeFenced(parts, run.lease, run.job.correlationId, (fenced) => apply(parts, run, read, fenced));
  await clearStaged(parts.database.sql, run.item.itemId);
}

async function readRun(parts: SyncParts, run: JobRun): Promise<ReadRun> {
  const stored = run.item.transactionsCursor ?? undefined;
  try {
    return await readFrom(parts, run, stored);
  } catch (error) {
    if (stored === undefined || !isAboutCursor(error)) throw error;
    // What the stored cursor cannot give, the whole history can (rule 5); deletions are then found by what is missing.
    parts.meters.restart("cursor");
    parts.logger.warn(
      { itemId: run.item.itemId, errorCode: error.errorCode },
      "A cursor of transactions is of no use any more; the whole history is read again.",
    );
    return await readFrom(parts, run, undefined);
  }
}

/** Mutation without end, or a cursor that this token cannot use. */
function isAboutCursor(error: unknown): error is PlaidCallError {
  if (!(error instanceof PlaidCallError)) return false;
  return error.class === "RESTART_PAGINATION" || (error.class === "OPERATOR" && error.errorCode === "INVALID_FIELD");
}

async function readFrom(parts: SyncParts, run: JobRun, start: string | undefined): Promise<ReadRun> {
  for (let restarts = 0; ; restarts++) {
    try {
      return await readPages(parts, run, start);
    } catch (error) {
      const mayRestart = error instanceof PlaidCallError && error.class === "RESTART_PAGINATION";
      if (!mayRestart || restarts >= MAX_RESTARTS) throw error;
      parts.meters.restart("mutation");
      await parts.pause(RESTART_PAUSE_MS * parts.random() * (restarts + 1));
    }
  }
}

async function readPages(parts: SyncParts, run: JobRun, start: string | undefined): Promise<ReadRun> {
  const { sql } = parts.database;
  await clearStaged(sql, run.item.itemId);
  const accounts = new Map<string, AccountData>();
  let cursor = start;
  let changes = 0;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page = withStorableTexts(await readPage(parts, run, cursor));
    for (const account of page.accounts) accounts.set(account.accountId, account);
    const staged = toStaged(parts, page);
    await stageChanges(sql, run.lease, changes, staged);
    changes += staged.length;
    const next = page.nextCursor === "" ? undefined : page.nextCursor;
    if (!page.hasMore) return { cursor: next, status: page.status, startedFrom: start, changes, accounts };
    if (next === undefined || next === cursor) throw unreadable("more pages without a cursor to them");
    cursor = next;
  }
  throw unreadable(`more than ${MAX_PAGES} pages`);
}

async function readPage(parts: SyncParts, run: JobRun, cursor: string | undefined): Promise<TransactionsPage> {
  const options = {
    cursor,
    count: parts.policy.pageSize,
    daysRequested: cursor === undefined ? parts.policy.transactionDays : undefined,
  };
  for (let holds = 0; ; holds++) {
    try {
      return await parts.plaid.syncTransactionsPage(run.call, options);
    } catch (error) {
      // Whoever says for how long is waited for; the run is thrown away otherwise.
      const holdMs = error instanceof PlaidCallError && error.class === "BACKOFF" ? error.retryAfterMs : undefined;
      const isAmidst = cursor !== (run.item.transactionsCursor ?? undefined);
      if (holdMs === undefined || holdMs > MAX_HOLD_MS || !isAmidst || holds >= MAX_HOLDS) throw error;
      await parts.pause(holdMs);
    }
  }
}

function unreadable(what: string): PlaidCallError {
  return new PlaidCallError({
    endpoint: `/transactions/sync (${what})`,
    httpStatus: undefined,
    errorType: undefined,
    errorCode: "UNREADABLE_ANSWER",
    displayMessage: undefined,
    requestId: undefined,
    class: "TRANSIENT",
    isOutcomeUnknown: false,
    retryAfterMs: undefined,
  });
}

function toStaged(parts: SyncParts, page: TransactionsPage): StagedChange[] {
  const removed = page.removed.map(
    ({ transactionId }) => ({ change: "REMOVED", plaidTransactionId: transactionId }) as const,
  );
  const put = [...page.added, ...page.modified].map((transaction) => toPut(parts.ids.next(), transaction));
  return [...removed, ...put];
}

function toPut(linkedTransactionId: Uuid, data: TransactionData): StagedChange {
  return {
    change: "PUT",
    plaidTransactionId: data.transactionId,
    linkedTransactionId,
    plaidAccountId: data.accountId,
    pendingPlaidTransactionId: data.pendingTransactionId,
    amount: data.amount,
    isoCode: data.currency.isoCode,
    unofficialCode: data.currency.isoCode === null ? data.currency.unofficialCode : null,
    name: data.name,
    merchantName: data.merchantName,
    categoryPrimary: data.categoryPrimary,
    categoryDetailed: data.categoryDetailed,
    isPending: data.isPending,
    date: data.date,
    authorizedDate: data.authorizedDate,
    occurredAt: data.datetime,
    paymentChannel: data.paymentChannel,
  };
}

async function markNotReady(parts: SyncParts, run: JobRun, reason: string): Promise<void> {
  await writeFenced(parts, run.lease, run.job.correlationId, async ({ tx, item, at, noteChange }) => {
    const isNew = await saveProduct(tx, item.itemId, {
      product: "TRANSACTIONS",
      state: "NOT_READY",
      reason,
      saidBy: run.job.kind,
    });
    if (isNew) noteChange();
    const again = waitAgain(msBetween(run.job.requestedAt, at));
    if (again === undefined) await finishJob(tx, item.itemId, run.job, reason);
    else
      await deferJob(tx, item.itemId, run.job, { notBefore: laterByMs(at, again.afterMs), reason, isFailure: false });
  });
}

/** A transaction hangs on its account: whatever the run speaks of must be there before it is applied. */
async function makeAccountsKnown(parts: SyncParts, run: JobRun, read: ReadRun): Promise<void> {
  const { sql } = parts.database;
  if ((await listUnknownStagedAccounts(sql, run.lease)).length === 0) return;
  await readRoster(parts, run);
  const missing = await listUnknownStagedAccounts(sql, run.lease);
  if (missing.length === 0) return;
  const described = missing.flatMap((id) => read.accounts.get(id) ?? []);
  if (described.length < missing.length) throw unreadable("transactions of accounts that nobody describes");
  await addMissingAccounts(parts, run, described);
}

async function apply(parts: SyncParts, run: JobRun, read: ReadRun, fenced: Fenced): Promise<void> {
  const { tx, item, at } = fenced;
  const isSameStart = item.cursorVersion === run.item.cursorVersion;
  if (!isSameStart || item.removedAt !== null) throw new LeaseLost();
  const isWhole = read.startedFrom === undefined && read.cursor !== undefined && isHistoryComplete(read.status);
  // An emptied table must not pass for a run that brought nothing: its cursor would go on without its rows.
  if ((await countStaged(tx, run.lease)) !== read.changes) throw unreadable("staged changes are gone");
  if (read.changes > 0 || isWhole) {
    await applyStagedRun(tx, { lease: run.lease, at, isWhole });
    await carryEdits(tx, item.itemId, at);
  }
  if (!(await advanceCursor(tx, item.itemId, run.item.cursorVersion, read.cursor))) throw new LeaseLost();
  const changed = await handOver(parts, run, fenced);
  parts.meters.transactions(changed);
  await saveProduct(tx, item.itemId, {
    product: "TRANSACTIONS",
    state: "READY",
    // Until history is complete, people are told that more is to come.
    reason: isHistoryComplete(read.status) ? undefined : read.status,
    saidBy: run.job.kind,
    syncedAt: at,
  });
  await fenced.hear({ kind: "CALL_SUCCEEDED", now: fenced.at });
  fenced.noteChange();
  // Balances have moved with what was just read, and the roster is free.
  if (changed > 0) await requestJobs(tx, item.itemId, ["ACCOUNTS"], { at, correlationId: run.job.correlationId });
  await finishJob(tx, item.itemId, run.job, undefined);
}

function isHistoryComplete(status: string): boolean {
  return status === "HISTORICAL_UPDATE_COMPLETE";
}

async function carryEdits(tx: Fenced["tx"], itemId: Uuid, at: Instant): Promise<void> {
  const orphans = await listOrphanedEdits(tx, itemId, laterByMs(at, -ORPHAN_DAYS_MS));
  if (orphans.length === 0) return;
  const accounts = [...new Set(orphans.map(({ linkedAccountId }) => linkedAccountId))];
  const posted = await listNewPosted(tx, itemId, at, accounts);
  for (const { from, to } of pairEdits(orphans, posted)) await moveEdits(tx, from, to);
}

/** What changed here goes to portfolio, a bounded number of rows at a time. How many they were. */
async function handOver(parts: SyncParts, run: JobRun, { tx, item, at }: Fenced): Promise<number> {
  const removed = await listRemovedAt(tx, item.itemId, at);
  let rows: SnapshotRow<"TRANSACTIONS">[] = removed.map((id) => ({
    change: "REMOVED",
    linkedTransactionId: formatId("linkedTransaction", id),
  }));
  let total = rows.length;
  for (let after: Uuid | undefined, isLast = false; !isLast;) {
    const page = await listPutAt(tx, item.itemId, at, { after, limit: MAX_CHUNK });
    rows = rows.concat(page.map(toRow));
    total += page.length;
    after = page.at(-1)?.linkedTransactionId;
    isLast = page.length < MAX_CHUNK;
    if (rows.length > 0)
      await handOverSnapshot(parts, tx, {
        item,
        product: "TRANSACTIONS",
        capturedAt: at,
        rows,
        correlationId: run.job.correlationId,
      });
    rows = [];
  }
  return total;
}

function toRow(changed: ChangedTransaction): SnapshotRow<"TRANSACTIONS"> {
  const { linkedTransactionId, plaidAccountId, isoCode, unofficialCode, ...rest } = changed;
  return {
    change: "PUT",
    linkedTransactionId: formatId("linkedTransaction", linkedTransactionId),
    accountId: plaidAccountId,
    currency: { isoCode, unofficialCode },
    ...rest,
  };
}
