import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";
import type { ItemLease } from "./linked-jobs.js";

/**
 * A run of transactions/sync (linked-accounts.md §1.3): pages are staged as they come, and the whole run is applied in one transaction
 * with its cursor. Memory is one page, whatever the run's length; the cost of applying is a handful of statements over sets.
 */
export interface StagedPut {
  readonly change: "PUT";
  readonly plaidTransactionId: string;
  readonly linkedTransactionId: Uuid;
  readonly plaidAccountId: string;
  readonly pendingPlaidTransactionId: string | null;
  readonly amount: string;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
  readonly name: string;
  readonly merchantName: string | null;
  readonly categoryPrimary: string | null;
  readonly categoryDetailed: string | null;
  readonly isPending: boolean;
  readonly date: string;
  readonly authorizedDate: string | null;
  readonly occurredAt: string | null;
  readonly paymentChannel: string | null;
}
export type StagedChange = StagedPut | { readonly change: "REMOVED"; readonly plaidTransactionId: string };

/** Throws away what an earlier run of this item left. */
export async function clearStaged(sql: Sql | Transaction, itemId: Uuid): Promise<void> {
  await sql`delete from accounts.linked_transaction_staged where item_id = ${itemId}`;
}

/** A page, in its order; `from` counts the changes that were staged before it in this run. */
export async function stageChanges(
  sql: Sql,
  lease: ItemLease,
  from: number,
  changes: readonly StagedChange[],
): Promise<void> {
  if (changes.length === 0) return;
  await sql`
    insert into accounts.linked_transaction_staged (item_id, lease_epoch, ordinal, change, plaid_transaction_id,
      linked_transaction_id, plaid_account_id, pending_plaid_transaction_id, amount, iso_code, unofficial_code, name,
      merchant_name, category_primary, category_detailed, is_pending, date, authorized_date, occurred_at, payment_channel)
    select ${lease.itemId}, ${lease.epoch}, ${BigInt(from)}::bigint + c.n, c.value ->> 'change', r."plaidTransactionId",
      r."linkedTransactionId", r."plaidAccountId", r."pendingPlaidTransactionId", r.amount, r."isoCode", r."unofficialCode",
      r.name, r."merchantName", r."categoryPrimary", r."categoryDetailed", r."isPending", r.date, r."authorizedDate",
      r."occurredAt", r."paymentChannel"
    from jsonb_array_elements(${JSON.stringify(changes)}::text::jsonb) with ordinality as c (value, n),
      jsonb_to_record(c.value) as r ("plaidTransactionId" text, "linkedTransactionId" uuid, "plaidAccountId" text,
        "pendingPlaidTransactionId" text, amount numeric, "isoCode" text, "unofficialCode" text, name text,
        "merchantName" text, "categoryPrimary" text, "categoryDetailed" text, "isPending" boolean, date date,
        "authorizedDate" date, "occurredAt" timestamptz, "paymentChannel" text)`;
}

/** Accounts that the run speaks of and that are not known here: read the roster again before applying. */
export async function listUnknownStagedAccounts(sql: Sql, lease: ItemLease): Promise<readonly string[]> {
  const rows = await sql<{ id: string }[]>`
    select distinct s.plaid_account_id as id from accounts.linked_transaction_staged s
    where s.item_id = ${lease.itemId} and s.lease_epoch = ${lease.epoch} and s.change = 'PUT' and not exists (
      select from accounts.linked_account a where a.item_id = s.item_id and a.plaid_account_id = s.plaid_account_id)`;
  return rows.map(({ id }) => id);
}

/** How many changes of this run are there: fewer than were staged after a crash of the server, or when another worker cleared them. */
export async function countStaged(tx: Transaction, lease: ItemLease): Promise<number> {
  const [row] = await tx<{ count: number }[]>`
    select count(*)::int as count from accounts.linked_transaction_staged
    where item_id = ${lease.itemId} and lease_epoch = ${lease.epoch}`;
  return row?.count ?? 0;
}

export interface RunApplication {
  readonly lease: ItemLease;
  /** Stamped on every row that changes; no other run may have it. */
  readonly at: Instant;
  /** The run began without a cursor although there were rows: what it did not bring is not there any more. */
  readonly isWhole: boolean;
}

/**
 * The last word of the run about each transaction. A removal never takes away what the same run brings (rule 6), so a row that is put
 * stays, whatever the order of the pages.
 */
const lastWords = (tx: Transaction, lease: ItemLease) => tx`
  select distinct on (plaid_transaction_id) * from accounts.linked_transaction_staged
  where item_id = ${lease.itemId} and lease_epoch = ${lease.epoch}
  order by plaid_transaction_id, (change = 'PUT') desc, ordinal desc`;

/** Soft-deletes and upserts, under the fence. What people made of a pending one goes with it where Plaid says which it was. */
export async function applyStagedRun(tx: Transaction, run: RunApplication): Promise<void> {
  const { lease } = run;
  const at = formatInstant(run.at);
  await tx`
    with said as (${lastWords(tx, lease)})
    update accounts.linked_transaction t set removed_at = ${at}, changed_at = ${at}
    where t.item_id = ${lease.itemId} and t.removed_at is null and (
      t.plaid_transaction_id in (select plaid_transaction_id from said where change = 'REMOVED')
      or ${run.isWhole} and t.plaid_transaction_id not in (select plaid_transaction_id from said where change = 'PUT'))`;
  await tx`
    with said as (${lastWords(tx, lease)})
    insert into accounts.linked_transaction as t (linked_transaction_id, item_id, linked_account_id, plaid_transaction_id,
      pending_plaid_transaction_id, amount, iso_code, unofficial_code, name, merchant_name, category_primary, category_detailed,
      is_pending, date, authorized_date, occurred_at, payment_channel, user_category, user_note, first_seen_at, changed_at)
    select s.linked_transaction_id, s.item_id, a.linked_account_id, s.plaid_transaction_id, s.pending_plaid_transaction_id,
      s.amount, s.iso_code, s.unofficial_code, s.name, s.merchant_name, s.category_primary, s.category_detailed, s.is_pending,
      s.date, s.authorized_date, s.occurred_at, s.payment_channel, p.user_category, p.user_note, ${at}, ${at}
    from said s
    join accounts.linked_account a on a.item_id = s.item_id and a.plaid_account_id = s.plaid_account_id
    left join accounts.linked_transaction p on not s.is_pending and p.item_id = s.item_id
      and p.plaid_transaction_id = s.pending_plaid_transaction_id and p.linked_account_id = a.linked_account_id and p.is_pending
    where s.change = 'PUT'
    on conflict (item_id, plaid_transaction_id) do update set linked_account_id = excluded.linked_account_id,
      pending_plaid_transaction_id = excluded.pending_plaid_transaction_id, amount = excluded.amount,
      iso_code = excluded.iso_code, unofficial_code = excluded.unofficial_code, name = excluded.name,
      merchant_name = excluded.merchant_name, category_primary = excluded.category_primary,
      category_detailed = excluded.category_detailed, is_pending = excluded.is_pending, date = excluded.date,
      authorized_date = excluded.authorized_date, occurred_at = excluded.occurred_at,
      payment_channel = excluded.payment_channel, removed_at = null, changed_at = excluded.changed_at
    where (t.linked_account_id, t.pending_plaid_transaction_id, t.amount, t.iso_code, t.unofficial_code, t.name, t.merchant_name,
        t.category_primary, t.category_detailed, t.is_pending, t.date, t.authorized_date, t.occurred_at, t.payment_channel)
      is distinct from (excluded.linked_account_id, excluded.pending_plaid_transaction_id, excluded.amount, excluded.iso_code,
        excluded.unofficial_code, excluded.name, excluded.merchant_name, excluded.category_primary,
        excluded.category_detailed, excluded.is_pending, excluded.date, excluded.authorized_date, excluded.occurred_at,
        excluded.payment_channel)
      or t.removed_at is not null`;
}

/** A transaction that somebody edited, or that could have the edits. */
export interface EditHolder {
  readonly linkedTransactionId: Uuid;
  readonly linkedAccountId: Uuid;
  readonly amount: string;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
  readonly date: string;
  readonly name: string;
  readonly merchantName: string | null;
}

const holderColumns = (tx: Transaction) => tx`
  t.linked_transaction_id as "linkedTransactionId", t.linked_account_id as "linkedAccountId", trim_scale(t.amount)::text as amount,
  t.iso_code as "isoCode", t.unofficial_code as "unofficialCode", to_char(t.date, 'YYYY-MM-DD') as date, t.name,
  t.merchant_name as "merchantName"`;

/** Pending ones with edits that went away lately, and that nothing says it replaces. */
export async function listOrphanedEdits(tx: Transaction, itemId: Uuid, since: Instant): Promise<readonly EditHolder[]> {
  return await tx<EditHolder[]>`
    select ${holderColumns(tx)} from accounts.linked_transaction t
    where t.item_id = ${itemId} and t.is_pending and t.removed_at >= ${formatInstant(since)}
      and (t.user_category is not null or t.user_note is not null)
      and not exists (select from accounts.linked_transaction heir
        where heir.item_id = t.item_id and heir.pending_plaid_transaction_id = t.plaid_transaction_id)`;
}

/** Posted ones that this run brought first, without a word of what they replace, in these accounts. */
export async function listNewPosted(
  tx: Transaction,
  itemId: Uuid,
  at: Instant,
  linkedAccountIds: readonly Uuid[],
): Promise<readonly EditHolder[]> {
  return await tx<EditHolder[]>`
    select ${holderColumns(tx)} from accounts.linked_transaction t
    where t.item_id = ${itemId} and not t.is_pending and t.first_seen_at = ${formatInstant(at)} and t.removed_at is null
      and t.pending_plaid_transaction_id is null and t.linked_account_id = any(${[...linkedAccountIds]}::uuid[])
    limit 5000`;
}

/** The edits move: the one that is gone keeps none, so that nobody gets them twice. */
export async function moveEdits(tx: Transaction, from: Uuid, to: Uuid): Promise<void> {
  await tx`
    with given as (
      select user_category, user_note from accounts.linked_transaction where linked_transaction_id = ${from}),
    taken as (
      update accounts.linked_transaction t set user_category = given.user_category, user_note = given.user_note
      from given where t.linked_transaction_id = ${to} returning 1)
    update accounts.linked_transaction set user_category = null, user_note = null
    where linked_transaction_id = ${from} and exists (select from taken)`;
}

export interface ChangedTransaction {
  readonly linkedTransactionId: Uuid;
  readonly plaidAccountId: string;
  readonly amount: string;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
  readonly category: string | null;
  readonly isPending: boolean;
  readonly date: string;
}

/** What the run at `at` removed. */
export async function listRemovedAt(tx: Transaction, itemId: Uuid, at: Instant): Promise<readonly Uuid[]> {
  const rows = await tx<{ id: Uuid }[]>`
    select linked_transaction_id as id from accounts.linked_transaction
    where item_id = ${itemId} and changed_at = ${formatInstant(at)} and removed_at is not null order by id`;
  return rows.map(({ id }) => id);
}

/** What the run at `at` put, in pages: after `after`, at most `limit`. */
export async function listPutAt(
  tx: Transaction,
  itemId: Uuid,
  at: Instant,
  page: { readonly after: Uuid | undefined; readonly limit: number },
): Promise<readonly ChangedTransaction[]> {
  return await tx<ChangedTransaction[]>`
    select t.linked_transaction_id as "linkedTransactionId", a.plaid_account_id as "plaidAccountId",
      trim_scale(t.amount)::text as amount, t.iso_code as "isoCode", t.unofficial_code as "unofficialCode",
      coalesce(t.user_category, t.category_primary) as category, t.is_pending as "isPending",
      to_char(t.date, 'YYYY-MM-DD') as date
    from accounts.linked_transaction t join accounts.linked_account a using (linked_account_id)
    where t.item_id = ${itemId} and t.changed_at = ${formatInstant(at)} and t.removed_at is null
      and t.linked_transaction_id > ${page.after ?? "00000000-0000-0000-0000-000000000000"}
    order by t.linked_transaction_id limit ${page.limit}`;
}

/** The compare-and-swap of rule 4. false: another run was committed in between. */
export async function advanceCursor(
  tx: Transaction,
  itemId: Uuid,
  expectedVersion: bigint,
  cursor: string | undefined,
): Promise<boolean> {
  const advanced = await tx`
    update accounts.linked_item set transactions_cursor = coalesce(${cursor ?? null}, transactions_cursor),
      cursor_version = cursor_version + 1
    where item_id = ${itemId} and cursor_version = ${expectedVersion} returning 1`;
  return advanced.length === 1;
}
