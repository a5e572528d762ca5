import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/** A request to close an account and what became of it. */
export interface AccountClosureRecord {
  readonly closureId: Uuid;
  readonly accountId: Uuid;
  readonly status: "PENDING" | "CLOSED" | "REJECTED";
  readonly rejectionCode: string | null;
  readonly rejectionMessage: string | null;
}

export interface NewAccountClosure {
  readonly closureId: Uuid;
  readonly accountId: Uuid;
  readonly requestedBy: string;
  readonly requestedAt: Instant;
  /** Set when it is refused at once. */
  readonly rejection: { readonly code: string; readonly message: string } | undefined;
}

const columns = (sql: Sql | Transaction) => sql`
  closure_id as "closureId", account_id as "accountId", status, rejection_code as "rejectionCode",
  rejection_message as "rejectionMessage"`;

export async function insertAccountClosure(tx: Transaction, closure: NewAccountClosure): Promise<void> {
  const at = formatInstant(closure.requestedAt);
  await tx`
    insert into accounts.account_closure (closure_id, account_id, requested_by, status, rejection_code, rejection_message,
      requested_at, decided_at)
    values (${closure.closureId}, ${closure.accountId}, ${closure.requestedBy},
      ${closure.rejection === undefined ? "PENDING" : "REJECTED"}, ${closure.rejection?.code ?? null},
      ${closure.rejection?.message ?? null}, ${at}, ${closure.rejection === undefined ? null : at})`;
}

export async function findAccountClosure(
  sql: Sql | Transaction,
  closureId: Uuid,
): Promise<AccountClosureRecord | undefined> {
  const [closure] = await sql<AccountClosureRecord[]>`
    select ${columns(sql)} from accounts.account_closure where closure_id = ${closureId}`;
  return closure;
}

export async function findPendingClosure(tx: Transaction, accountId: Uuid): Promise<AccountClosureRecord | undefined> {
  const [closure] = await tx<AccountClosureRecord[]>`
    select ${columns(tx)} from accounts.account_closure where account_id = ${accountId} and status = 'PENDING'`;
  return closure;
}

/** The ledger's answer to the one request that waits. Nothing happens when none does. */
export async function updatePendingClosure(
  tx: Transaction,
  accountId: Uuid,
  rejection: { readonly code: string; readonly message: string } | undefined,
  decidedAt: Instant,
): Promise<void> {
  await tx`
    update accounts.account_closure set
      status = ${rejection === undefined ? "CLOSED" : "REJECTED"}, rejection_code = ${rejection?.code ?? null},
      rejection_message = ${rejection?.message ?? null}, decided_at = ${formatInstant(decidedAt)}
    where account_id = ${accountId} and status = 'PENDING'`;
}
