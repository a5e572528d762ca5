import { appendOutbox, type Transaction } from "@florin/db";
import {
  ensureProduct,
  getSnapshotPage,
  insertSnapshotPage,
  listCompleteVersions,
  lockItem,
  markApplied,
} from "@florin/db/portfolio";
import { PoisonEvent, type EventHandler } from "@florin/events";
import { parseInstant, type EventEnvelope, type Instant, type Uuid } from "@florin/kernel";
import {
  openSnapshotPage,
  snapshotPage,
  type SnapshotHeader,
  type SnapshotPage,
  type SnapshotProduct,
  type SnapshotRow,
} from "@florin/linked-data";
import { portfolioUpdated } from "../portfolio-events.js";
import type { ConsumerParts } from "../services.js";
import { idOf, storable } from "../snapshot-rows.js";
import { applyVersion, type OpenPages } from "./apply-version.js";

/**
 * A page of what an institution said (`linked_item.snapshot`).
 *
 *   opened at once     a page that was tampered with, or is not what its product says, is parked and stored nowhere
 *   kept               until the last of its version is there; what never completes changes nothing
 *   applied            in the transaction of the page that completed it, page by page; then its pages go
 *
 * Which version comes next: a REPLACE product (accounts, liabilities, holdings) goes to its newest complete one, so a version that was
 * lost is healed by the next. Transactions tell changes, and investment transactions replace a window: each version stands on the one
 * before, so they are applied one after another, and one that is missing holds those behind it (`florin_portfolio_stuck_snapshots`).
 * An older version is dropped. The item is locked, so that whatever comes at once comes one after another.
 */
export function applySnapshot(parts: ConsumerParts): EventHandler<Transaction, SnapshotPage> {
  return {
    parse: (json) => snapshotPage.parse(json),
    apply: (tx, event, page) => takePage(parts, tx, event, page),
  };
}

const STANDS_ON_THE_ONE_BEFORE: ReadonlySet<SnapshotProduct> = new Set(["TRANSACTIONS", "INVESTMENT_TRANSACTIONS"]);

async function takePage(
  parts: ConsumerParts,
  tx: Transaction,
  event: EventEnvelope,
  page: SnapshotPage,
): Promise<void | (() => void)> {
  const { meters, clock } = parts;
  const { product } = page;
  const itemId = idOf("linkedItem", page.itemId);
  openPage(parts.snapshotKey, product, page);
  const { isRemoved } = await lockItem(tx, itemId);
  if (isRemoved) return () => meters.dropped.inc({ product, reason: "removed" });
  const applied = await ensureProduct(tx, itemId, product);
  const version = BigInt(page.version);
  if (version <= applied) return () => meters.dropped.inc({ product, reason: "older" });

  await insertSnapshotPage(tx, {
    itemId,
    product,
    version,
    page: page.page,
    pages: page.pages,
    body: page,
    receivedAt: clock.now(),
  });
  const complete = await listCompleteVersions(tx, itemId, product);
  const due = dueVersions(product, applied, complete);
  for (const one of due) await applyStored(parts, tx, itemId, product, one);
  if (due.length === 0) return;
  await appendOutbox(tx, "portfolio", [
    portfolioUpdated(parts, { userId: page.userId, itemId: page.itemId, products: [product] }, event),
  ]);
  return () => {
    meters.applied.inc({ product }, due.length);
    parts.wakeRelay();
  };
}

interface CompleteVersion {
  readonly version: bigint;
  readonly pages: number;
}

/** Those to apply now, in order. */
function dueVersions(
  product: SnapshotProduct,
  applied: bigint,
  complete: readonly CompleteVersion[],
): readonly CompleteVersion[] {
  const later = complete.filter(({ version }) => version > applied);
  if (!STANDS_ON_THE_ONE_BEFORE.has(product)) return later.slice(-1);
  return later.filter(({ version }, index) => version === applied + BigInt(index) + 1n);
}

async function applyStored(
  parts: ConsumerParts,
  tx: Transaction,
  itemId: Uuid,
  product: SnapshotProduct,
  { version, pages }: CompleteVersion,
): Promise<void> {
  const read = async (page: number): Promise<SnapshotPage> =>
    snapshotPage.parse(await getSnapshotPage(tx, { itemId, product, version, page }));
  const { sealed: _sealed, ...header } = await read(0);
  const openPages: OpenPages = (wanted) => readPages(parts.snapshotKey, wanted, pages, read);
  const at = { itemId, userId: idOf("user", header.userId), version, capturedAt: capturedAtOf(header) };
  await applyVersion(tx, at, header, openPages);
  await markApplied(tx, product, at, parts.clock.now());
}

async function* readPages<Product extends SnapshotProduct>(
  key: Uint8Array,
  product: Product,
  pages: number,
  read: (page: number) => Promise<SnapshotPage>,
): AsyncGenerator<readonly SnapshotRow<Product>[]> {
  for (let page = 0; page < pages; page++) yield storable(openPage(key, product, await read(page)));
}

/** What does not open never will: no retry saves it. The message is our own, as the failure's may hold what was sealed. */
function openPage<Product extends SnapshotProduct>(
  key: Uint8Array,
  product: Product,
  page: SnapshotPage,
): SnapshotRow<Product>[] {
  try {
    return openSnapshotPage(key, product, page);
  } catch {
    throw new PoisonEvent(
      `page ${page.page} of ${product} version ${page.version} does not open. Check that accounts and portfolio have the same snapshot key.`,
    );
  }
}

function capturedAtOf(header: SnapshotHeader): Instant {
  const instant = parseInstant(header.capturedAt);
  if (instant === undefined) throw new PoisonEvent("a snapshot does not say when it was captured");
  return instant;
}
