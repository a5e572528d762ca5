import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

export type KeyedOperation =
  | "register"
  | "openAccount"
  | "closeAccount"
  | "createLinkToken"
  | "exchangePublicToken"
  | "refreshLinkedItem"
  | "removeLinkedItem"
  | "deleteVirtualAccount"
  | "editLinkedTransaction"
  | "refreshLinkedBalances";

export interface IdempotencyKey {
  /** The scope: who asks; for `register`, who wants to be. */
  readonly principal: string;
  readonly key: string;
  readonly operation: KeyedOperation;
  /** Of the input without key and waitMs; never of a password. */
  readonly fingerprint: string;
  readonly entityId: Uuid;
  readonly createdAt: Instant;
}

export interface KeptKey {
  readonly operation: KeyedOperation;
  readonly fingerprint: string;
  readonly entityId: Uuid;
}

/**
 * undefined when the key is now ours; else what it stood for before. Waits while another transaction holds the same key, so of
 * two equal calls one does the work and the other reads its outcome.
 */
export async function claimIdempotencyKey(tx: Transaction, key: IdempotencyKey): Promise<KeptKey | undefined> {
  const rows = await tx`
    insert into accounts.idempotency_key (principal, idempotency_key, operation, fingerprint, entity_id, created_at)
    values (${key.principal}, ${key.key}, ${key.operation}, ${key.fingerprint}, ${key.entityId}, ${formatInstant(key.createdAt)})
    on conflict do nothing
    returning entity_id`;
  return rows.length === 1 ? undefined : findIdempotencyKey(tx, key.principal, key.key);
}

export async function findIdempotencyKey(
  sql: Sql | Transaction,
  principal: string,
  key: string,
): Promise<KeptKey | undefined> {
  const [kept] = await sql<KeptKey[]>`
    select operation, fingerprint, entity_id as "entityId" from accounts.idempotency_key
    where principal = ${principal} and idempotency_key = ${key}`;
  return kept;
}

export async function deleteIdempotencyKeys(sql: Sql, before: Instant, limit: number): Promise<number> {
  const rows = await sql`
    delete from accounts.idempotency_key where (principal, idempotency_key) in (
      select principal, idempotency_key from accounts.idempotency_key where created_at < ${formatInstant(before)}
      order by created_at limit ${limit})
    returning 1`;
  return rows.length;
}
