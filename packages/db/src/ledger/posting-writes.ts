import { amountToNumeric, formatInstant } from "@florin/kernel";
import { plainArray, textArray } from "../array-literal.js";
import type { BookWrite, NewBatch, NewOperation, NewPosting } from "./commit-rows.js";
import { hexOf, toJson, unnest, type Columns, type StatementBuilder } from "./statement-builder.js";

/** What a commit writes that is never changed again: operations, batches, instructions, postings. */
export function addOperations(statement: StatementBuilder, { bookId, operations: rows }: BookWrite): void {
  if (rows.length === 0) return;
  const plain: Columns = {
    operation_id: ["uuid", plainArray(rows, (r) => r.operationId)],
    principal: ["text", textArray(rows, (r) => r.principal)],
    idempotency_key: ["text", textArray(rows, (r) => r.idempotencyKey)],
    fingerprint: ["text", textArray(rows, (r) => r.fingerprint)],
    type: ["text", plainArray(rows, (r) => r.type)],
    account_id: ["uuid", plainArray(rows, (r) => r.accountId)],
    amount: ["numeric", plainArray(rows, amountOf)],
    denomination: ["text", plainArray(rows, (r) => r.amount?.currency)],
    batch_id: ["uuid", plainArray(rows, (r) => r.batchId)],
    correlation_id: ["text", textArray(rows, (r) => r.correlationId)],
    created_at: ["timestamptz", plainArray(rows, (r) => formatInstant(r.createdAt))],
    completed_at: ["timestamptz", plainArray(rows, (r) => formatInstant(r.completedAt))],
  };
  const isWide = rows.some(({ status }) => status !== "COMPLETED");
  const columns: Columns = isWide
    ? {
        ...plain,
        status: ["text", plainArray(rows, (r) => r.status)],
        rejection_code: ["text", plainArray(rows, (r) => r.rejection?.code)],
        rejection_message: ["text", textArray(rows, (r) => r.rejection?.message)],
      }
    : plain;
  const names = Object.keys(columns).join(", ");
  statement.part(
    "operations",
    `insert into ledger.operation (book_id, ${names}${isWide ? "" : ", status"})
    select ${bookId}, ${names}${isWide ? "" : ", 'COMPLETED'"} from ${unnest(statement, columns)}`,
  );
}

function amountOf({ amount: money }: NewOperation): string | undefined {
  return money && amountToNumeric(money.amount, money.currency);
}

/** Batches that say nothing beside what they moved. */
function isPlainBatch(batch: NewBatch): boolean {
  const { status, clientBatchId, details, detailsDigest, valueAt, bookedAt, origin, remarks } = batch;
  return (
    status === "ACCEPTED" &&
    origin === "CLIENT" &&
    valueAt === bookedAt &&
    clientBatchId === undefined &&
    details === undefined &&
    detailsDigest === undefined && // of instructions' details, too
    remarks === undefined
  );
}

export function addBatches(statement: StatementBuilder, { bookId, batches: rows }: BookWrite): void {
  const [first] = rows;
  if (first === undefined) return;
  const plain: Columns = {
    batch_id: ["uuid", plainArray(rows, (r) => r.batchId)],
    seq: ["bigint", plainArray(rows, (r) => r.seq)],
    client_id: ["text", textArray(rows, (r) => r.clientId)],
    known_at: ["timestamptz", plainArray(rows, (r) => formatInstant(r.knownAt))],
    outbox_position: ["bigint", plainArray(rows, (r) => r.outboxPosition)],
    operation_id: ["uuid", plainArray(rows, (r) => r.operationId)],
    link: ["text", plainArray(rows, (r) => hexOf(r.link))],
  };
  const bookedAt = statement.value("timestamptz", formatInstant(first.bookedAt)); // of the whole commit
  const base = "batch_id, seq, client_id, known_at, outbox_position, operation_id";
  if (rows.every(isPlainBatch)) {
    statement.part(
      "batches",
      `insert into ledger.posting_instruction_batch (book_id, ${base}, link, status, value_at, booked_at)
      select ${bookId}, ${base}, decode(link, 'hex'), 'ACCEPTED', ${bookedAt}, ${bookedAt} from ${unnest(statement, plain)}`,
    );
    return;
  }
  const wide = unnest(statement, {
    ...plain,
    client_batch_id: ["text", textArray(rows, (r) => r.clientBatchId)],
    status: ["text", plainArray(rows, (r) => r.status)],
    rejections: ["text", textArray(rows, (r) => toJson(r.rejections))],
    proposed: ["text", textArray(rows, (r) => toJson(r.proposed))],
    details: ["text", textArray(rows, (r) => toJson(r.details))],
    details_salt: ["text", plainArray(rows, (r) => hexOf(r.detailsSalt))],
    details_digest: ["text", plainArray(rows, (r) => r.detailsDigest)],
    value_at: ["timestamptz", plainArray(rows, (r) => formatInstant(r.valueAt))],
    origin: ["text", plainArray(rows, (r) => r.origin)],
    emitted_by: ["uuid", plainArray(rows, (r) => r.emittedBy?.accountId)],
    cascade_depth: ["smallint", plainArray(rows, (r) => r.emittedBy?.cascadeDepth)],
    remarks: ["text", textArray(rows, (r) => toJson(r.remarks))],
  });
  const more = "client_batch_id, status, value_at, origin, emitted_by, cascade_depth";
  statement.part(
    "batches",
    `insert into ledger.posting_instruction_batch (book_id, ${base}, ${more}, link, details_salt, details_digest, rejections, proposed, details, remarks,
      booked_at)
    select ${bookId}, ${base}, ${more}, decode(link, 'hex'), decode(details_salt, 'hex'), decode(details_digest, 'hex'), rejections::jsonb, proposed::jsonb,
      details::jsonb, remarks::jsonb, ${bookedAt} from ${wide}`,
  );
}

export function addInstructions(statement: StatementBuilder, { bookId, instructions: rows }: BookWrite): void {
  if (rows.length === 0) return;
  const plain: Columns = {
    batch_id: ["uuid", plainArray(rows, (r) => r.batchId)],
    ordinal: ["integer", plainArray(rows, (r) => r.ordinal)],
    type: ["text", plainArray(rows, (r) => r.type)],
    client_id: ["text", textArray(rows, (r) => r.clientId)],
    client_transaction_id: ["text", textArray(rows, (r) => r.clientTransactionId)],
  };
  const base = Object.keys(plain).join(", ");
  const isPlain = rows.every(
    ({ details, terms, effect, reverses }) => (details ?? terms ?? effect ?? reverses) === undefined,
  );
  if (isPlain) {
    statement.part(
      "instructions",
      `insert into ledger.posting_instruction (book_id, ${base}) select ${bookId}, ${base} from ${unnest(statement, plain)}`,
    );
    return;
  }
  const wide = unnest(statement, {
    ...plain,
    details: ["text", textArray(rows, (r) => toJson(r.details))],
    terms: ["text", textArray(rows, (r) => toJson(r.terms))],
    effect: ["text", textArray(rows, (r) => toJson(r.effect))],
    reverses_batch_id: ["uuid", plainArray(rows, (r) => r.reverses?.batchId)],
    reverses_ordinal: ["integer", plainArray(rows, (r) => r.reverses?.ordinal)],
  });
  statement.part(
    "instructions",
    `insert into ledger.posting_instruction (book_id, ${base}, reverses_batch_id, reverses_ordinal, details, terms, effect)
    select ${bookId}, ${base}, reverses_batch_id, reverses_ordinal, details::jsonb, terms::jsonb, effect::jsonb from ${wide}`,
  );
}

/** What nearly all postings are: committed money of one currency at DEFAULT, of now, with nothing pending. It is said once for all. */
function isUsual(posting: NewPosting, denomination: string): boolean {
  return (
    posting.phase === "COMMITTED" &&
    posting.address === "DEFAULT" &&
    posting.asset === "COMMERCIAL_BANK_MONEY" &&
    posting.denomination === denomination &&
    posting.valueAt === posting.bookedAt &&
    isZero(posting.pendingInAfter) &&
    isZero(posting.pendingOutAfter)
  );
}

const ZERO_NUMERIC = /^0(\.0*)?$/;

function isZero(numeric: string): boolean {
  return ZERO_NUMERIC.test(numeric);
}

export function addPostings(statement: StatementBuilder, { bookId, postings: rows }: BookWrite): void {
  const [first] = rows;
  if (first === undefined) return;
  const bookedAt = statement.value("timestamptz", first.bookedAt); // of the whole commit
  const own: Columns = {
    account_id: ["uuid", plainArray(rows, (r) => r.accountId)],
    account_seq: ["bigint", plainArray(rows, (r) => r.accountSeq)],
    seq: ["bigint", plainArray(rows, (r) => r.seq)],
    batch_id: ["uuid", plainArray(rows, (r) => r.batchId)],
    ordinal: ["integer", plainArray(rows, (r) => r.ordinal)],
    side: ["text", plainArray(rows, (r) => r.side)],
    amount: ["numeric", plainArray(rows, (r) => r.amount)],
    committed_after: ["numeric", plainArray(rows, (r) => r.committedAfter)],
  };
  const names = Object.keys(own).join(", ");
  const shared = "address, asset, denomination, phase, pending_in_after, pending_out_after, value_at, booked_at";
  if (rows.every((row) => isUsual(row, first.denomination))) {
    const usual = [
      "'DEFAULT'",
      "'COMMERCIAL_BANK_MONEY'",
      statement.value("text", first.denomination),
      "'COMMITTED'",
      statement.value("numeric", first.pendingInAfter),
      statement.value("numeric", first.pendingOutAfter),
      bookedAt,
      bookedAt,
    ];
    statement.part(
      "postings",
      `insert into ledger.posting (book_id, ${names}, ${shared})
      select ${bookId}, ${names}, ${usual.join(", ")} from ${unnest(statement, own)}`,
    );
    return;
  }
  const wide = unnest(statement, {
    ...own,
    address: ["text", plainArray(rows, (r) => r.address)],
    asset: ["text", plainArray(rows, (r) => r.asset)],
    denomination: ["text", plainArray(rows, (r) => r.denomination)],
    phase: ["text", plainArray(rows, (r) => r.phase)],
    pending_in_after: ["numeric", plainArray(rows, (r) => r.pendingInAfter)],
    pending_out_after: ["numeric", plainArray(rows, (r) => r.pendingOutAfter)],
    value_at: ["timestamptz", plainArray(rows, (r) => (r.valueAt === r.bookedAt ? undefined : r.valueAt))],
  });
  const read = shared.replace("value_at, booked_at", `coalesce(value_at, ${bookedAt}), ${bookedAt}`);
  statement.part(
    "postings",
    `insert into ledger.posting (book_id, ${names}, ${shared}) select ${bookId}, ${names}, ${read} from ${wide}`,
  );
}
