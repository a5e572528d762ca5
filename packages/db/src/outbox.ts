import { formatInstant, type Area, type EventEnvelope, type NewEvent } from "@florin/kernel";
import type { Database, JsonValue, Transaction } from "./connect-database.js";
import { toEnvelope, type OutboxRow } from "./event-rows.js";
import { postedEventsHead, readPostedEvents } from "./ledger/posted-events.js";

/**
 * The outbox: what an area tells the world, written in the transaction that makes it true.
 *
 * A sequence gives numbers in the order of insertion, not of commit, so a reader that asks for `id > last` never sees the row
 * whose transaction committed late (29 % lost with 16 writers, reliability.md finding 5). Here a row carries its transaction's id
 * instead, and the relay numbers only rows below the oldest transaction that still runs: nothing can appear behind them any more.
 * Positions are gapless, and their order is (transaction, place in it).
 */

/** For areas whose relay numbers. Call it as often as needed in one transaction: order is the order of the calls. */
export async function appendOutbox(tx: Transaction, area: Area, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  await tx`
    insert into ${tx(`${area}.outbox`)} (event_id, ordinal, key, type, schema_version, occurred_at, correlation_id,
      causation_id, change_id, audience, payload)
    select e.event_id, e.ordinal + earlier.n, e.key, e.type, e.schema_version, e.occurred_at, e.correlation_id,
      e.causation_id, e.change_id, array(select jsonb_array_elements_text(e.audience)), e.payload
    from jsonb_to_recordset(${tx.json(events.map(toRow))}) as e (event_id uuid, ordinal int, key text, type text,
        schema_version int, occurred_at timestamptz, correlation_id text, causation_id text, change_id text,
        audience jsonb, payload jsonb),
      (select count(*)::int as n from ${tx(`${area}.outbox`)} where xid = pg_current_xact_id() and position is null) earlier`;
}

function toRow(event: NewEvent, ordinal: number): JsonValue {
  return {
    event_id: event.eventId,
    ordinal,
    key: event.key,
    type: event.type,
    schema_version: event.schemaVersion,
    occurred_at: formatInstant(event.occurredAt),
    correlation_id: event.correlationId,
    causation_id: event.causationId ?? null,
    change_id: event.changeId ?? null,
    audience: [...event.audience],
    payload: event.payload as JsonValue,
  };
}

/** What a relay needs of an area's outbox, and what readers behind the bus's horizon ask. */
export interface OutboxStore {
  readonly stream: Area;
  /** Gives positions to at most `limit` rows that are ready; how many it gave. Safe beside another relay: they take turns. */
  number(limit: number): Promise<number>;
  /** Events with position > after, in order, at most `limit`. */
  read(after: bigint, limit: number): Promise<readonly EventEnvelope[]>;
  /** The same, under the name that the bus's readers use. */
  range(after: bigint, limit: number): Promise<readonly EventEnvelope[]>;
  /** The newest position; 0 when there is none. */
  head(): Promise<bigint>;
  /** Up to here every consumer has finished; a relay publishes again from it after a restart. */
  loadDelivered(): Promise<bigint>;
  /** Never goes back. */
  saveDelivered(position: bigint): Promise<void>;
}

const MAX_READ = 1_000;
const DISTANT_POSITION = 2n ** 63n - 1n;

export function createOutboxStore(database: Database, area: Area): OutboxStore {
  const { sql } = database;
  const outbox = sql(`${area}.outbox`);
  const outboxHead = sql(`${area}.outbox_head`);
  const readRows = async (after: bigint, upTo: bigint, limit: number): Promise<readonly EventEnvelope[]> => {
    const rows = await sql<OutboxRow[]>`
      select event_id, position, key, type, schema_version, occurred_at, correlation_id, causation_id, change_id, audience, payload
      from ${outbox} where position > ${after} and position <= ${upTo} order by position limit ${limit}`;
    return rows.map((row) => toEnvelope(area, row));
  };
  const head = async (): Promise<bigint> => {
    const [row] = await sql<{ head: bigint }[]>`select coalesce(max(position), 0) as head from ${outbox}`;
    const stored = row?.head ?? 0n;
    const derived = area === "ledger" ? await postedEventsHead(sql) : 0n;
    return stored > derived ? stored : derived;
  };
  /** Of the ledger most events are rows of its book, read again; up to the head, which was read first, both kinds are all there. */
  const read = async (after: bigint, limit: number): Promise<readonly EventEnvelope[]> => {
    const most = Math.min(limit, MAX_READ);
    if (area !== "ledger") return await readRows(after, DISTANT_POSITION, most);
    const upTo = await head();
    if (upTo <= after) return [];
    const [stored, derived] = await Promise.all([
      readRows(after, upTo, most),
      readPostedEvents(sql, after, upTo, most),
    ]);
    return mergeByPosition(stored, derived, most);
  };
  return {
    stream: area,
    number: async (limit) => {
      // Most calls find nothing; they take no lock.
      const [waiting] = await sql`select from ${outbox} where position is null limit 1`;
      return waiting === undefined ? 0 : database.transaction((tx) => numberReadyRows(tx, area, limit));
    },
    read,
    range: read,
    head,
    loadDelivered: async () => {
      const [row] = await sql<{ delivered: bigint }[]>`select delivered from ${outboxHead}`;
      return row?.delivered ?? 0n;
    },
    saveDelivered: async (position) => {
      await sql`update ${outboxHead} set delivered = ${position} where delivered < ${position}`;
    },
  };
}

/** Of each list the first `limit` after the same position: beyond the end of one that is full, the other may have holes. */
function mergeByPosition(
  stored: readonly EventEnvelope[],
  derived: readonly EventEnvelope[],
  limit: number,
): readonly EventEnvelope[] {
  if (derived.length === 0) return stored;
  if (stored.length === 0) return derived.slice(0, limit);
  return [...stored, ...derived].sort((a, b) => Number(a.position - b.position)).slice(0, limit);
}

async function numberReadyRows(tx: Transaction, area: Area, limit: number): Promise<number> {
  const outbox = tx(`${area}.outbox`);
  const outboxHead = tx(`${area}.outbox_head`);
  // The lock first, in a statement of its own: the next statement's snapshot then sees what the relay before us numbered.
  const [head] = await tx<{ numbered: bigint }[]>`select numbered from ${outboxHead} for update`;
  if (head === undefined) throw new Error(`${area}.outbox_head has no row; run the migrations`);
  const numbered = await tx`
    with ready as (
      select event_id, row_number() over (order by xid, ordinal) as n from (
        select event_id, xid, ordinal from ${outbox}
        where position is null and xid < pg_snapshot_xmin(pg_current_snapshot())
        order by xid, ordinal limit ${limit}) oldest)
    update ${outbox} o set position = ${head.numbered}::bigint + ready.n from ready where o.event_id = ready.event_id`;
  if (numbered.count > 0) await tx`update ${outboxHead} set numbered = numbered + ${BigInt(numbered.count)}`;
  return numbered.count;
}
