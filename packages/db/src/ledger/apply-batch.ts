import {
  amountToNumeric,
  formatInstant,
  type Amount,
  type ClientTransactionState,
  type Coordinate,
  type CurrencyCode,
  type Instant,
  type InstructionReference,
  type Json,
  type Money,
  type NewEvent,
  type Totals,
  type Uuid,
} from "@florin/kernel";
import type { PostingPart } from "@florin/audit";
import { plainArray, textArray } from "../array-literal.js";
import type { Pipeline, PipelinedStatement } from "../pipeline.js";
import { addTerms, type TermsWrite } from "./terms-writes.js";
import type { StoredOperation } from "./writer-state.js";

/**
 * The write half of a commit: everything that a gathered batch of commands did, as one statement in one transaction.
 *
 * The head is swapped first: a writer that lost its lease, or whose commit before this one failed, finds another epoch or batch number
 * there, and everything is rolled back (HEAD_MOVED). Each balance moves on only from the `account_seq` at which the writer saw it
 * (MEMORY_STALE). Behind that stand the keys of operation, batch, instruction and posting, and INV-1 and INV-4 in the database's own
 * triggers. Cost: no round trip of its own; each row of each table is written once.
 */
export interface BookWrite {
  readonly bookId: number;
  readonly leaseMs: number;
  readonly epoch: bigint;
  /** The head as it was read; swapped for `next`. */
  readonly expectedBatch: bigint;
  /** Only ever false in the control of a test, which shows what the fence is for. */
  readonly isFenced: boolean;
  readonly next: {
    readonly seq: bigint;
    readonly knownAt: Instant;
    readonly outboxPosition: bigint;
    /** Of the audit chain: of the last record. */
    readonly link: Uint8Array;
  };
  readonly openedAccounts: readonly NewAccount[];
  readonly closedAccounts: readonly { readonly accountId: Uuid; readonly closedAt: Instant }[];
  readonly operations: readonly NewOperation[];
  readonly batches: readonly NewBatch[];
  readonly postings: readonly NewPosting[];
  readonly instructions: readonly NewInstruction[];
  readonly balances: readonly BalanceWrite[];
  /** Opened or changed, as they are now. Movements whose id the ledger made have none. */
  readonly clientTransactions: readonly ClientTransactionState[];
  readonly resourceChanges: readonly NewResourceChange[];
  readonly events: readonly PositionedEvent[];
  /** Of accounts, products and hooks, beside money. */
  readonly terms: TermsWrite;
  /** Rows of `ledger.command` whose effect this is. */
  readonly drainedCommandIds: readonly Uuid[];
}

export interface NewAccount {
  readonly accountId: Uuid;
  readonly productVersionId: Uuid;
  readonly denomination: CurrencyCode;
  readonly tside: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly openedAt: Instant;
  readonly owners: readonly string[];
}

export interface NewOperation {
  readonly operationId: Uuid;
  readonly principal: string;
  readonly idempotencyKey: string;
  readonly fingerprint: string;
  readonly type: StoredOperation["type"];
  readonly status: "COMPLETED" | "REJECTED";
  readonly rejection?: { readonly code: string; readonly message: string } | undefined;
  readonly accountId?: Uuid | undefined;
  readonly amount?: Money | undefined;
  /** undefined: it was no batch (terms of accounts, products, periods). */
  readonly batchId: Uuid | undefined;
  readonly correlationId: string;
  readonly createdAt: Instant;
  readonly completedAt: Instant;
}

export interface NewBatch {
  readonly batchId: Uuid;
  readonly seq: bigint;
  readonly clientId: string;
  readonly clientBatchId?: string | undefined;
  readonly status: "ACCEPTED" | "REJECTED";
  readonly rejections: Json;
  /** Of a rejected batch only: what was proposed. */
  readonly proposed?: Json | undefined;
  readonly details?: Json | undefined;
  readonly valueAt: Instant;
  readonly bookedAt: Instant;
  readonly knownAt: Instant;
  readonly origin: "CLIENT" | "CONTRACT" | "EXPIRY";
  readonly emittedBy?: { readonly accountId: Uuid; readonly cascadeDepth: number } | undefined;
  /** What was noted and not refused: {acceptedDespite, intermediateNegative, adjustsPeriod}. */
  readonly remarks?: Json | undefined;
  /** The last position of what it told, when that is derived from its own rows (posted-events.ts). */
  readonly outboxPosition?: bigint | undefined;
  readonly operationId?: Uuid | undefined;
  /** Set when the commit is sealed. Absent only where a benchmark measures what the chain costs. */
  link?: Uint8Array | undefined;
  /** AUD-4: of what the client wrote freely, and its digest in the chain (hex). Set when the commit is sealed. */
  detailsSalt?: Uint8Array | undefined;
  detailsDigest?: string | undefined;
}

export interface NewInstruction {
  readonly batchId: Uuid;
  readonly ordinal: number;
  readonly type: string;
  readonly clientId: string;
  readonly clientTransactionId: string;
  readonly details?: Json | undefined;
  /** Where it says more than most: advice, overrides, device, related, fx, trued-up batches. */
  readonly terms?: Json | undefined;
  /** CT-9, except of movements. Amounts as decimal strings. */
  readonly effect?: Json | undefined;
  readonly reverses?: InstructionReference | undefined;
}

/** A change that is no batch: it has its place in the book's order and in the audit chain. */
export interface NewResourceChange {
  readonly seq: bigint;
  readonly knownAt: Instant;
  readonly kind: string;
  /** The thing's id at the border. */
  readonly key: string;
  readonly principal: string;
  readonly correlationId: string;
  /** Canonical JSON without anything personal. */
  readonly body: string;
  readonly link: Uint8Array;
}

/** A leg as it is stored and as it is hashed: the same texts. */
export interface NewPosting extends PostingPart {
  readonly batchId: Uuid;
  readonly seq: bigint;
}

export interface BalanceWrite extends Coordinate, Totals {
  readonly accountSeq: bigint;
  /** `accountSeq` as the writer saw it before; undefined: there was none. */
  readonly previousSeq: bigint | undefined;
}

export interface PositionedEvent {
  readonly position: bigint;
  readonly event: NewEvent;
}

/** The head was not as expected: another writer is at work, or an earlier commit of ours did not go through. Everything was rolled back. */
export const HEAD_MOVED = "FL002";
/** A balance was not as the writer's memory had it. Everything was rolled back. */
export const MEMORY_STALE = "FL004";

/** Told once per commit, in its transaction: {"position": "<outbox head>"}. */
export const LEDGER_CHANNEL = "florin_ledger";

/** Sends the commit down the pipe; resolves when it is durable. */
export async function applyBatch(pipeline: Pipeline, write: BookWrite): Promise<void> {
  await pipeline.commit(buildCommit(write));
}

/**
 * The one statement. Each part is a CTE that writes one table; parts without rows are left out, and what few rows need has a wide form of
 * its own, so that there are a handful of texts and each is prepared once.
 */
export function buildCommit(write: BookWrite): PipelinedStatement {
  const statement = new StatementBuilder();
  addHead(statement, write);
  addAccounts(statement, write);
  addOperations(statement, write);
  addBatches(statement, write);
  addInstructions(statement, write);
  addPostings(statement, write);
  addBalances(statement, write);
  addClientTransactions(statement, write);
  addResourceChanges(statement, write);
  addEvents(statement, write);
  addTerms(statement, write.bookId, write.terms);
  if (write.drainedCommandIds.length > 0)
    statement.part(
      "drained",
      `delete from ledger.command where command_id = any(${statement.array("uuid", plainArray(write.drainedCommandIds, itself))})`,
    );
  return statement.finish(write);
}

class StatementBuilder {
  readonly #parts: string[] = [];
  readonly #checks: string[] = [];
  readonly #parameters: string[] = [];

  value(type: string, text: string): string {
    this.#parameters.push(text);
    return `$${this.#parameters.length}::${type}`;
  }

  array(type: string, literal: string): string {
    return this.value(`${type}[]`, literal);
  }

  part(name: string, sql: string): void {
    this.#parts.push(`${name} as (${sql})`);
  }

  /** Rows that `name` must have returned. */
  expect(name: string, rows: number, state: string, reason: string): void {
    const count = this.value("bigint", String(rows));
    this.#checks.push(
      `case when (select count(*) from ${name}) <> ${count} then ledger.refuse_commit('${state}', '${reason}') end`,
    );
  }

  finish({ next }: BookWrite): PipelinedStatement {
    const told = this.value("text", JSON.stringify({ position: next.outboxPosition.toString() }));
    const text = `with ${this.#parts.join(",\n")}\nselect ${this.#checks.join(",\n")}, pg_notify('${LEDGER_CHANNEL}', ${told})`;
    return { text, parameters: this.#parameters };
  }
}

/** Columns of rows, by name: type and literal. */
type Columns = Readonly<Record<string, readonly [type: string, literal: string]>>;

function unnest(statement: StatementBuilder, columns: Columns): string {
  const entries = Object.entries(columns);
  const arrays = entries.map(([, [type, literal]]) => statement.array(type, literal));
  return `unnest(${arrays.join(", ")}) as r (${entries.map(([name]) => name).join(", ")})`;
}

const itself = <T>(value: T): T => value;

const toJson = (value: Json | undefined): string | undefined =>
  value === undefined ? undefined : JSON.stringify(value);

const hexOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");

const instantOf = (value: Instant | undefined): string | undefined =>
  value === undefined ? undefined : formatInstant(value);

function addHead(statement: StatementBuilder, write: BookWrite): void {
  const { bookId, leaseMs, epoch, expectedBatch, isFenced, next } = write;
  const set = [
    "batch = batch + 1",
    `seq = ${statement.value("bigint", String(next.seq))}`,
    `known_at = ${statement.value("timestamptz", formatInstant(next.knownAt))}`,
    `outbox_position = ${statement.value("bigint", String(next.outboxPosition))}`,
    `link = decode(${statement.value("text", hexOf(next.link)!)}, 'hex')`,
    `lease_until = clock_timestamp() + make_interval(secs => ${statement.value("float8", String(leaseMs / 1000))})`,
  ];
  const fence = isFenced
    ? ` and epoch = ${statement.value("bigint", String(epoch))} and batch = ${statement.value("bigint", String(expectedBatch))}`
    : "";
  statement.part(
    "swapped",
    `update ledger.head set ${set.join(", ")} where book_id = ${statement.value("smallint", String(bookId))}${fence} returning 1`,
  );
  statement.expect("swapped", 1, HEAD_MOVED, "the head of the book moved under this commit");
}

function addAccounts(statement: StatementBuilder, { bookId, openedAccounts: rows, closedAccounts }: BookWrite): void {
  if (rows.length > 0) {
    const owners = rows.flatMap(({ accountId, owners }) => owners.map((principal) => ({ accountId, principal })));
    const accounts = unnest(statement, {
      account_id: ["uuid", plainArray(rows, (r) => r.accountId)],
      product_version_id: ["uuid", plainArray(rows, (r) => r.productVersionId)],
      denomination: ["text", textArray(rows, (r) => r.denomination)],
      tside: ["text", plainArray(rows, (r) => r.tside)],
      parameters: ["text", textArray(rows, (r) => JSON.stringify(r.parameters))],
      opened_at: ["timestamptz", plainArray(rows, (r) => formatInstant(r.openedAt))],
    });
    statement.part(
      "opened",
      `insert into ledger.account (book_id, account_id, kind, product_version_id, denomination, tside, status, parameters, opened_at)
      select ${bookId}, account_id, 'CUSTOMER', product_version_id, denomination, tside, 'OPEN', parameters::jsonb, opened_at
      from ${accounts}`,
    );
    const named = unnest(statement, {
      account_id: ["uuid", plainArray(owners, (r) => r.accountId)],
      principal: ["text", textArray(owners, (r) => r.principal)],
    });
    statement.part(
      "owned",
      `insert into ledger.account_owner (book_id, account_id, principal) select ${bookId}, account_id, principal from ${named}`,
    );
  }
  if (closedAccounts.length === 0) return;
  const closed = unnest(statement, {
    account_id: ["uuid", plainArray(closedAccounts, (r) => r.accountId)],
    closed_at: ["timestamptz", plainArray(closedAccounts, (r) => formatInstant(r.closedAt))],
  });
  statement.part(
    "closed",
    `update ledger.account a set status = 'CLOSED', closed_at = r.closed_at from ${closed}
    where a.book_id = ${bookId} and a.account_id = r.account_id`,
  );
}

function addOperations(statement: StatementBuilder, { bookId, operations: rows }: BookWrite): void {
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

function addBatches(statement: StatementBuilder, { bookId, batches: rows }: BookWrite): void {
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

function addInstructions(statement: StatementBuilder, { bookId, instructions: rows }: BookWrite): void {
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

function addPostings(statement: StatementBuilder, { bookId, postings: rows }: BookWrite): void {
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

/** Known coordinates are moved on from where the writer saw them, new ones are made. */
function addBalances(statement: StatementBuilder, { bookId, balances }: BookWrite): void {
  const known = balances.filter(({ previousSeq }) => previousSeq !== undefined);
  const fresh = balances.filter(({ previousSeq }) => previousSeq === undefined);
  if (known.length > 0) {
    const rows = unnest(statement, {
      ...balanceColumns(known),
      previous_seq: ["bigint", plainArray(known, (r) => r.previousSeq)],
    });
    statement.part(
      "moved",
      `update ledger.balance b set total_debit = r.total_debit, total_credit = r.total_credit, account_seq = r.account_seq from ${rows}
      where b.book_id = ${bookId} and b.account_id = r.account_id and b.address = r.address and b.asset = r.asset
        and b.denomination = r.denomination and b.phase = r.phase and b.account_seq = r.previous_seq
      returning 1`,
    );
    statement.expect("moved", known.length, MEMORY_STALE, "a balance was not as the writer remembered it");
  }
  if (fresh.length === 0) return;
  const columns = balanceColumns(fresh);
  const names = Object.keys(columns).join(", ");
  statement.part(
    "made",
    `insert into ledger.balance (book_id, ${names}) select ${bookId}, ${names} from ${unnest(statement, columns)}`,
  );
}

function balanceColumns(rows: readonly BalanceWrite[]): Columns {
  return {
    account_id: ["uuid", plainArray(rows, (r) => r.accountId)],
    address: ["text", plainArray(rows, (r) => r.address)],
    asset: ["text", plainArray(rows, (r) => r.asset)],
    denomination: ["text", plainArray(rows, (r) => r.denomination)],
    phase: ["text", plainArray(rows, (r) => r.phase)],
    total_debit: ["numeric", plainArray(rows, (r) => amountToNumeric(r.totalDebit, r.denomination))],
    total_credit: ["numeric", plainArray(rows, (r) => amountToNumeric(r.totalCredit, r.denomination))],
    account_seq: ["bigint", plainArray(rows, (r) => r.accountSeq)],
  };
}

/** Opened, or followed up: the database refuses to change one that is closed (CT-5). */
function addClientTransactions(statement: StatementBuilder, { bookId, clientTransactions: rows }: BookWrite): void {
  if (rows.length === 0) return;
  const amounts = (pick: (row: ClientTransactionState) => Amount) =>
    plainArray(rows, (r) => (r.denomination === undefined ? "0" : amountToNumeric(pick(r), r.denomination)));
  const columns: Columns = {
    client_id: ["text", textArray(rows, (r) => r.clientId)],
    client_transaction_id: ["text", textArray(rows, (r) => r.clientTransactionId)],
    kind: ["text", plainArray(rows, (r) => r.kind)],
    direction: ["text", plainArray(rows, (r) => r.direction)],
    target: ["uuid", plainArray(rows, (r) => r.target)],
    counterparty: ["uuid", plainArray(rows, (r) => r.counterparty)],
    asset: ["text", plainArray(rows, (r) => r.asset)],
    denomination: ["text", plainArray(rows, (r) => r.denomination)],
    expires_at: ["timestamptz", plainArray(rows, (r) => instantOf(r.expiresAt))],
    on_expired: ["text", plainArray(rows, (r) => r.onExpired)],
    allow_over_settlement: ["boolean", plainArray(rows, (r) => String(r.allowOverSettlement))],
    authorised: ["numeric", amounts((r) => r.authorised)],
    adjusted: ["numeric", amounts((r) => r.adjusted)],
    settled: ["numeric", amounts((r) => r.settled)],
    over_settled: ["numeric", amounts((r) => r.overSettled)],
    released: ["numeric", amounts((r) => r.released)],
    closed_by: ["text", plainArray(rows, (r) => r.closedBy)],
  };
  const names = Object.keys(columns).join(", ");
  statement.part(
    "client_transactions",
    `insert into ledger.client_transaction (book_id, ${names}) select ${bookId}, ${names} from ${unnest(statement, columns)}
    on conflict (book_id, client_id, client_transaction_id) do update
      set authorised = excluded.authorised, adjusted = excluded.adjusted, settled = excluded.settled,
        over_settled = excluded.over_settled, released = excluded.released, closed_by = excluded.closed_by`,
  );
}

function addResourceChanges(statement: StatementBuilder, { bookId, resourceChanges: rows }: BookWrite): void {
  if (rows.length === 0) return;
  const changes = unnest(statement, {
    seq: ["bigint", plainArray(rows, (r) => r.seq)],
    known_at: ["timestamptz", plainArray(rows, (r) => formatInstant(r.knownAt))],
    kind: ["text", textArray(rows, (r) => r.kind)],
    key: ["text", textArray(rows, (r) => r.key)],
    principal: ["text", textArray(rows, (r) => r.principal)],
    correlation_id: ["text", textArray(rows, (r) => r.correlationId)],
    body: ["text", textArray(rows, (r) => r.body)],
    link: ["text", plainArray(rows, (r) => hexOf(r.link))],
  });
  statement.part(
    "resource_changes",
    `insert into ledger.resource_change (book_id, seq, known_at, kind, key, principal, correlation_id, body, link)
    select ${bookId}, seq, known_at, kind, key, principal, correlation_id, body, decode(link, 'hex') from ${changes}`,
  );
}

function addEvents(statement: StatementBuilder, { events: rows }: BookWrite): void {
  if (rows.length === 0) return;
  const events = unnest(statement, {
    event_id: ["uuid", plainArray(rows, (r) => r.event.eventId)],
    position: ["bigint", plainArray(rows, (r) => r.position)],
    key: ["text", textArray(rows, (r) => r.event.key)],
    type: ["text", textArray(rows, (r) => r.event.type)],
    schema_version: ["integer", plainArray(rows, (r) => r.event.schemaVersion)],
    occurred_at: ["timestamptz", plainArray(rows, (r) => formatInstant(r.event.occurredAt))],
    correlation_id: ["text", textArray(rows, (r) => r.event.correlationId)],
    causation_id: ["text", textArray(rows, (r) => r.event.causationId)],
    change_id: ["text", textArray(rows, (r) => r.event.changeId)],
    audience: ["text", textArray(rows, (r) => textArray(r.event.audience, itself))],
    payload: ["text", textArray(rows, (r) => toJson(r.event.payload))],
  });
  statement.part(
    "events",
    `insert into ledger.outbox (event_id, position, ordinal, key, type, schema_version, occurred_at, correlation_id, causation_id,
      change_id, audience, payload)
    select event_id, position, 0, key, type, schema_version, occurred_at, correlation_id, causation_id, change_id, audience::text[],
      payload::jsonb from ${events}`,
  );
}
