import type { AuditEntry, AuditJson, InstructionPart, PostingPart } from "@florin/audit";
import { formatInstant, type Instant } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/**
 * The records of a book out of its tables, in the order of `seq`, as the chain has them (AUD-1): what a verifier holds against the links.
 *
 * In pages of a thousand places of the order, four queries each, row by row along the keys that the tables have (what stands in a LATERAL
 * with a limit or an offset is looked up so, whatever the planner believes); memory is one page. Run it in one
 * REPEATABLE READ transaction, so that all pages are of one state. A posting that stands under no batch of its `seq`, an operation that no
 * batch knows, is told as a stray: nothing that is there is passed over.
 */
export interface AuditRange {
  readonly bookId: number;
  /** Records behind this one. Default 0n: all. */
  readonly afterSeq?: bigint | undefined;
  /** Up to and with this one. Default: to the end. */
  readonly untilSeq?: bigint | undefined;
  /** With what clients wrote freely, and its salts (AUD-4). Default true. */
  readonly withFreeText?: boolean | undefined;
}

export type AuditItem =
  | { readonly kind: "record"; readonly entry: AuditEntry }
  | { readonly kind: "stray"; readonly seq: string; readonly what: string };

const PAGE = 1_000n;
const YEAR_0 = -62_167_219_200_000_000n;
const YEAR_10000 = 253_402_300_800_000_000n;

/** Whatever stands in a table must have a text, so that a verifier can say where it stands. */
function tellInstant(instant: Instant): string {
  return instant >= YEAR_0 && instant < YEAR_10000 ? formatInstant(instant) : `${instant} microseconds`;
}

export async function* readAuditRecords(tx: Transaction, range: AuditRange): AsyncGenerator<AuditItem> {
  const { bookId, afterSeq = 0n, untilSeq = await lastSeq(tx, bookId), withFreeText = true } = range;
  for (let after = afterSeq; after < untilSeq; after += PAGE) {
    const until = after + PAGE < untilSeq ? after + PAGE : untilSeq;
    yield* await readPage(tx, { bookId, after, until, withFreeText });
  }
  if (range.untilSeq === undefined) yield* await findStrays(tx, bookId, untilSeq);
}

interface Page {
  readonly bookId: number;
  readonly after: bigint;
  readonly until: bigint;
  readonly withFreeText: boolean;
}

/** The greatest there is, whatever the head says. */
async function lastSeq(tx: Transaction, bookId: number): Promise<bigint> {
  const [row] = await tx<{ last: bigint }[]>`
    select greatest(
      (select coalesce(max(seq), 0) from ledger.posting_instruction_batch where book_id = ${bookId}),
      (select coalesce(max(seq), 0) from ledger.resource_change where book_id = ${bookId}),
      (select coalesce(max(seq), 0) from ledger.posting where book_id = ${bookId})) as last`;
  return row?.last ?? 0n;
}

async function readPage(tx: Transaction, page: Page): Promise<AuditItem[]> {
  const [batches, changes, postings, instructions] = await Promise.all([
    selectBatches(tx, page),
    selectChanges(tx, page),
    selectPostings(tx, page),
    selectInstructions(tx, page),
  ]);
  const postingsBySeq = groupBy(postings, ({ seq }) => seq);
  const instructionsByBatch = groupBy(instructions, ({ batchId }) => batchId);
  const items: AuditItem[] = changes.map((row) => ({ kind: "record", entry: toChangeEntry(row) }));
  for (const row of batches) {
    const own: PostingRow[] = [];
    for (const posting of postingsBySeq.get(row.seq) ?? [])
      if (posting.batchId === row.batchId) own.push(posting);
      else items.push(strayPosting(posting));
    postingsBySeq.delete(row.seq);
    const entry = toBatchEntry(row, instructionsByBatch.get(row.batchId) ?? [], own, page.withFreeText);
    items.push({ kind: "record", entry });
  }
  for (const posting of [...postingsBySeq.values()].flat()) items.push(strayPosting(posting));
  return items.sort((a, b) => Number(BigInt(seqOf(a)) - BigInt(seqOf(b))));
}

const seqOf = (item: AuditItem): string => (item.kind === "stray" ? item.seq : item.entry.record.seq);

function strayPosting({ seq, accountId, accountSeq, batchId }: PostingRow): AuditItem {
  const what = `posting ${accountSeq} of account ${accountId} stands under no record of batch ${batchId}`;
  return { kind: "stray", seq: seq.toString(), what };
}

function groupBy<Key, Row>(rows: readonly Row[], keyOf: (row: Row) => Key): Map<Key, Row[]> {
  const groups = new Map<Key, Row[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group === undefined) groups.set(keyOf(row), [row]);
    else group.push(row);
  }
  return groups;
}

interface BatchRow {
  readonly seq: bigint;
  readonly batchId: string;
  readonly clientId: string;
  readonly clientBatchId: string | null;
  readonly origin: string;
  readonly emittedBy: string | null;
  readonly cascadeDepth: number | null;
  readonly status: string;
  readonly valueAt: Instant;
  readonly bookedAt: Instant;
  readonly knownAt: Instant;
  readonly rejections: AuditJson;
  readonly proposed: AuditJson;
  readonly details: AuditJson;
  readonly remarks: AuditJson;
  readonly link: Uint8Array | null;
  readonly salt: Uint8Array | null;
  readonly digest: string | null;
  readonly operationId: string | null;
  readonly principal: string;
  readonly idempotencyKey: string;
  readonly fingerprint: string;
  readonly operationType: string;
  readonly operationStatus: string;
  readonly rejectionCode: string | null;
  readonly rejectionMessage: string | null;
  readonly accountId: string | null;
  readonly amount: string | null;
  readonly denomination: string | null;
  readonly correlationId: string;
  readonly createdAt: Instant;
  readonly completedAt: Instant;
}

const selectBatches = (tx: Transaction, { bookId, after, until }: Page) => tx<BatchRow[]>`
  select k.seq, k.batch_id as "batchId", k.client_id as "clientId", k.client_batch_id as "clientBatchId", k.origin,
    k.emitted_by as "emittedBy", k.cascade_depth as "cascadeDepth", k.status, k.value_at as "valueAt", k.booked_at as "bookedAt",
    k.known_at as "knownAt", k.rejections, k.proposed, k.details, k.remarks, k.link, k.details_salt as salt,
    encode(k.details_digest, 'hex') as digest, o.operation_id as "operationId", o.principal, o.idempotency_key as "idempotencyKey",
    o.fingerprint, o.type as "operationType", o.status as "operationStatus", o.rejection_code as "rejectionCode",
    o.rejection_message as "rejectionMessage", o.account_id as "accountId", o.amount::text as amount, o.denomination,
    o.correlation_id as "correlationId", o.created_at as "createdAt", o.completed_at as "completedAt"
  from ledger.posting_instruction_batch k
  left join lateral (
    select * from ledger.operation found
    where found.operation_id = k.operation_id and found.book_id = k.book_id and found.batch_id = k.batch_id limit 1) o on true
  where k.book_id = ${bookId} and k.seq > ${after} and k.seq <= ${until}
  order by k.seq`;

interface ChangeRow {
  readonly seq: bigint;
  readonly knownAt: Instant;
  readonly kind: string;
  readonly key: string;
  readonly principal: string;
  readonly correlationId: string;
  readonly body: string;
  readonly link: Uint8Array;
}

const selectChanges = (tx: Transaction, { bookId, after, until }: Page) => tx<ChangeRow[]>`
  select seq, known_at as "knownAt", kind, key, principal, correlation_id as "correlationId", body, link
  from ledger.resource_change
  where book_id = ${bookId} and seq > ${after} and seq <= ${until}
  order by seq`;

interface PostingRow extends Omit<PostingPart, "accountSeq" | "valueAt" | "bookedAt"> {
  readonly seq: bigint;
  readonly batchId: string;
  readonly accountSeq: bigint;
  readonly valueAt: Instant;
  readonly bookedAt: Instant;
}

const selectPostings = (tx: Transaction, { bookId, after, until }: Page) => tx<PostingRow[]>`
  select seq, batch_id as "batchId", account_id as "accountId", account_seq as "accountSeq", ordinal, address, asset, denomination,
    phase, side, amount::text as amount, value_at as "valueAt", booked_at as "bookedAt", committed_after::text as "committedAfter",
    pending_in_after::text as "pendingInAfter", pending_out_after::text as "pendingOutAfter"
  from ledger.posting
  where book_id = ${bookId} and seq > ${after} and seq <= ${until}`;

interface InstructionRow {
  readonly batchId: string;
  readonly ordinal: number;
  readonly type: string;
  readonly clientId: string;
  readonly clientTransactionId: string;
  readonly details: AuditJson;
  readonly terms: AuditJson;
  readonly effect: AuditJson;
  readonly reversesBatchId: string | null;
  readonly reversesOrdinal: number | null;
}

const selectInstructions = (tx: Transaction, { bookId, after, until }: Page) => tx<InstructionRow[]>`
  select i.batch_id as "batchId", i.ordinal, i.type, i.client_id as "clientId", i.client_transaction_id as "clientTransactionId",
    i.details, i.terms, i.effect, i.reverses_batch_id as "reversesBatchId", i.reverses_ordinal as "reversesOrdinal"
  from ledger.posting_instruction_batch k
  cross join lateral (
    select * from ledger.posting_instruction found
    where found.book_id = k.book_id and found.batch_id = k.batch_id offset 0) i
  where k.book_id = ${bookId} and k.seq > ${after} and k.seq <= ${until}`;

function toChangeEntry({ link, seq, knownAt, ...facts }: ChangeRow): AuditEntry {
  return { record: { ...facts, seq: seq.toString(), knownAt: tellInstant(knownAt) }, link };
}

function toBatchEntry(
  row: BatchRow,
  instructions: readonly InstructionRow[],
  postings: readonly PostingRow[],
  withFreeText: boolean,
): AuditEntry {
  const record = {
    seq: row.seq.toString(),
    knownAt: tellInstant(row.knownAt),
    batchId: row.batchId,
    clientId: row.clientId,
    clientBatchId: row.clientBatchId ?? undefined,
    origin: row.origin,
    emittedBy: row.emittedBy ?? undefined,
    cascadeDepth: row.cascadeDepth ?? undefined,
    status: row.status,
    valueAt: tellInstant(row.valueAt),
    bookedAt: tellInstant(row.bookedAt),
    rejections: row.rejections,
    remarks: row.remarks ?? undefined,
    detailsDigest: row.digest ?? undefined,
    operation: row.operationId === null ? undefined : toOperation(row, row.operationId),
    instructions: instructions.map((one) => toInstruction(one, row.clientId)),
    postings: postings.map(toPosting),
  };
  const freeText = withFreeText ? toFreeText(row, instructions) : undefined;
  return { record, link: row.link ?? undefined, freeText };
}

function toOperation(row: BatchRow, operationId: string) {
  return {
    operationId,
    principal: row.principal,
    idempotencyKey: row.idempotencyKey,
    fingerprint: row.fingerprint,
    type: row.operationType,
    status: row.operationStatus,
    rejectionCode: row.rejectionCode ?? undefined,
    rejectionMessage: row.rejectionMessage ?? undefined,
    accountId: row.accountId ?? undefined,
    amount: row.amount ?? undefined,
    denomination: row.denomination ?? undefined,
    correlationId: row.correlationId,
    createdAt: tellInstant(row.createdAt),
    completedAt: tellInstant(row.completedAt),
  };
}

function toInstruction(row: InstructionRow, clientId: string): InstructionPart {
  return {
    ordinal: row.ordinal,
    type: row.type,
    clientId: row.clientId === clientId ? undefined : row.clientId,
    clientTransactionId: row.clientTransactionId,
    terms: row.terms ?? undefined,
    effect: row.effect ?? undefined,
    reversesBatchId: row.reversesBatchId ?? undefined,
    reversesOrdinal: row.reversesOrdinal ?? undefined,
  };
}

function toPosting({ accountSeq, valueAt, bookedAt, ...facts }: PostingRow): PostingPart {
  return {
    ...facts,
    accountSeq: accountSeq.toString(),
    valueAt: tellInstant(valueAt),
    bookedAt: tellInstant(bookedAt),
  };
}

/** Text without a salt cannot be proven: it is shown with an empty one, which no digest fits. Neither of both: never there, or erased. */
function toFreeText(row: BatchRow, instructions: readonly InstructionRow[]): AuditEntry["freeText"] {
  const own = instructions
    .filter(({ details }) => details !== null)
    .map(({ ordinal, details }) => ({ ordinal, details }));
  const isSaid = row.details !== null || row.proposed !== null || own.length > 0;
  // Before the chain nothing was salted.
  if (row.link === null || (row.salt === null && !isSaid)) return undefined;
  const text = { batch: row.details ?? undefined, instructions: own, proposed: row.proposed ?? undefined };
  return { salt: row.salt ?? new Uint8Array(0), text };
}

/** What no page can meet: rows that point to no record, and a head that is not the last record's. */
async function findStrays(tx: Transaction, bookId: number, untilSeq: bigint): Promise<AuditItem[]> {
  // All with all: row by row that is quadratic, and a planner without fresh statistics tries it.
  await tx`select set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true)`;
  const rows = await tx<{ what: string }[]>`
    select concat('operation ', o.operation_id, ' points to batch ', o.batch_id, ', which does not know it') as what
    from ledger.operation o
    left join ledger.posting_instruction_batch k on k.book_id = o.book_id and k.batch_id = o.batch_id
    where o.book_id = ${bookId} and o.batch_id is not null
      and (k.batch_id is null or (k.link is not null and k.operation_id is distinct from o.operation_id))
    union all
    select concat('operation ', coalesce(o.operation_id::text, r.key), ', of no batch, is not as its record tells')
    from (select * from ledger.operation where book_id = ${bookId} and batch_id is null) o
    full join (
        select *, body::jsonb as told from ledger.resource_change where book_id = ${bookId} and kind = 'operation.decided') r
      on r.key = florin.border_id('op', o.operation_id)
    where (o.principal, o.correlation_id, o.idempotency_key, o.fingerprint, o.type, o.status, o.rejection_code, o.rejection_message,
        o.account_id, o.created_at, o.completed_at, o.amount, o.denomination)
      is distinct from (r.principal, r.correlation_id, told->>'idempotencyKey', told->>'fingerprint', told->>'type', told->>'status',
        told->>'rejectionCode', told->>'rejectionMessage', (told->>'accountId')::uuid, (told->>'createdAt')::timestamptz,
        (told->>'completedAt')::timestamptz, null::numeric, null::text)
    union all
    select concat('instruction ', i.ordinal, ' of batch ', i.batch_id, ' belongs to no record')
    from ledger.posting_instruction i
    where i.book_id = ${bookId} and not exists (
      select from ledger.posting_instruction_batch k where k.book_id = i.book_id and k.batch_id = i.batch_id)
    union all
    select concat('the head of the book stands at seq ', h.seq, ', known at ', h.known_at, ', with another link or time than the last record')
    from ledger.head h left join lateral (
      select seq, known_at, link from ledger.posting_instruction_batch where book_id = h.book_id and seq = ${untilSeq}
      union all
      select seq, known_at, link from ledger.resource_change where book_id = h.book_id and seq = ${untilSeq}
      limit 1) last on true
    where h.book_id = ${bookId}
      and (h.seq <> ${untilSeq} or h.known_at is distinct from coalesce(last.known_at, '-infinity')
        or (last.link is not null and h.link <> last.link))
    limit 20`;
  return rows.map(({ what }): AuditItem => ({ kind: "stray", seq: untilSeq.toString(), what }));
}

/** The links of records from `afterSeq` on, in order: enough to grow the Merkle tree. Records older than the chain are left out. */
export async function listLinks(
  sql: Sql | Transaction,
  bookId: number,
  afterSeq: bigint,
  limit: number,
): Promise<readonly { readonly seq: bigint; readonly knownAt: Instant; readonly link: Uint8Array }[]> {
  // Each side stops at its own limit along its own key.
  return await sql<{ seq: bigint; knownAt: Instant; link: Uint8Array }[]>`
    (select seq, known_at as "knownAt", link from ledger.posting_instruction_batch
       where book_id = ${bookId} and seq > ${afterSeq} and link is not null order by seq limit ${limit})
    union all
    (select seq, known_at, link from ledger.resource_change
       where book_id = ${bookId} and seq > ${afterSeq} order by seq limit ${limit})
    order by seq limit ${limit}`;
}
