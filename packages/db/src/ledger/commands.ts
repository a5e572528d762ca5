import { formatInstant, type Instant, type Json, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/** A command that waits for the writer. It is deleted by the transaction of its effect; until then it is PENDING. */
export interface CommandRow {
  readonly commandId: Uuid;
  readonly kind: string;
  readonly principal: string;
  readonly idempotencyKey: string;
  readonly fingerprint: string;
  readonly payload: Json;
  readonly correlationId: string;
  readonly createdAt: Instant;
}

/** Where a process without the lease tells the writer that there is something to drain. */
export const COMMAND_CHANNEL = "florin_ledger_command";

/**
 * Makes commands durable and wakes the writer. A command that waits already, or whose operation is there, is left as it is.
 * Returns the fingerprint that stands under each id after this; ids of answered account commands are missing.
 */
export async function insertCommands(
  sql: Sql | Transaction,
  bookId: number,
  commands: readonly CommandRow[],
): Promise<ReadonlyMap<Uuid, string>> {
  if (commands.length === 0) return new Map();
  const ids = commands.map((command) => command.commandId);
  await sql`
    insert into ledger.command
      (command_id, book_id, kind, principal, idempotency_key, fingerprint, payload, correlation_id, created_at)
    select c.command_id, ${bookId}, c.kind, c.principal, c.idempotency_key, c.fingerprint, c.payload::jsonb, c.correlation_id,
      c.created_at
    from unnest(${ids}::uuid[], ${commands.map((c) => c.kind)}::text[], ${commands.map((c) => c.principal)}::text[],
      ${commands.map((c) => c.idempotencyKey)}::text[], ${commands.map((c) => c.fingerprint)}::text[],
      ${commands.map((c) => JSON.stringify(c.payload))}::text[], ${commands.map((c) => c.correlationId)}::text[],
      ${commands.map((c) => formatInstant(c.createdAt))}::timestamptz[])
      as c (command_id, kind, principal, idempotency_key, fingerprint, payload, correlation_id, created_at)
    where not exists (select from ledger.operation o where o.operation_id = c.command_id)
    on conflict do nothing`;
  await sql`select pg_notify(${COMMAND_CHANNEL}, '')`;
  return await findFingerprints(sql, ids);
}

/** One statement, so a command that is decided meanwhile is seen either waiting or done. */
async function findFingerprints(sql: Sql | Transaction, ids: readonly Uuid[]): Promise<ReadonlyMap<Uuid, string>> {
  const rows = await sql<{ id: Uuid; fingerprint: string }[]>`
    select command_id as id, fingerprint from ledger.command where command_id = any(${[...ids]}::uuid[])
    union all
    select operation_id, fingerprint from ledger.operation where operation_id = any(${[...ids]}::uuid[])`;
  return new Map(rows.map((row) => [row.id, row.fingerprint]));
}

/** Oldest first. `except`: rows that this process cannot read and has reported. */
export async function listCommands(
  sql: Sql,
  bookId: number,
  page: { readonly limit: number; readonly except: readonly Uuid[] },
): Promise<readonly CommandRow[]> {
  return await sql<CommandRow[]>`
    select command_id as "commandId", kind, principal, idempotency_key as "idempotencyKey", fingerprint, payload,
      correlation_id as "correlationId", created_at as "createdAt"
    from ledger.command
    where book_id = ${bookId} and command_id <> all(${[...page.except]}::uuid[])
    order by created_at, command_id
    limit ${page.limit}`;
}

/** Those of the commands that still wait. */
export async function listWaitingCommandIds(sql: Sql, ids: readonly Uuid[]): Promise<ReadonlySet<Uuid>> {
  if (ids.length === 0) return new Set();
  const rows = await sql<{ id: Uuid }[]>`
    select command_id as id from ledger.command where command_id = any(${[...ids]}::uuid[])`;
  return new Set(rows.map((row) => row.id));
}

/** Of commands whose effect was there already. Others are deleted by the transaction of their effect. */
export async function deleteCommands(sql: Sql, commandIds: readonly Uuid[]): Promise<void> {
  if (commandIds.length === 0) return;
  await sql`delete from ledger.command where command_id = any(${[...commandIds]}::uuid[])`;
}
