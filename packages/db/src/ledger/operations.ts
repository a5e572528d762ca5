import type { CurrencyCode, Instant, Json, Uuid } from "@florin/kernel";
import type { Sql } from "../connect-database.js";

/** An operation with its outcome, or the command that still waits for the writer; never both, as one transaction swaps them. */
export type OperationRow =
  | {
      readonly state: "DONE";
      readonly operationId: Uuid;
      readonly principal: string;
      readonly type: "DEPOSIT" | "WITHDRAWAL" | "BOOK_TRANSFER" | "REVERSAL" | "PAYMENT" | "OTHER";
      readonly status: "COMPLETED" | "REJECTED";
      readonly rejectionCode: string | null;
      readonly rejectionMessage: string | null;
      readonly accountId: Uuid | null;
      /** numeric as text */
      readonly amount: string | null;
      readonly denomination: CurrencyCode | null;
      readonly batchId: Uuid | null;
      readonly createdAt: Instant;
      readonly completedAt: Instant;
    }
  | { readonly state: "WAITING"; readonly operationId: Uuid; readonly principal: string; readonly payload: Json };

const BOOK = 1;

const doneColumns = (sql: Sql) => sql`
  select 'DONE' as state, operation_id as "operationId", principal, type, status, rejection_code as "rejectionCode",
    rejection_message as "rejectionMessage", account_id as "accountId", amount::text as amount, denomination,
    batch_id as "batchId", created_at as "createdAt", completed_at as "completedAt", null::jsonb as payload
  from ledger.operation`;

const waitingColumns = (sql: Sql) => sql`
  select 'WAITING' as state, command_id as "operationId", principal, null, null, null, null, null, null, null, null,
    null, null, payload
  from ledger.command`;

/** One statement, so an operation that is decided meanwhile is seen either waiting or done. */
export async function findOperations(sql: Sql, operationIds: readonly Uuid[]): Promise<readonly OperationRow[]> {
  if (operationIds.length === 0) return [];
  return await sql<OperationRow[]>`
    ${doneColumns(sql)} where book_id = ${BOOK} and operation_id = any(${[...operationIds]}::uuid[])
    union all
    ${waitingColumns(sql)} where book_id = ${BOOK} and kind in ('posting', 'terms') and command_id = any(${[...operationIds]}::uuid[])`;
}

/** Scope of a key is the principal (api.md, Idempotency). */
export async function findOperationByKey(
  sql: Sql,
  principal: string,
  idempotencyKey: string,
): Promise<OperationRow | undefined> {
  const rows = await sql<OperationRow[]>`
    ${doneColumns(sql)} where principal = ${principal} and idempotency_key = ${idempotencyKey}
    union all
    ${waitingColumns(sql)} where kind in ('posting', 'terms') and principal = ${principal} and idempotency_key = ${idempotencyKey}`;
  return rows[0];
}
