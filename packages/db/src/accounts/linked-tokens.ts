import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/** Access tokens in their envelopes. Only the worker's role can touch this table. */
export interface StoredToken {
  readonly itemId: Uuid;
  readonly userId: Uuid;
  readonly ciphertext: Uint8Array;
  readonly nonce: Uint8Array;
  readonly wrappedDek: Uint8Array;
  readonly kekId: string;
  readonly algVersion: number;
  /** An invalidation was asked for, and its answer is not stored: nobody knows whether this one still opens anything. */
  readonly rotationStartedAt: Instant | null;
}

type Envelope = Pick<StoredToken, "ciphertext" | "nonce" | "wrappedDek" | "kekId" | "algVersion">;

const columns = (sql: Sql | Transaction) => sql`
  t.item_id as "itemId", i.user_id as "userId", t.ciphertext, t.nonce, t.wrapped_dek as "wrappedDek", t.kek_id as "kekId",
  t.alg_version as "algVersion", t.rotation_started_at as "rotationStartedAt"`;

export async function insertToken(tx: Transaction, itemId: Uuid, sealed: Envelope, createdAt: Instant): Promise<void> {
  await tx`
    insert into accounts.linked_item_token (item_id, ciphertext, nonce, wrapped_dek, kek_id, alg_version, created_at)
    values (${itemId}, ${Buffer.from(sealed.ciphertext)}, ${Buffer.from(sealed.nonce)}, ${Buffer.from(sealed.wrappedDek)},
      ${sealed.kekId}, ${sealed.algVersion}, ${formatInstant(createdAt)})`;
}

export async function findToken(sql: Sql | Transaction, itemId: Uuid): Promise<StoredToken | undefined> {
  const [token] = await sql<StoredToken[]>`
    select ${columns(sql)} from accounts.linked_item_token t join accounts.linked_item i using (item_id)
    where t.item_id = ${itemId}`;
  return token;
}

/** The intent, before the old token dies. */
export async function startRotation(tx: Transaction, itemId: Uuid, at: Instant): Promise<void> {
  await tx`update accounts.linked_item_token set rotation_started_at = ${formatInstant(at)} where item_id = ${itemId}`;
}

/** The old one is still good: nothing has happened. */
export async function endRotation(tx: Transaction, itemId: Uuid): Promise<void> {
  await tx`update accounts.linked_item_token set rotation_started_at = null where item_id = ${itemId}`;
}

export async function replaceToken(tx: Transaction, itemId: Uuid, sealed: Envelope, at: Instant): Promise<void> {
  await tx`
    update accounts.linked_item_token set ciphertext = ${Buffer.from(sealed.ciphertext)}, nonce = ${Buffer.from(sealed.nonce)},
      wrapped_dek = ${Buffer.from(sealed.wrappedDek)}, kek_id = ${sealed.kekId}, alg_version = ${sealed.algVersion},
      rotated_at = ${formatInstant(at)}, rotation_started_at = null
    where item_id = ${itemId}`;
}

/** Rotations whose end nobody stored, begun before `before`. */
export async function listUnfinishedRotations(sql: Sql, before: Instant, limit: number): Promise<Uuid[]> {
  const rows = await sql<{ itemId: Uuid }[]>`
    select item_id as "itemId" from accounts.linked_item_token
    where rotation_started_at < ${formatInstant(before)} order by rotation_started_at limit ${limit}`;
  return rows.map(({ itemId }) => itemId);
}

/** Wrapped by another key than this one, in the order of ids, behind `after`. */
export async function listTokensToRewrap(
  sql: Sql,
  currentKekId: string,
  page: { readonly after: Uuid | undefined; readonly limit: number },
): Promise<StoredToken[]> {
  return sql<StoredToken[]>`
    select ${columns(sql)} from accounts.linked_item_token t join accounts.linked_item i using (item_id)
    where t.kek_id <> ${currentKekId} and (${page.after ?? null}::uuid is null or t.item_id > ${page.after ?? null}::uuid)
    order by t.item_id limit ${page.limit}`;
}

export async function countTokensToRewrap(sql: Sql, currentKekId: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::integer as count from accounts.linked_item_token where kek_id <> ${currentKekId}`;
  return row?.count ?? 0;
}

/** false: the token has changed since `was` was read (it was rotated, or somebody else wrapped it). */
export async function saveRewrapped(
  sql: Sql,
  was: Pick<StoredToken, "itemId" | "kekId" | "nonce">,
  wrapped: Pick<Envelope, "wrappedDek" | "kekId">,
): Promise<boolean> {
  const rows = await sql`
    update accounts.linked_item_token set wrapped_dek = ${Buffer.from(wrapped.wrappedDek)}, kek_id = ${wrapped.kekId}
    where item_id = ${was.itemId} and kek_id = ${was.kekId} and nonce = ${Buffer.from(was.nonce)} returning 1`;
  return rows.length === 1;
}
