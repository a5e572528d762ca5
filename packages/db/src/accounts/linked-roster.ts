import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/** An account as it is kept; what matching needs of it. */
export interface RosterEntry {
  readonly linkedAccountId: Uuid;
  readonly plaidAccountId: string;
  readonly persistentAccountId: string | null;
  readonly name: string;
  readonly mask: string | null;
  readonly type: string;
  readonly subtype: string | null;
  readonly removedAt: Instant | null;
  readonly revokedAt: Instant | null;
}

/** All accounts that an item ever had. */
export async function listRoster(sql: Sql | Transaction, itemId: Uuid): Promise<readonly RosterEntry[]> {
  return await sql<RosterEntry[]>`
    select linked_account_id as "linkedAccountId", plaid_account_id as "plaidAccountId",
      persistent_account_id as "persistentAccountId", name, mask, type, subtype, removed_at as "removedAt",
      revoked_at as "revokedAt"
    from accounts.linked_account where item_id = ${itemId} order by first_seen_at, linked_account_id`;
}

export interface RosterRow {
  readonly linkedAccountId: Uuid;
  readonly plaidAccountId: string;
  readonly persistentAccountId: string | null;
  readonly name: string;
  readonly officialName: string | null;
  readonly mask: string | null;
  readonly type: string;
  readonly subtype: string | null;
  readonly holderCategory: string | null;
  readonly apy: string | null;
  readonly available: string | null;
  readonly current: string | null;
  readonly limit: string | null;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
  readonly lastUpdatedAt: string | null;
}

export interface RosterWrite {
  readonly itemId: Uuid;
  readonly userId: Uuid;
  readonly at: Instant;
  readonly source: "CACHED" | "REALTIME" | "SYNC";
  /** A balance that was asked of the institution itself stands until then against one from a cache. */
  readonly realtimeSince: Instant;
}

/**
 * Writes accounts by our own ids, new ones too, under the item's lock. One that comes back is there again. A balance of a cache does
 * not replace one that the institution itself gave since `realtimeSince`.
 *
 * Plaid may give the ids of two accounts to each other; so all that change give theirs up first.
 */
export async function saveRoster(tx: Transaction, write: RosterWrite, rows: readonly RosterRow[]): Promise<void> {
  if (rows.length === 0) return;
  const at = formatInstant(write.at);
  const list = JSON.stringify(rows);
  await tx`
    update accounts.linked_account a set plaid_account_id = 'moved:' || a.linked_account_id::text
    from jsonb_to_recordset(${list}::text::jsonb) as r ("linkedAccountId" uuid, "plaidAccountId" text)
    where a.linked_account_id = r."linkedAccountId" and a.plaid_account_id <> r."plaidAccountId"`;
  await tx`
    insert into accounts.linked_account as a (linked_account_id, item_id, user_id, plaid_account_id, persistent_account_id, name,
      official_name, mask, type, subtype, holder_category, apy, available, current, credit_limit, iso_code, unofficial_code,
      balance_as_of, balance_source, balance_last_updated_at, first_seen_at)
    select r."linkedAccountId", ${write.itemId}, ${write.userId}, r."plaidAccountId", r."persistentAccountId", r.name,
      r."officialName", r.mask, r.type, r.subtype, r."holderCategory", r.apy, r.available, r.current, r."limit", r."isoCode",
      r."unofficialCode", ${at}, ${write.source}, r."lastUpdatedAt", ${at}
    from jsonb_to_recordset(${list}::text::jsonb) as r ("linkedAccountId" uuid, "plaidAccountId" text, "persistentAccountId" text, name text,
      "officialName" text, mask text, type text, subtype text, "holderCategory" text, apy numeric, available numeric,
      current numeric, "limit" numeric, "isoCode" text, "unofficialCode" text, "lastUpdatedAt" timestamptz)
    on conflict (linked_account_id) do update set plaid_account_id = excluded.plaid_account_id,
      persistent_account_id = coalesce(excluded.persistent_account_id, a.persistent_account_id), name = excluded.name,
      official_name = excluded.official_name, mask = excluded.mask, type = excluded.type, subtype = excluded.subtype,
      holder_category = excluded.holder_category, apy = excluded.apy, removed_at = null`;
  await tx`
    update accounts.linked_account a set available = r.available, current = r.current, credit_limit = r."limit",
      iso_code = r."isoCode", unofficial_code = r."unofficialCode", balance_as_of = ${at}, balance_source = ${write.source},
      balance_last_updated_at = r."lastUpdatedAt"
    from jsonb_to_recordset(${list}::text::jsonb) as r ("linkedAccountId" uuid, available numeric, current numeric, "limit" numeric,
      "isoCode" text, "unofficialCode" text, "lastUpdatedAt" timestamptz)
    where a.linked_account_id = r."linkedAccountId"
      and (${write.source} = 'REALTIME' or a.balance_source <> 'REALTIME'
        or a.balance_as_of < ${formatInstant(write.realtimeSince)})`;
}

/** Gone from the item: soft-deleted, and its transactions with it, as they are read through it. */
export async function removeAccounts(
  tx: Transaction,
  itemId: Uuid,
  linkedAccountIds: readonly Uuid[],
  at: Instant,
): Promise<void> {
  if (linkedAccountIds.length === 0) return;
  await tx`
    update accounts.linked_account set removed_at = ${formatInstant(at)}
    where item_id = ${itemId} and linked_account_id = any(${[...linkedAccountIds]}::uuid[]) and removed_at is null`;
}

/** Withdrawn at the institution. false: no such account here. */
export async function revokeAccount(
  tx: Transaction,
  itemId: Uuid,
  plaidAccountId: string,
  at: Instant,
): Promise<boolean> {
  const revoked = await tx`
    update accounts.linked_account set revoked_at = coalesce(revoked_at, ${formatInstant(at)}),
      removed_at = coalesce(removed_at, ${formatInstant(at)})
    where item_id = ${itemId} and plaid_account_id = ${plaidAccountId} returning 1`;
  return revoked.length > 0;
}

/** An item that works again may have its withdrawn accounts back: whether it has, its roster says. */
export async function forgetRevocations(tx: Transaction, itemId: Uuid): Promise<void> {
  await tx`update accounts.linked_account set revoked_at = null where item_id = ${itemId} and revoked_at is not null`;
}

/** When balances were last asked of the institution itself. */
export async function findRealtimeBalanceTime(sql: Sql | Transaction, itemId: Uuid): Promise<Instant | undefined> {
  const [row] = await sql<{ at: Instant | null }[]>`
    select max(balance_as_of) as at from accounts.linked_account
    where item_id = ${itemId} and balance_source = 'REALTIME' and removed_at is null`;
  return row?.at ?? undefined;
}

/** An account that is there, as it is kept: for handing it over. */
export interface RosterAccount {
  readonly linkedAccountId: Uuid;
  readonly plaidAccountId: string;
  readonly persistentAccountId: string | null;
  readonly name: string;
  readonly officialName: string | null;
  readonly mask: string | null;
  readonly type: string;
  readonly subtype: string | null;
  readonly holderCategory: string | null;
  readonly apy: string | null;
  readonly available: string | null;
  readonly current: string | null;
  readonly limit: string | null;
  readonly isoCode: string | null;
  readonly unofficialCode: string | null;
  readonly asOf: Instant;
  readonly lastUpdatedAt: Instant | null;
}

export async function listPresentAccounts(tx: Transaction, itemId: Uuid): Promise<readonly RosterAccount[]> {
  return await tx<RosterAccount[]>`
    select linked_account_id as "linkedAccountId", plaid_account_id as "plaidAccountId",
      persistent_account_id as "persistentAccountId", name, official_name as "officialName", mask, type, subtype,
      holder_category as "holderCategory", trim_scale(apy)::text as apy, trim_scale(available)::text as available,
      trim_scale(current)::text as current, trim_scale(credit_limit)::text as "limit", iso_code as "isoCode",
      unofficial_code as "unofficialCode", balance_as_of as "asOf", balance_last_updated_at as "lastUpdatedAt"
    from accounts.linked_account where item_id = ${itemId} and removed_at is null order by first_seen_at, linked_account_id`;
}

/**
 * What is kept of accounts that are gone, after its time: their transactions, and what the row says of money and number. The row stays, so
 * that a cached roster cannot bring a withdrawn account back as a new one. How many transactions were deleted.
 */
export async function forgetGoneAccounts(
  sql: Sql,
  before: { readonly removed: Instant; readonly revoked: Instant },
  limit: number,
): Promise<number> {
  const deleted = await sql`
    with gone as (
      select linked_account_id from accounts.linked_account
      where removed_at < ${formatInstant(before.removed)} or revoked_at < ${formatInstant(before.revoked)}),
    forgotten as (
      update accounts.linked_account a set available = null, current = null, credit_limit = null, apy = null, mask = null,
        official_name = null
      from gone where a.linked_account_id = gone.linked_account_id and num_nonnulls(a.available, a.current, a.credit_limit,
        a.apy, a.mask, a.official_name) > 0)
    delete from accounts.linked_transaction where linked_transaction_id in (
      select t.linked_transaction_id from accounts.linked_transaction t join gone using (linked_account_id) limit ${limit})
    returning 1`;
  return deleted.length;
}
