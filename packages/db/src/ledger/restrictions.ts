import type { Instant, Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";
import type { RestrictionRule } from "./account-terms.js";

/** Restriction definitions by version, and where they were applied (RES-1). */
export interface RestrictionDefinition {
  readonly code: string;
  readonly version: number;
  readonly description: string;
  readonly rules: readonly RestrictionRule[];
  readonly insertedAt: Instant;
}

/** Every version of these codes, oldest first. */
export async function listRestrictionDefinitions(
  sql: Sql | Transaction,
  bookId: number,
  codes: readonly string[],
): Promise<readonly RestrictionDefinition[]> {
  if (codes.length === 0) return [];
  return await sql<RestrictionDefinition[]>`
    select code, version, description, rules, inserted_at as "insertedAt" from ledger.restriction_definition
    where book_id = ${bookId} and code = any(${[...codes]}::text[]) order by code, version`;
}

export interface AppliedRestriction {
  readonly restrictionId: Uuid;
  readonly code: string;
  readonly version: number;
  readonly level: "CUSTOMER" | "ACCOUNT" | "PAYMENT_DEVICE";
  readonly customer: string | null;
  readonly accountId: Uuid | null;
  readonly paymentDevice: string | null;
  readonly rules: readonly RestrictionRule[];
  readonly fromAt: Instant;
  /** The earlier of what was told and of a lift. */
  readonly toAt: Instant | null;
  readonly liftedAt: Instant | null;
}

const selectApplied = (sql: Sql | Transaction) => sql`
  select r.restriction_id as "restrictionId", r.code, r.version, r.level, r.customer, r.account_id as "accountId",
    r.payment_device as "paymentDevice", d.rules, r.from_at as "fromAt", least(r.to_at, l.lifted_at) as "toAt", l.lifted_at as "liftedAt"
  from ledger.restriction r
  join ledger.restriction_definition d using (book_id, code, version)
  left join ledger.restriction_lift l using (book_id, restriction_id)`;

/** Those of the ids that exist. */
export async function findRestrictions(
  sql: Sql | Transaction,
  bookId: number,
  restrictionIds: readonly Uuid[],
): Promise<readonly AppliedRestriction[]> {
  if (restrictionIds.length === 0) return [];
  return await sql<AppliedRestriction[]>`
    ${selectApplied(sql)} where r.book_id = ${bookId} and r.restriction_id = any(${[...restrictionIds]}::uuid[])`;
}

/** Of the account, of its devices and of its owners: everything that was ever applied, oldest first. */
export async function listRestrictionsOfAccount(
  sql: Sql | Transaction,
  bookId: number,
  accountId: Uuid,
): Promise<readonly AppliedRestriction[]> {
  return await sql<AppliedRestriction[]>`
    ${selectApplied(sql)}
    where r.book_id = ${bookId} and (r.account_id = ${accountId}::uuid or r.customer in (
      select o.principal from ledger.account_owner o where o.book_id = ${bookId} and o.account_id = ${accountId}::uuid))
    order by r.seq, r.restriction_id`;
}
