import type { CurrencyCode, Instant, Uuid } from "@florin/kernel";
import type { Sql } from "../connect-database.js";

export type AccountStatus = "PENDING" | "OPEN" | "PENDING_CLOSURE" | "CLOSED";

/** An account as the ledger knows it: who may spend, what it counts in, which way it grows. */
export interface LedgerAccount {
  readonly accountId: Uuid;
  readonly kind: "CUSTOMER" | "INTERNAL";
  /** Internal accounts only. */
  readonly code: string | null;
  readonly denomination: CurrencyCode;
  readonly tside: "ASSET" | "LIABILITY";
  readonly status: AccountStatus;
  readonly openedAt: Instant;
  readonly owners: readonly string[];
}

const BOOK = 1;

/** In no order; ids that are not there are left out. */
export async function listAccounts(sql: Sql, accountIds: readonly Uuid[]): Promise<readonly LedgerAccount[]> {
  if (accountIds.length === 0) return [];
  return await sql<LedgerAccount[]>`
    select a.account_id as "accountId", a.kind, a.code, a.denomination, a.tside, a.status, a.opened_at as "openedAt",
      coalesce((select jsonb_agg(o.principal order by o.principal) from ledger.account_owner o
                where o.book_id = a.book_id and o.account_id = a.account_id), '[]') as owners
    from ledger.account a
    where a.book_id = ${BOOK} and a.account_id = any(${[...accountIds]}::uuid[])`;
}

/** Oldest first, so that a list of a person's balances keeps its order. */
export async function listAccountIdsOfOwner(sql: Sql, principal: string): Promise<readonly Uuid[]> {
  const rows = await sql<{ accountId: Uuid }[]>`
    select a.account_id as "accountId" from ledger.account_owner o
    join ledger.account a on a.book_id = o.book_id and a.account_id = o.account_id
    where o.book_id = ${BOOK} and o.principal = ${principal}
    order by a.opened_at, a.account_id`;
  return rows.map((row) => row.accountId);
}

/** undefined when there is no internal account with this code in this currency. */
export async function findInternalAccountId(sql: Sql, code: string, currency: string): Promise<Uuid | undefined> {
  const rows = await sql<{ accountId: Uuid }[]>`
    select account_id as "accountId" from ledger.account
    where book_id = ${BOOK} and code = ${code} and denomination = ${currency}`;
  return rows[0]?.accountId;
}
