import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/**
 * Visits to Link (linked-accounts.md §1.9, §5.4): the row comes first, then the call, then what came of it. A public token belongs to one
 * attempt, and an attempt to the person who asked for it.
 */
export type LinkAttemptStatus =
  "CREATING" | "OPEN" | "EXCHANGING" | "LINKED" | "REPAIRED" | "DUPLICATE" | "LOST" | "EXPIRED" | "EXITED" | "FAILED";

export interface LinkAttemptRecord {
  readonly attemptId: Uuid;
  readonly userId: Uuid;
  /** In update mode: the item to repair. */
  readonly itemId: Uuid | null;
  readonly status: LinkAttemptStatus;
  readonly linkSealed: Uint8Array | null;
  readonly expiresAt: Instant | null;
  readonly publicTokenDigest: Uint8Array | null;
  readonly resultItemId: Uuid | null;
  readonly errorCode: string | null;
  readonly createdAt: Instant;
  readonly claimedUntil: Instant | null;
}

const columns = (sql: Sql | Transaction) => sql`
  attempt_id as "attemptId", user_id as "userId", item_id as "itemId", status, link_sealed as "linkSealed",
  expires_at as "expiresAt", public_token_digest as "publicTokenDigest", result_item_id as "resultItemId",
  error_code as "errorCode", created_at as "createdAt", claimed_until as "claimedUntil"`;

export interface NewLinkAttempt {
  readonly attemptId: Uuid;
  readonly userId: Uuid;
  readonly itemId: Uuid | undefined;
  readonly createdAt: Instant;
  /** Whoever writes it creates the link token now, and has until then. */
  readonly claimedUntil: Instant;
}

export async function insertLinkAttempt(tx: Transaction, attempt: NewLinkAttempt): Promise<void> {
  await tx`
    insert into accounts.link_attempt (attempt_id, user_id, item_id, status, created_at, claimed_until, next_poll_at)
    values (${attempt.attemptId}, ${attempt.userId}, ${attempt.itemId ?? null}, 'CREATING',
      ${formatInstant(attempt.createdAt)}, ${formatInstant(attempt.claimedUntil)}, ${formatInstant(attempt.claimedUntil)})`;
}

/** A session that linked a second item: an attempt of its own, bound to its token, without a page. */
export async function insertSiblingAttempt(
  tx: Transaction,
  sibling: {
    readonly attemptId: Uuid;
    readonly of: Uuid;
    readonly publicTokenDigest: Uint8Array;
    readonly createdAt: Instant;
  },
): Promise<void> {
  await tx`
    insert into accounts.link_attempt (attempt_id, user_id, status, expires_at, public_token_digest, created_at)
    select ${sibling.attemptId}, user_id, 'OPEN', expires_at, ${Buffer.from(sibling.publicTokenDigest)},
      ${formatInstant(sibling.createdAt)}
    from accounts.link_attempt where attempt_id = ${sibling.of}
    on conflict do nothing`;
}

/** How many the person began since then: the quota. */
export async function countLinkAttempts(tx: Transaction, userId: Uuid, since: Instant): Promise<number> {
  const [row] = await tx<{ count: number }[]>`
    select count(*)::integer as count from accounts.link_attempt
    where user_id = ${userId} and created_at > ${formatInstant(since)}`;
  return row?.count ?? 0;
}

export async function findLinkAttempt(sql: Sql | Transaction, attemptId: Uuid): Promise<LinkAttemptRecord | undefined> {
  const [attempt] = await sql<LinkAttemptRecord[]>`
    select ${columns(sql)} from accounts.link_attempt where attempt_id = ${attemptId}`;
  return attempt;
}

export async function lockLinkAttempt(tx: Transaction, attemptId: Uuid): Promise<LinkAttemptRecord | undefined> {
  const [attempt] = await tx<LinkAttemptRecord[]>`
    select ${columns(tx)} from accounts.link_attempt where attempt_id = ${attemptId} for update`;
  return attempt;
}

export async function findAttemptByPublicToken(
  sql: Sql | Transaction,
  digest: Uint8Array,
): Promise<LinkAttemptRecord | undefined> {
  const [attempt] = await sql<LinkAttemptRecord[]>`
    select ${columns(sql)} from accounts.link_attempt where public_token_digest = ${Buffer.from(digest)}`;
  return attempt;
}

export async function findAttemptByLinkToken(
  sql: Sql | Transaction,
  digest: Uint8Array,
): Promise<LinkAttemptRecord | undefined> {
  const [attempt] = await sql<LinkAttemptRecord[]>`
    select ${columns(sql)} from accounts.link_attempt where link_token_digest = ${Buffer.from(digest)}`;
  return attempt;
}

/** Newest first. `userId` undefined: of everybody but `exceptUserId`. */
export async function listOpenAttempts(
  sql: Sql | Transaction,
  whose: { readonly userId: Uuid } | { readonly exceptUserId: Uuid },
  now: Instant,
  limit: number,
): Promise<LinkAttemptRecord[]> {
  const mine = "userId" in whose ? whose.userId : null;
  const notMine = "userId" in whose ? null : whose.exceptUserId;
  return sql<LinkAttemptRecord[]>`
    select ${columns(sql)} from accounts.link_attempt
    where status = 'OPEN' and expires_at > ${formatInstant(now)}
      and (${mine}::uuid is null or user_id = ${mine}::uuid)
      and (${notMine}::uuid is null or user_id <> ${notMine}::uuid)
    order by created_at desc limit ${limit}`;
}

/** Unfinished ones whose time has come: to be asked for results, or recovered. Nobody else gets them before `until`. */
export async function takeDueAttempts(sql: Sql, now: Instant, until: Instant, limit: number): Promise<Uuid[]> {
  const rows = await sql<{ attemptId: Uuid }[]>`
    update accounts.link_attempt set next_poll_at = ${formatInstant(until)} where attempt_id in (
      select attempt_id from accounts.link_attempt
      where finished_at is null and next_poll_at <= ${formatInstant(now)}
      order by next_poll_at limit ${limit} for update skip locked)
    returning attempt_id as "attemptId"`;
  return rows.map(({ attemptId }) => attemptId);
}

/** What becomes of an attempt. Absent fields stay; `null` empties. */
export interface LinkAttemptChange {
  readonly status: LinkAttemptStatus;
  readonly linkTokenDigest?: Uint8Array | undefined;
  readonly linkSealed?: Uint8Array | undefined;
  readonly expiresAt?: Instant | undefined;
  readonly publicTokenDigest?: Uint8Array | null | undefined;
  readonly resultItemId?: Uuid | undefined;
  readonly errorCode?: string | undefined;
  readonly claimedUntil?: Instant | null | undefined;
  readonly nextPollAt?: Instant | undefined;
  readonly finishedAt?: Instant | undefined;
}

const toColumn: Record<keyof LinkAttemptChange, string> = {
  status: "status",
  linkTokenDigest: "link_token_digest",
  linkSealed: "link_sealed",
  expiresAt: "expires_at",
  publicTokenDigest: "public_token_digest",
  resultItemId: "result_item_id",
  errorCode: "error_code",
  claimedUntil: "claimed_until",
  nextPollAt: "next_poll_at",
  finishedAt: "finished_at",
};

/** The row must be locked. A finished attempt loses its sealed page: nobody needs it again. */
export async function changeLinkAttempt(tx: Transaction, attemptId: Uuid, change: LinkAttemptChange): Promise<void> {
  const values: Record<string, string | Buffer | null> = {};
  for (const [member, column] of Object.entries(toColumn)) {
    const value = change[member as keyof LinkAttemptChange];
    if (value === undefined) continue;
    values[column] =
      typeof value === "bigint" ? formatInstant(value) : value instanceof Uint8Array ? Buffer.from(value) : value;
  }
  if (change.finishedAt !== undefined) Object.assign(values, { link_sealed: null, claimed_until: null });
  await tx`update accounts.link_attempt set ${tx(values)} where attempt_id = ${attemptId}`;
}

/**
 * Ends what a person has open, because everything linked is to go; what is being exchanged is then undone by whoever does it. Safe with
 * the role that serves people.
 */
export async function cancelOpenAttempts(
  tx: Transaction,
  userId: Uuid,
  errorCode: string,
  at: Instant,
): Promise<number> {
  const rows = await tx`
    update accounts.link_attempt set status = 'EXITED', error_code = ${errorCode}, finished_at = ${formatInstant(at)}
    where user_id = ${userId} and status in ('CREATING', 'OPEN', 'EXCHANGING')`;
  return rows.count;
}

/** Finished long ago: no key leads to them any more. */
export async function deleteOldAttempts(sql: Sql, before: Instant, limit: number): Promise<number> {
  const rows = await sql`
    delete from accounts.link_attempt where attempt_id in (
      select attempt_id from accounts.link_attempt where finished_at < ${formatInstant(before)} limit ${limit})
    returning 1`;
  return rows.count;
}
