/**
 * /transactions/sync over an append-only log (linked-accounts §1.3).
 *
 * A run reads what changed between two places of the log, folded: a transaction that came and went within the run does not
 * appear, one that came and changed appears once, as added. The run is cut into pages. A cursor between two pages names
 * (run start, run end, offset) and dies when the log grows: the reader must go back to the cursor the run began with. A
 * cursor at the end of a run names its place only and lives for ever. The same cursor gives the same page.
 *
 * Cursors are opaque, bound to the Item and to the account of a per-account stream, and authenticated.
 * Cost of a run: its entries, once; the folded run is kept until another one of the same Item is read.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { RemovedTransaction, Transaction } from "plaid";
import { refuse } from "./plaid-error.js";
import type { Wire } from "./wire.js";
import type { LogEntry, SimItem, SimulatorWorld } from "./world.js";

export interface SyncPage {
  readonly added: Wire<Transaction>[];
  readonly modified: Wire<Transaction>[];
  readonly removed: Wire<RemovedTransaction>[];
  readonly nextCursor: string;
  readonly hasMore: boolean;
}

interface Place {
  /** The last entry that earlier runs have covered. */
  readonly after: number;
  /** Between pages: the last entry of this run, and how many folded changes are behind. */
  readonly middle?: { readonly until: number; readonly offset: number };
}

type Change =
  | { readonly kind: "added" | "modified"; readonly transaction: Wire<Transaction> }
  | { readonly kind: "removed"; readonly removed: Wire<RemovedTransaction> };

const MAC_BYTES = 16;

/** One page. `accountId` chooses a stream of its own. Refuses foreign cursors and runs that the log has overtaken. */
export function readSyncPage(
  world: SimulatorWorld,
  item: SimItem,
  request: { readonly cursor: string; readonly count: number; readonly accountId: string | undefined },
): SyncPage {
  const stream = `${item.itemId}/${request.accountId ?? ""}`;
  const head = headOf(item, request.accountId);
  const place = request.cursor === "" ? { after: 0 } : readCursor(world, stream, request.cursor, head);
  if (place.middle && place.middle.until !== head) refuse("TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION");

  const changes = changesOfRun(item, request.accountId, place.after);
  const offset = place.middle?.offset ?? 0;
  const page = changes.slice(offset, offset + request.count);
  const reached = offset + page.length;
  const hasMore = reached < changes.length;
  const next: Place = hasMore ? { after: place.after, middle: { until: head, offset: reached } } : { after: head };
  return {
    added: page.flatMap((it) => (it.kind === "added" ? [it.transaction] : [])),
    modified: page.flatMap((it) => (it.kind === "modified" ? [it.transaction] : [])),
    removed: page.flatMap((it) => (it.kind === "removed" ? [it.removed] : [])),
    nextCursor: writeCursor(world, stream, next),
    hasMore,
  };
}

/** A cursor at the end of the log as it is now, for `cursor: "now"`. */
export function cursorNow(world: SimulatorWorld, item: SimItem, accountId: string | undefined): string {
  return writeCursor(world, `${item.itemId}/${accountId ?? ""}`, { after: headOf(item, accountId) });
}

/** The transactions as they are now, oldest entry first. */
export function currentTransactions(item: SimItem): Wire<Transaction>[] {
  const current = new Map<string, Wire<Transaction>>();
  for (const entry of item.transactions.log) {
    if (entry.transaction) current.set(entry.transactionId, entry.transaction);
    else current.delete(entry.transactionId);
  }
  return [...current.values()];
}

export type LogChange =
  | { readonly kind: "added" | "modified"; readonly transaction: Wire<Transaction> }
  | { readonly kind: "removed"; readonly transactionId: string; readonly accountId: string };

/** The only way the log grows. */
export function appendToLog(world: SimulatorWorld, item: SimItem, changes: readonly LogChange[]): void {
  const { log } = item.transactions;
  let seq = log.at(-1)?.seq ?? 0;
  const at = world.nowIso();
  for (const change of changes) {
    seq += 1;
    log.push(
      change.kind === "removed"
        ? { seq, at, kind: "removed", transactionId: change.transactionId, accountId: change.accountId }
        : {
            seq,
            at,
            kind: change.kind,
            transactionId: change.transaction.transaction_id,
            accountId: change.transaction.account_id,
            transaction: change.transaction,
          },
    );
  }
}

/** The last place of a stream. */
function headOf(item: SimItem, accountId: string | undefined): number {
  const { log } = item.transactions;
  return (accountId === undefined ? log.at(-1) : log.findLast((it) => it.accountId === accountId))?.seq ?? 0;
}

/** The last run that was folded, by Item: a client that pages through it asks for it again and again. */
const lastRuns = new WeakMap<SimItem, { readonly key: string; readonly changes: Change[] }>();

function changesOfRun(item: SimItem, accountId: string | undefined, after: number): Change[] {
  const shared = item.accounts.filter((it) => it.granted).map((it) => it.base.account_id);
  const wanted = new Set(accountId === undefined ? shared : shared.filter((it) => it === accountId));
  const { log } = item.transactions;
  const key = JSON.stringify([after, log.length, [...wanted]]);
  const last = lastRuns.get(item);
  if (last?.key === key) return last.changes;
  const changes = fold(log, after, wanted);
  lastRuns.set(item, { key, changes });
  return changes;
}

/** What changed after a place, each transaction once, in the order of its last change; of the accounts wanted. */
function fold(log: readonly LogEntry[], after: number, wanted: ReadonlySet<string>): Change[] {
  const wasThere = new Map<string, boolean>();
  const last = new Map<string, LogEntry>();
  for (const entry of log) {
    if (entry.seq <= after || !wanted.has(entry.accountId)) continue;
    if (!wasThere.has(entry.transactionId)) wasThere.set(entry.transactionId, entry.kind !== "added");
    last.delete(entry.transactionId); // set again, so that the map's order is that of the last change
    last.set(entry.transactionId, entry);
  }
  const changes: Change[] = [];
  for (const [transactionId, entry] of last) {
    const before = wasThere.get(transactionId) ?? false;
    if (entry.transaction) changes.push({ kind: before ? "modified" : "added", transaction: entry.transaction });
    else if (before) {
      changes.push({ kind: "removed", removed: { transaction_id: transactionId, account_id: entry.accountId } });
    }
  }
  return changes;
}

function writeCursor(world: SimulatorWorld, stream: string, place: Place): string {
  const text = JSON.stringify([place.after, ...(place.middle ? [place.middle.until, place.middle.offset] : [])]);
  return Buffer.concat([mac(world, stream, text), Buffer.from(text)]).toString("base64");
}

function readCursor(world: SimulatorWorld, stream: string, cursor: string, head: number): Place {
  const bytes = Buffer.from(cursor, "base64");
  const text = bytes.subarray(MAC_BYTES).toString();
  const claimed = bytes.subarray(0, MAC_BYTES);
  if (claimed.length !== MAC_BYTES || !timingSafeEqual(claimed, mac(world, stream, text))) {
    refuse("INVALID_FIELD", "cursor not associated with access_token");
  }
  const [after = 0, until, offset] = JSON.parse(text) as number[];
  if (after > head) refuse("INVALID_FIELD", "cursor not associated with access_token");
  return until === undefined || offset === undefined ? { after } : { after, middle: { until, offset } };
}

function mac(world: SimulatorWorld, stream: string, text: string): Buffer {
  const key = world.ids.secret("sync-cursor");
  return createHmac("sha256", key).update(`${stream}\n${text}`).digest().subarray(0, MAC_BYTES);
}
