import type { Area, EventEnvelope, Instant } from "@florin/kernel";
import type { Database, Sql, Transaction } from "./connect-database.js";
import { fromStoredEnvelope, toStoredEnvelope, type StoredEnvelope } from "./event-rows.js";

/**
 * Dead letters, in words. An event that a consumer cannot apply is PARKED, and its key with it: later events of the key are kept
 * as WAITING behind it, in order, while other keys flow. A replay applies what is open under a key from the oldest on, each
 * becoming REPLAYED; it stops at the first that fails again. A person may DISCARD one, with a reason, which stays on record.
 *
 * Only the consumer's own process can apply, so an operator leaves a request that it finds (`listKeysToReplay`). A key whose
 * oldest open letter never failed is found there too: its head was discarded, or a replay was cut short.
 */
export type DeadLetterStatus = "PARKED" | "WAITING" | "REPLAYED" | "DISCARDED";

export interface DeadLetter {
  readonly deadLetterId: bigint;
  readonly consumer: string;
  readonly status: DeadLetterStatus;
  readonly event: EventEnvelope;
  readonly error: string | undefined;
  readonly attempts: number;
  readonly reason: string | undefined;
  readonly replayRequestedAt: Instant | undefined;
  readonly parkedAt: Instant;
  readonly resolvedAt: Instant | undefined;
}

/** Which events of whom: one consumer's, of one stream, with one key. */
export interface ParkedKey {
  readonly consumer: string;
  readonly stream: Area;
  readonly key: string;
}

const MAX_ERROR_LENGTH = 2_000;

/**
 * Durable when it resolves. Parking the same event again changes nothing, nor does parking one that was applied meanwhile: by another
 * process, while this one stood still.
 */
export async function parkEvent(
  sql: Sql | Transaction,
  area: Area,
  consumer: string,
  event: EventEnvelope,
  failure: { readonly error?: string | undefined; readonly attempts: number },
): Promise<void> {
  const letters = sql(`${area}.dead_letter`);
  await sql`
    insert into ${letters} (consumer, stream, position, event_id, key, type, envelope, status, error, attempts)
    select ${consumer}, ${event.stream}, ${event.position}, ${event.eventId}, ${event.key}, ${event.type},
      ${sql.json(toStoredEnvelope(event))},
      case when exists (select from ${letters} where consumer = ${consumer} and stream = ${event.stream} and key = ${event.key}
                          and status in ('PARKED', 'WAITING')) then 'WAITING' else 'PARKED' end,
      ${failure.error?.slice(0, MAX_ERROR_LENGTH) ?? null}, ${failure.attempts}
    where not exists (select from ${sql(`${area}.inbox`)} where consumer = ${consumer} and event_id = ${event.eventId})
    on conflict (consumer, event_id) do nothing`;
}

export async function isKeyParked(sql: Sql | Transaction, area: Area, parked: ParkedKey): Promise<boolean> {
  const [row] = await sql`
    select from ${sql(`${area}.dead_letter`)}
    where consumer = ${parked.consumer} and stream = ${parked.stream} and key = ${parked.key}
      and status in ('PARKED', 'WAITING') limit 1`;
  return row !== undefined;
}

/** Keys of the consumer whose open letters are to be applied now: asked for, or held by nothing that failed. */
export async function listKeysToReplay(
  sql: Sql | Transaction,
  area: Area,
  consumer: string,
  stream: Area,
  limit: number,
): Promise<readonly string[]> {
  const rows = await sql<{ key: string }[]>`
    select key from (
      select distinct on (key) key, error, replay_requested_at from ${sql(`${area}.dead_letter`)}
      where consumer = ${consumer} and stream = ${stream} and status in ('PARKED', 'WAITING')
      order by key, position) oldest
    where error is null or replay_requested_at is not null limit ${limit}`;
  return rows.map((row) => row.key);
}

/** Asks the consumer's process to replay a key from its oldest open letter on; false when the key has none. */
export async function requestReplay(sql: Sql | Transaction, area: Area, parked: ParkedKey): Promise<boolean> {
  const letters = sql(`${area}.dead_letter`);
  const updated = await sql`
    update ${letters} set replay_requested_at = clock_timestamp()
    where dead_letter_id = (
      select dead_letter_id from ${letters}
      where consumer = ${parked.consumer} and stream = ${parked.stream} and key = ${parked.key}
        and status in ('PARKED', 'WAITING') order by position limit 1)`;
  return updated.count === 1;
}

export async function findDeadLetter(
  sql: Sql | Transaction,
  area: Area,
  deadLetterId: bigint,
): Promise<DeadLetter | undefined> {
  const [row] = await sql<DeadLetterRow[]>`
    select dead_letter_id, consumer, status, envelope, error, attempts, reason, replay_requested_at, parked_at, resolved_at
    from ${sql(`${area}.dead_letter`)} where dead_letter_id = ${deadLetterId}`;
  return row === undefined ? undefined : toDeadLetter(row);
}

/** Oldest first, after the letter `after`. */
export async function listDeadLetters(
  sql: Sql | Transaction,
  area: Area,
  options: {
    readonly after?: bigint;
    readonly limit?: number;
    readonly isOpen?: boolean;
    readonly consumer?: string | undefined;
  } = {},
): Promise<readonly DeadLetter[]> {
  const rows = await sql<DeadLetterRow[]>`
    select dead_letter_id, consumer, status, envelope, error, attempts, reason, replay_requested_at, parked_at, resolved_at
    from ${sql(`${area}.dead_letter`)}
    where dead_letter_id > ${options.after ?? 0n}
      ${options.consumer === undefined ? sql`` : sql`and consumer = ${options.consumer}`}
      ${options.isOpen === true ? sql`and status in ('PARKED', 'WAITING')` : sql``}
    order by dead_letter_id limit ${Math.min(options.limit ?? 100, 1_000)}`;
  return rows.map(toDeadLetter);
}

/**
 * Applies what is open under the key, oldest first, through the consumer's own `handle` (idempotent by its inbox, so a crash
 * between handling and marking repeats nothing). Stops at the first failure: records it on the letter and throws it.
 * Returns how many were applied.
 */
export async function replayDeadLetters(
  database: Database,
  area: Area,
  parked: ParkedKey,
  handle: (event: EventEnvelope) => Promise<void>,
): Promise<number> {
  const { sql } = database;
  const letters = sql(`${area}.dead_letter`);
  for (let applied = 0; ; applied++) {
    const [row] = await sql<DeadLetterRow[]>`
      select dead_letter_id, consumer, status, envelope, error, attempts, reason, replay_requested_at, parked_at, resolved_at from ${letters}
      where consumer = ${parked.consumer} and stream = ${parked.stream} and key = ${parked.key}
        and status in ('PARKED', 'WAITING') order by position limit 1`;
    if (row === undefined) return applied;
    try {
      await handle(fromStoredEnvelope(row.envelope));
    } catch (error) {
      const text = (error instanceof Error ? error.message : String(error)).slice(0, MAX_ERROR_LENGTH);
      await sql`
        update ${letters} set error = ${text}, attempts = attempts + 1, status = 'PARKED', replay_requested_at = null
        where dead_letter_id = ${row.dead_letter_id} and status in ('PARKED', 'WAITING')`;
      throw error;
    }
    await sql`
      update ${letters} set status = 'REPLAYED', resolved_at = clock_timestamp()
      where dead_letter_id = ${row.dead_letter_id} and status in ('PARKED', 'WAITING')`;
  }
}

/**
 * false when there is no open letter of this id. Its inbox row is written with it, so that a repetition of the event is not applied
 * after all. Those waiting behind it are then applied by the consumer's process.
 */
export async function discardDeadLetter(
  sql: Sql | Transaction,
  area: Area,
  deadLetterId: bigint,
  reason: string,
): Promise<boolean> {
  if (reason.trim() === "") throw new Error("Say why the event is discarded: the reason is all that stays of it.");
  const updated = await sql`
    with discarded as (
      update ${sql(`${area}.dead_letter`)} set status = 'DISCARDED', reason = ${reason}, resolved_at = clock_timestamp()
      where dead_letter_id = ${deadLetterId} and status in ('PARKED', 'WAITING')
      returning dead_letter_id, consumer, event_id, stream, position),
    applied as (
      insert into ${sql(`${area}.inbox`)} (consumer, event_id, stream, position)
      select consumer, event_id, stream, position from discarded on conflict do nothing)
    select dead_letter_id from discarded`;
  return updated.count === 1;
}

interface DeadLetterRow {
  readonly dead_letter_id: bigint;
  readonly consumer: string;
  readonly status: DeadLetterStatus;
  readonly envelope: StoredEnvelope;
  readonly error: string | null;
  readonly attempts: number;
  readonly reason: string | null;
  readonly replay_requested_at: Instant | null;
  readonly parked_at: Instant;
  readonly resolved_at: Instant | null;
}

function toDeadLetter(row: DeadLetterRow): DeadLetter {
  return {
    deadLetterId: row.dead_letter_id,
    consumer: row.consumer,
    status: row.status,
    event: fromStoredEnvelope(row.envelope),
    error: row.error ?? undefined,
    attempts: row.attempts,
    reason: row.reason ?? undefined,
    replayRequestedAt: row.replay_requested_at ?? undefined,
    parkedAt: row.parked_at,
    resolvedAt: row.resolved_at ?? undefined,
  };
}
