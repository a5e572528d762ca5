import {
  amountFromNumeric,
  asUuid,
  availableOf,
  formatId,
  formatInstant,
  formatMinor,
  formatTransactionId,
  type CurrencyCode,
  type EventEnvelope,
  type Instant,
  type Json,
  type Uuid,
} from "@florin/kernel";
import type { Sql } from "../connect-database.js";

/**
 * The events of plain batches, made from the batch's own rows: `account.posted` of each account that it touched, by first instruction and
 * id, then `operation.completed`. They were never written down beside what they tell, so they cannot be missing, late or different, and a
 * commit does not pay for them. Their form is fixed by `schemaVersion`: a change of it is a new version for batches from then on.
 *
 * A batch holds the positions up to its `outbox_position`, one for each event. Rows of ledger.outbox fill the places between.
 */
const BOOK = 1;
const OVERSIGHT = ["role:staff", "role:auditor"] as const;
const SCHEMA_VERSION = 1;

interface ToldBatch {
  readonly batchId: Uuid;
  readonly seq: bigint;
  readonly outboxPosition: bigint;
  readonly knownAt: Instant;
  readonly bookedAt: Instant;
  readonly operationId: Uuid;
  readonly principal: string;
  readonly type: string;
  readonly accountId: Uuid | null;
  readonly correlationId: string;
}

interface ToldPosting {
  readonly batchId: Uuid;
  readonly accountId: Uuid;
  readonly accountSeq: bigint;
  readonly ordinal: number;
  readonly denomination: CurrencyCode;
  /** numeric as text */
  readonly committed: string;
  readonly pendingIn: string;
  readonly pendingOut: string;
}

/** The last position that such a batch holds; 0 when there is none. */
export async function postedEventsHead(sql: Sql): Promise<bigint> {
  const [row] = await sql<{ head: bigint }[]>`
    select coalesce(max(outbox_position), 0) as head from ledger.posting_instruction_batch
    where book_id = ${BOOK} and outbox_position is not null`;
  return row?.head ?? 0n;
}

/**
 * Events with after < position ≤ upTo, in order: all of them, or `limit` at least. (Each batch tells two accounts and its operation, or more;
 * of the first one a part may be behind us.) What is given has no hole that a row of ledger.outbox does not fill.
 */
export async function readPostedEvents(
  sql: Sql,
  after: bigint,
  upTo: bigint,
  limit: number,
): Promise<readonly EventEnvelope[]> {
  const batches = await sql<ToldBatch[]>`
    select k.batch_id as "batchId", k.seq, k.outbox_position as "outboxPosition", k.known_at as "knownAt", k.booked_at as "bookedAt",
      o.operation_id as "operationId", o.principal, o.type, o.account_id as "accountId", o.correlation_id as "correlationId"
    from (
      select * from ledger.posting_instruction_batch
      where book_id = ${BOOK} and outbox_position > ${after} and outbox_position <= ${upTo}
      order by outbox_position limit ${Math.ceil(limit / 3) + 1}) k
    join ledger.operation o on o.operation_id = k.operation_id
    order by k.outbox_position`;
  const [first] = batches;
  if (first === undefined) return [];
  const postings = await listPostings(sql, first.seq, batches.at(-1)!.seq);
  const owners = await listOwners(sql, [...new Set([...postings.values()].flat().map(({ accountId }) => accountId))]);
  return batches
    .flatMap((batch) => toEvents(batch, postings.get(batch.batchId) ?? [], owners))
    .filter(({ position }) => position > after);
}

async function listPostings(sql: Sql, firstSeq: bigint, lastSeq: bigint): Promise<ReadonlyMap<Uuid, ToldPosting[]>> {
  const rows = await sql<ToldPosting[]>`
    select p.batch_id as "batchId", p.account_id as "accountId", p.account_seq as "accountSeq", p.ordinal, p.denomination,
      p.committed_after::text as committed, p.pending_in_after::text as "pendingIn", p.pending_out_after::text as "pendingOut"
    from ledger.posting p
    where p.book_id = ${BOOK} and p.seq >= ${firstSeq} and p.seq <= ${lastSeq}
    order by p.seq, p.ordinal, p.account_id, p.account_seq`;
  const postings = new Map<Uuid, ToldPosting[]>();
  for (const row of rows) {
    const known = postings.get(row.batchId);
    if (known === undefined) postings.set(row.batchId, [row]);
    else known.push(row);
  }
  return postings;
}

/** An account's owners never change. */
async function listOwners(sql: Sql, accountIds: readonly Uuid[]): Promise<ReadonlyMap<Uuid, readonly string[]>> {
  const rows = await sql<{ accountId: Uuid; owners: readonly string[] }[]>`
    select account_id as "accountId", array_agg(principal order by principal) as owners
    from ledger.account_owner where book_id = ${BOOK} and account_id = any(${[...accountIds]}::uuid[])
    group by account_id`;
  return new Map(rows.map((row) => [row.accountId, row.owners]));
}

function toEvents(
  batch: ToldBatch,
  postings: readonly ToldPosting[],
  owners: ReadonlyMap<Uuid, readonly string[]>,
): EventEnvelope[] {
  const byAccount = new Map<Uuid, ToldPosting[]>();
  for (const posting of postings) {
    const known = byAccount.get(posting.accountId);
    if (known === undefined) byAccount.set(posting.accountId, [posting]);
    else known.push(posting);
  }
  const operationId = formatId("operation", batch.operationId);
  const base = {
    stream: "ledger",
    schemaVersion: SCHEMA_VERSION,
    occurredAt: batch.bookedAt,
    correlationId: batch.correlationId,
    changeId: operationId,
  } as const;
  let position = batch.outboxPosition - BigInt(byAccount.size);
  let place = 0;
  const events: EventEnvelope[] = [...byAccount].map(([accountId, own]) => ({
    ...base,
    position: position++,
    eventId: eventIdOf(batch.batchId, place++),
    key: formatId("account", accountId),
    type: "account.posted",
    audience: [...(owners.get(accountId) ?? []), ...OVERSIGHT],
    payload: postedPayload(batch, operationId, accountId, own),
  }));
  events.push({
    ...base,
    position,
    eventId: eventIdOf(batch.batchId, place),
    key: operationId,
    type: "operation.completed",
    audience: [batch.principal, ...OVERSIGHT],
    payload: {
      operationId,
      type: batch.type,
      batchId: formatId("batch", batch.batchId),
      accountId: batch.accountId === null ? undefined : formatId("account", batch.accountId),
    },
  });
  return events;
}

const LAST_PLACES = 0x10000;

/**
 * STR-2: the same event has the same id wherever and whenever it is read. The batch's id as a UUID of version 8, its last sixteen bits (random
 * ones of eighty) giving way to the event's place: no hash is computed for what is read fifty thousand times a second.
 */
function eventIdOf(batchId: Uuid, place: number): Uuid {
  if (place >= LAST_PLACES) throw new Error(`batch ${batchId} tells more than ${LAST_PLACES} events`);
  return asUuid(`${batchId.slice(0, 14)}8${batchId.slice(15, 32)}${place.toString(16).padStart(4, "0")}`);
}

/** With the balance after the whole batch (STR-3). */
function postedPayload(batch: ToldBatch, operationId: string, accountId: Uuid, own: readonly ToldPosting[]): Json {
  const last = own.reduce((a, b) => (b.accountSeq > a.accountSeq ? b : a));
  const currency = last.denomination;
  const committed = amountFromNumeric(last.committed, currency);
  const pendingOut = amountFromNumeric(last.pendingOut, currency);
  return {
    accountId: formatId("account", accountId),
    accountSeq: last.accountSeq.toString(),
    batchId: formatId("batch", batch.batchId),
    operationId,
    transactionIds: own.map(({ accountSeq }) => formatTransactionId(accountId, accountSeq)),
    balance: {
      available: formatMinor(availableOf({ committed, pendingOut }), currency),
      committed: formatMinor(committed, currency),
      pendingIn: formatMinor(amountFromNumeric(last.pendingIn, currency), currency),
      pendingOut: formatMinor(pendingOut, currency),
      currency,
    },
    asOf: formatInstant(batch.knownAt),
  };
}
