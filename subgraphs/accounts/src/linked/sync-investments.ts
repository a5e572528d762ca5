import { finishJob, noteInvestmentHistory, saveProduct } from "@florin/db/accounts";
import type { InvestmentTransactionData, SecurityData, SnapshotRow } from "@florin/linked-data";
import { formatInstant } from "@florin/kernel";
import { PlaidCallError } from "@florin/plaid";
import { faultPoint } from "@florin/resilience";
import { handOverSnapshot } from "./hand-over-snapshot.js";
import { withStorableTexts } from "./storable-text.js";
import { laterByMs, writeFenced, type JobRun, type SyncParts } from "./sync-parts.js";

/** All holdings and their securities. Two holdings of one account and security stay two (§6). */
export async function syncHoldings(parts: SyncParts, run: JobRun): Promise<void> {
  const { holdings, securities } = withStorableTexts(await parts.plaid.getHoldings(run.call));
  faultPoint("accounts.sync.after-fetch");
  const rows: SnapshotRow<"HOLDINGS">[] = [
    ...securities.map((data) => ({ row: "SECURITY", data }) as const),
    ...holdings.map((data) => ({ row: "HOLDING", data }) as const),
  ];
  await writeFenced(parts, run.lease, run.job.correlationId, async (fenced) => {
    const { tx, item, at } = fenced;
    const { correlationId } = run.job;
    await handOverSnapshot(parts, tx, { item, product: "HOLDINGS", capturedAt: at, rows, correlationId });
    await saveProduct(tx, item.itemId, { product: "INVESTMENTS", state: "READY", saidBy: run.job.kind, syncedAt: at });
    await fenced.hear({ kind: "CALL_SUCCEEDED", now: fenced.at });
    fenced.noteChange();
    await finishJob(tx, item.itemId, run.job, undefined);
  });
}

/** The list may move under the reader, who then begins again. */
const MAX_READS = 4;
/** Kept in memory until the window is whole. */
const MAX_ROWS = 50_000;
const MS_PER_DAY = 86_400_000;

interface Window {
  readonly from: string;
  readonly to: string;
}

interface WholeWindow {
  readonly transactions: ReadonlyMap<string, InvestmentTransactionData>;
  readonly securities: ReadonlyMap<string, SecurityData>;
}

/**
 * Investment transactions of a window, all of them: there is no cursor and no word of what was removed (§1.2), so what portfolio has of
 * the window is replaced. The whole history once, and again after HISTORICAL_UPDATE; else the last days.
 */
export async function syncInvestmentTransactions(parts: SyncParts, run: JobRun): Promise<void> {
  const { policy, clock } = parts;
  const isFirst = !run.item.hasInvestmentHistory;
  const days = isFirst ? policy.investmentHistoryDays : policy.investmentWindowDays;
  const now = clock.now();
  const window = { from: dayOf(laterByMs(now, -days * MS_PER_DAY)), to: dayOf(now) };
  const whole = await readWindow(parts, run, window, isFirst);
  faultPoint("accounts.sync.after-fetch");
  const rows: SnapshotRow<"INVESTMENT_TRANSACTIONS">[] = [
    ...[...whole.securities.values()].map((data) => ({ row: "SECURITY", data }) as const),
    ...[...whole.transactions.values()].map((data) => ({ row: "TRANSACTION", data }) as const),
  ];
  await writeFenced(parts, run.lease, run.job.correlationId, async (fenced) => {
    const { tx, item, at } = fenced;
    const { correlationId, kind } = run.job;
    await handOverSnapshot(parts, tx, {
      item,
      product: "INVESTMENT_TRANSACTIONS",
      capturedAt: at,
      rows,
      window,
      correlationId,
    });
    if (isFirst) await noteInvestmentHistory(tx, item.itemId, run.job.target);
    await saveProduct(tx, item.itemId, { product: "INVESTMENTS", state: "READY", saidBy: kind, syncedAt: at });
    await fenced.hear({ kind: "CALL_SUCCEEDED", now: fenced.at });
    fenced.noteChange();
    await finishJob(tx, item.itemId, run.job, undefined);
  });
}

function dayOf(at: Parameters<typeof formatInstant>[0]): string {
  return formatInstant(at).slice(0, 10);
}

async function readWindow(parts: SyncParts, run: JobRun, window: Window, isFirst: boolean): Promise<WholeWindow> {
  for (let reads = 0; reads < MAX_READS; reads++) {
    const whole = await readOnce(parts, run, window, isFirst);
    if (whole !== undefined) return whole;
  }
  throw movedAway("the list moved at every reading");
}

/** undefined: it moved while it was read. */
async function readOnce(
  parts: SyncParts,
  run: JobRun,
  window: Window,
  isFirst: boolean,
): Promise<WholeWindow | undefined> {
  const transactions = new Map<string, InvestmentTransactionData>();
  const securities = new Map<string, SecurityData>();
  let total: number | undefined;
  for (let offset = 0; ;) {
    const options = { ...window, offset, count: parts.policy.pageSize, isAsynchronous: isFirst };
    const page = withStorableTexts(await parts.plaid.getInvestmentTransactionsPage(run.call, options));
    total ??= page.total;
    if (page.total !== total) return undefined;
    if (total > MAX_ROWS) throw movedAway(`more than ${MAX_ROWS} investment transactions`);
    for (const transaction of page.transactions) transactions.set(transaction.investmentTransactionId, transaction);
    for (const security of page.securities) securities.set(security.securityId, security);
    offset += page.transactions.length;
    // One that was seen twice hides one that was not seen at all.
    if (offset >= total) return transactions.size === total ? { transactions, securities } : undefined;
    if (page.transactions.length === 0) return undefined;
  }
}

function movedAway(what: string): PlaidCallError {
  return new PlaidCallError({
    endpoint: `/investments/transactions/get (${what})`,
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
