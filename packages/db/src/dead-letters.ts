import type { Area, EventEnvelope, Instant } from "@florin/kernel";
import type { Database, Sql, Transaction } from "./connect-database.js";
import { fromStoredEnvelope, toStoredEnvelope, type StoredEnvelope } from "./event-rows.js";

/**
 * Dead letters, in words. An event that a consumer cannot apply is PARKED, and its key with it: later events of the key are kept
 * as WAITING behind it, in order, while other keys flow. A replay applies what is open under a key from the oldest on, each
 * becoming REPLAYED; it stops at the first that fails again. A person may DISCARD one, with a reason, which stays on record.
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

/** Durable when it resolves; parking the same event again changes nothing. */
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
    on conflict (consumer, event_id) do nothing`;
}

export async function isKeyParked(sql: Sql | Transaction, area: Area, parked: ParkedKey): Promise<boolean> {
  const [row] = await sql`
    select from ${sql(`${area}.dead_letter`)}
    where consumer = ${parked.consumer} and stream = ${parked.stream} and key = ${parked.key}
      and status in ('PARKED', 'WAITING') limit 1`;
  return row !== undefined;
}

/** Oldest first, after the letter `after`. */
export async function listDeadLetters(
  sql: Sql | Transaction,
  area: Area,
  options: { readonly after?: bigint; readonly limit?: number; readonly isOpen?: boolean } = {},
): Promise<readonly DeadLetter[]> {
  const rows = await sql<DeadLetterRow[]>`
    select dead_letter_id, consumer, status, envelope, error, attempts, reason, parked_at, resolved_at
    from ${sql(`${area}.dead_letter`)}
    where dead_letter_id > ${options.after ?? 0n}
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
      select dead_letter_id, consumer, status, envelope, error, attempts, reason, parked_at, resolved_at from ${letters}
      where consumer = ${parked.consumer} and stream = ${parked.stream} and key = ${parked.key}
        and status in ('PARKED', 'WAITING') order by position limit 1`;
    if (row === undefined) return applied;
    try {
      await handle(fromStoredEnvelope(row.envelope));
    } catch (error) {
      const text = (error instanceof Error ? error.message : String(error)).slice(0, MAX_ERROR_LENGTH);
      await sql`
        update ${letters} set error = ${text}, attempts = attempts + 1, status = 'PARKED'
        where dead_letter_id = ${row.dead_letter_id} and status in ('PARKED', 'WAITING')`;
      throw error;
    }
    await sql`
      update ${letters} set status = 'REPLAYED', resolved_at = clock_timestamp()
      where dead_letter_id = ${row.dead_letter_id} and status in ('PARKED', 'WAITING')`;
  }
}

/** false when there is no open letter of this id. Those waiting behind it stay open: replay the key next. */
export async function discardDeadLetter(
  sql: Sql | Transaction,
  area: Area,
  deadLetterId: bigint,
  reason: string,
): Promise<boolean> {
  if (reason.trim() === "") throw new Error("Say why the event is discarded: the reason is all that stays of it.");
  const updated = await sql`
    update ${sql(`${area}.dead_letter`)} set status = 'DISCARDED', reason = ${reason}, resolved_at = clock_timestamp()
    where dead_letter_id = ${deadLetterId} and status in ('PARKED', 'WAITING')`;
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
    parkedAt: row.parked_at,
    resolvedAt: row.resolved_at ?? undefined,
  };
}
