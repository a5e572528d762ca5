import {
  amountFromNumeric,
  asUuid,
  availableOf,
  formatId,
  formatInstant,
  formatMinor,
  formatTransactionId,
  minorDigits,
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
    select k.batch_id as "batchId", k.seq, k.outbox_position as "outboxPosition",
      (extract(epoch from k.known_at) * 1000000)::bigint as "knownAt", (extract(epoch from k.booked_at) * 1000000)::bigint as "bookedAt",
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
  const listeners = await listListeners(sql, [
    ...new Set([...postings.values()].flat().map(({ accountId }) => accountId)),
  ]);
  const events: EventEnvelope[] = [];
  for (const batch of batches) addEvents(events, batch, postings.get(batch.batchId) ?? [], listeners);
  const next = events.findIndex(({ position }) => position > after);
  return next === 0 ? events : events.slice(next);
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

/** What the events of an account have in common. */
interface Listener {
  readonly key: string;
  readonly audience: readonly string[];
}

/** An account's owners never change. */
async function listListeners(sql: Sql, accountIds: readonly Uuid[]): Promise<ReadonlyMap<Uuid, Listener>> {
  const rows = await sql<{ accountId: Uuid; owners: readonly string[] }[]>`
    select account_id as "accountId", array_agg(principal order by principal) as owners
    from ledger.account_owner where book_id = ${BOOK} and account_id = any(${[...accountIds]}::uuid[])
    group by account_id`;
  const owners = new Map(rows.map((row) => [row.accountId, row.owners]));
  return new Map(
    accountIds.map((accountId) => [
      accountId,
      { key: formatId("account", accountId), audience: [...(owners.get(accountId) ?? []), ...OVERSIGHT] },
    ]),
  );
}

function addEvents(
  events: EventEnvelope[],
  batch: ToldBatch,
  postings: readonly ToldPosting[],
  listeners: ReadonlyMap<Uuid, Listener>,
): void {
  const byAccount = new Map<Uuid, ToldPosting[]>();
  for (const posting of postings) {
    const known = byAccount.get(posting.accountId);
    if (known === undefined) byAccount.set(posting.accountId, [posting]);
    else known.push(posting);
  }
  const operationId = formatId("operation", batch.operationId);
  const batchId = formatId("batch", batch.batchId);
  const asOf = formatInstant(batch.knownAt);
  const first = batch.outboxPosition - BigInt(byAccount.size);
  let place = 0;
  const add = (type: string, key: string, audience: readonly string[], payload: Json): void => {
    events.push({
      stream: "ledger",
      position: first + BigInt(place),
      eventId: eventIdOf(batch.batchId, place),
      key,
      type,
      schemaVersion: SCHEMA_VERSION,
      occurredAt: batch.bookedAt,
      correlationId: batch.correlationId,
      causationId: undefined,
      changeId: operationId,
      audience,
      payload,
    });
    place++;
  };
  for (const [accountId, own] of byAccount) {
    const { key, audience } = listeners.get(accountId)!;
    add("account.posted", key, audience, postedPayload({ accountId: key, batchId, operationId, asOf }, accountId, own));
  }
  add("operation.completed", operationId, [batch.principal, ...OVERSIGHT], {
    operationId,
    type: batch.type,
    batchId,
    accountId: batch.accountId === null ? undefined : formatId("account", batch.accountId),
  });
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
function postedPayload(
  {
    asOf,
    ...about
  }: { readonly accountId: string; readonly batchId: string; readonly operationId: string; readonly asOf: string },
  accountId: Uuid,
  own: readonly ToldPosting[],
): Json {
  const last = own.at(-1)!;
  const { denomination: currency } = last;
  const committed = minorText(last.committed, currency);
  const pendingOut = minorText(last.pendingOut, currency);
  return {
    accountId: about.accountId,
    accountSeq: last.accountSeq.toString(),
    batchId: about.batchId,
    operationId: about.operationId,
    transactionIds: own.map(({ accountSeq }) => formatTransactionId(accountId, accountSeq)),
    balance: {
      available: isZero(pendingOut) ? committed : availableText(last),
      committed,
      pendingIn: minorText(last.pendingIn, currency),
      pendingOut,
      currency,
    },
    asOf,
  };
}

function availableText({ committed, pendingOut, denomination }: ToldPosting): string {
  const nets = {
    committed: amountFromNumeric(committed, denomination),
    pendingOut: amountFromNumeric(pendingOut, denomination),
  };
  return formatMinor(availableOf(nets), denomination);
}

const ZERO_TEXT = /^0(\.0*)?$/;

function isZero(text: string): boolean {
  return ZERO_TEXT.test(text);
}

/** `numeric` as text at internal scale without the digits that only accruals have; DEFAULT holds none of those (MON-2). */
function minorText(numeric: string, currency: CurrencyCode): string {
  const point = numeric.indexOf(".");
  const digits = minorDigits(currency);
  const end = digits === 0 ? point : point + 1 + digits;
  if (point >= 0 && numeric.length >= end && isZero(`0.${numeric.slice(end)}`)) return numeric.slice(0, end);
  return formatMinor(amountFromNumeric(numeric, currency), currency);
}
