import { formatInstant, type Instant, type Json, type Uuid } from "@florin/kernel";
import type { JsonValue, Sql, Transaction } from "../connect-database.js";

/** Which answer of an institution rows come from. */
export interface SnapshotVersion {
  readonly itemId: Uuid;
  readonly userId: Uuid;
  readonly version: bigint;
  readonly capturedAt: Instant;
}

export interface NewSnapshotPage {
  readonly itemId: Uuid;
  readonly product: string;
  readonly version: bigint;
  readonly page: number;
  readonly pages: number;
  /** Sealed, as it came. */
  readonly body: Json;
  readonly receivedAt: Instant;
}

/** The version that was applied last, 0 when none was. The item must be locked. */
export async function ensureProduct(tx: Transaction, itemId: Uuid, product: string): Promise<bigint> {
  await tx`
    insert into portfolio.applied_snapshot (item_id, product) values (${itemId}, ${product})
    on conflict (item_id, product) do nothing`;
  const [row] = await tx<{ version: bigint }[]>`
    select version from portfolio.applied_snapshot where item_id = ${itemId} and product = ${product}`;
  return row?.version ?? 0n;
}

/** A page that is there already stays as it is. */
export async function insertSnapshotPage(tx: Transaction, page: NewSnapshotPage): Promise<void> {
  await tx`
    insert into portfolio.snapshot_page (item_id, product, version, page, pages, body, received_at)
    values (${page.itemId}, ${page.product}, ${page.version}, ${page.page}, ${page.pages},
      ${tx.json(page.body as JsonValue)}, ${formatInstant(page.receivedAt)})
    on conflict (item_id, product, version, page) do nothing`;
}

/** Versions of which every page is there, oldest first. */
export async function listCompleteVersions(
  tx: Transaction,
  itemId: Uuid,
  product: string,
): Promise<readonly { readonly version: bigint; readonly pages: number }[]> {
  return tx<{ version: bigint; pages: number }[]>`
    select version, max(pages) as pages from portfolio.snapshot_page
    where item_id = ${itemId} and product = ${product}
    group by version having count(*) = max(pages) order by version`;
}

export async function getSnapshotPage(
  tx: Transaction,
  at: { readonly itemId: Uuid; readonly product: string; readonly version: bigint; readonly page: number },
): Promise<Json> {
  const [row] = await tx<{ body: Json }[]>`
    select body from portfolio.snapshot_page
    where item_id = ${at.itemId} and product = ${at.product} and version = ${at.version} and page = ${at.page}`;
  if (row === undefined) throw new Error(`page ${at.page} of ${at.product} version ${at.version} is not there`);
  return row.body;
}

/** The version is applied: it and all before it need no pages any more. */
export async function markApplied(
  tx: Transaction,
  product: string,
  { itemId, version, capturedAt }: SnapshotVersion,
  appliedAt: Instant,
): Promise<void> {
  await tx`
    update portfolio.applied_snapshot
    set version = ${version}, captured_at = ${formatInstant(capturedAt)}, applied_at = ${formatInstant(appliedAt)}
    where item_id = ${itemId} and product = ${product}`;
  await tx`
    delete from portfolio.snapshot_page where item_id = ${itemId} and product = ${product} and version <= ${version}`;
}

/** Products of items that wait for a page, or for a version before theirs, since before `receivedBefore`. */
export async function countStuckSnapshots(sql: Sql, receivedBefore: Instant): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::integer as count from (
      select distinct item_id, product from portfolio.snapshot_page where received_at < ${formatInstant(receivedBefore)}) stuck`;
  return row?.count ?? 0;
}
