import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";
import { notify } from "../notifications.js";

/**
 * What is to be done for linked items, and who does it.
 *
 * A request adds to a counter, and a run that ends well sets `done` to what the counter was when it began: any number of requests
 * before a run are one run, and one during it is one more. A worker takes an item, not a job: the lease is the item's, so that two
 * workers never read one item at the same time. Each lease has an epoch of its own, and whatever is written of an item is written under
 * `lockLeasedItem` (linked-item-sync.ts): a worker whose lease ran out while it was away writes nothing any more.
 *
 * Leases run on the database's clock, so machines need not agree on the time; what is due is told by the caller's.
 */
export const linkedJobKinds = [
  "REMOVE",
  "ITEM",
  "ACCOUNTS",
  "BALANCES",
  "TRANSACTIONS",
  "LIABILITIES",
  "HOLDINGS",
  "INVESTMENT_TRANSACTIONS",
] as const;
export type LinkedJobKind = (typeof linkedJobKinds)[number];

/** Told when there is work, with the item's UUID. A hint; the table is the truth. */
export const LINKED_JOB_CHANNEL = "florin_linked_jobs";

export interface JobRequest {
  readonly at: Instant;
  /** Not earlier than this. Default: `at`. */
  readonly notBefore?: Instant | undefined;
  readonly correlationId: string;
  /** Does not wait for the end of a pause after failures: the person, or the institution, says that it works again. */
  readonly isUrgent?: boolean | undefined;
}

/** Both roles of the area may ask. Nothing happens for an item that is not there. */
export async function requestJobs(
  tx: Transaction,
  itemId: Uuid,
  kinds: readonly LinkedJobKind[],
  request: JobRequest,
): Promise<void> {
  if (kinds.length === 0) return;
  const at = formatInstant(request.at);
  await tx`
    insert into accounts.linked_job as j (item_id, kind, not_before, requested_at, correlation_id)
    select i.item_id, k.kind, ${formatInstant(request.notBefore ?? request.at)}, ${at}, ${request.correlationId}
    from accounts.linked_item i, unnest(${[...kinds].sort()}::text[]) as k (kind)
    where i.item_id = ${itemId}
    on conflict (item_id, kind) do update set
      requested = j.requested + 1,
      not_before = case
        when j.requested = j.done or ${request.isUrgent === true} then excluded.not_before
        when j.failures > 0 then j.not_before
        else least(j.not_before, excluded.not_before) end,
      requested_at = case when j.requested = j.done then excluded.requested_at else j.requested_at end,
      correlation_id = excluded.correlation_id`;
  await notify(tx, LINKED_JOB_CHANNEL, itemId);
}

/** The right to read one item at its institution and to write what was read. */
export interface ItemLease {
  readonly itemId: Uuid;
  readonly owner: string;
  readonly epoch: bigint;
}

export interface LeaseTerms {
  /** Unique per worker. */
  readonly owner: string;
  readonly leaseMs: number;
}

const leaseEnd = (sql: Sql | Transaction, leaseMs: number) =>
  sql`clock_timestamp() + make_interval(secs => ${leaseMs / 1000}::float8)`;

/** The item that has waited longest for something that is due, if nobody else has it. */
export async function claimDueItem(sql: Sql, terms: LeaseTerms, now: Instant): Promise<ItemLease | undefined> {
  const [claimed] = await sql<{ itemId: Uuid; epoch: bigint }[]>`
    update accounts.linked_item set lease_owner = ${terms.owner}, lease_until = ${leaseEnd(sql, terms.leaseMs)},
      lease_epoch = lease_epoch + 1
    where item_id = (
      select i.item_id from accounts.linked_job j join accounts.linked_item i using (item_id)
      where j.requested > j.done and j.not_before <= ${formatInstant(now)}
        and (i.lease_until is null or i.lease_until < clock_timestamp())
        and (i.removed_at is null or j.kind = 'REMOVE')
      order by j.not_before limit 1 for update of i skip locked)
    returning item_id as "itemId", lease_epoch as epoch`;
  return claimed === undefined ? undefined : { ...claimed, owner: terms.owner };
}

/** This very item, due or not: for work that must not meet a sync, such as changing its token. undefined: somebody has it now. */
export async function claimItem(sql: Sql, itemId: Uuid, terms: LeaseTerms): Promise<ItemLease | undefined> {
  const [claimed] = await sql<{ epoch: bigint }[]>`
    update accounts.linked_item set lease_owner = ${terms.owner}, lease_until = ${leaseEnd(sql, terms.leaseMs)},
      lease_epoch = lease_epoch + 1
    where item_id = ${itemId} and (lease_until is null or lease_until < clock_timestamp())
    returning lease_epoch as epoch`;
  return claimed === undefined ? undefined : { itemId, owner: terms.owner, epoch: claimed.epoch };
}

/** false: it is somebody else's, or the item is gone. */
export async function renewItemLease(sql: Sql, lease: ItemLease, leaseMs: number): Promise<boolean> {
  const renewed = await sql`
    update accounts.linked_item set lease_until = ${leaseEnd(sql, leaseMs)}
    where item_id = ${lease.itemId} and lease_owner = ${lease.owner} and lease_epoch = ${lease.epoch} returning 1`;
  return renewed.length === 1;
}

/** Lets the next one in at once. Nothing happens when it is not ours any more. */
export async function releaseItem(sql: Sql, lease: ItemLease): Promise<void> {
  await sql`
    with released as (
      update accounts.linked_item set lease_owner = null, lease_until = null
      where item_id = ${lease.itemId} and lease_owner = ${lease.owner} and lease_epoch = ${lease.epoch} returning 1)
    select pg_notify(${LINKED_JOB_CHANNEL}, ${lease.itemId}) from released`;
}

export interface DueJob {
  readonly kind: LinkedJobKind;
  /** What `done` becomes when this run ends well. */
  readonly target: bigint;
  /** In a row. */
  readonly failures: number;
  /** When the first request came that nobody has served yet. */
  readonly requestedAt: Instant;
  readonly correlationId: string;
}

/** In the order in which they are to be run. */
export async function listDueJobs(sql: Sql, itemId: Uuid, now: Instant): Promise<readonly DueJob[]> {
  return await sql<DueJob[]>`
    select kind, requested as target, failures, requested_at as "requestedAt", correlation_id as "correlationId"
    from accounts.linked_job where item_id = ${itemId} and requested > done and not_before <= ${formatInstant(now)}
    order by array_position(${[...linkedJobKinds]}::text[], kind)`;
}

/** Served, well or for good. */
export async function finishJob(
  tx: Transaction,
  itemId: Uuid,
  job: Pick<DueJob, "kind" | "target">,
  lastError: string | undefined,
): Promise<void> {
  await tx`
    update accounts.linked_job set done = greatest(done, ${job.target}), failures = 0, last_error = ${lastError ?? null}
    where item_id = ${itemId} and kind = ${job.kind}`;
}

/**
 * Not served yet; again at `notBefore`. `isFailure`: counts, so that the pauses grow. Who only waits for news is not made to wait on when
 * somebody asked again meanwhile: that was the news.
 */
export async function deferJob(
  tx: Transaction,
  itemId: Uuid,
  job: Pick<DueJob, "kind" | "target">,
  later: { readonly notBefore: Instant; readonly reason: string; readonly isFailure: boolean },
): Promise<void> {
  await tx`
    update accounts.linked_job set last_error = ${later.reason}, failures = case when ${later.isFailure} then failures + 1 else 0 end,
      not_before = case when ${later.isFailure} or requested <= ${job.target} then ${formatInstant(later.notBefore)}
        else not_before end
    where item_id = ${itemId} and kind = ${job.kind}`;
}

/** For gauges: how many are due, and since when the oldest of them. */
export async function countDueJobs(
  sql: Sql,
  now: Instant,
): Promise<readonly { readonly kind: LinkedJobKind; readonly due: number; readonly oldest: Instant }[]> {
  return await sql<{ kind: LinkedJobKind; due: number; oldest: Instant }[]>`
    select kind, count(*)::int as due, min(not_before) as oldest from accounts.linked_job
    where requested > done and not_before <= ${formatInstant(now)} group by kind`;
}
