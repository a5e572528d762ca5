import {
  amountToNumeric,
  formatInstant,
  type Amount,
  type ClientTransactionState,
  type Coordinate,
  type CurrencyCode,
  type DecidedLeg,
  type Instant,
  type InstructionReference,
  type Json,
  type Money,
  type NewEvent,
  type Totals,
  type Uuid,
} from "@florin/kernel";
import type { Transaction } from "../connect-database.js";
import type { StoredOperation } from "./writer-state.js";

/**
 * The write half of a commit: everything that a gathered batch of commands did, set-based, in one flight of statements.
 *
 * The head is swapped first and checked last: a writer that lost its lease, or that was overtaken, finds another epoch or batch
 * number there, and the whole transaction is rolled back (HeadMoved). Behind that stand the unique keys of operation, instruction
 * and posting, INV-1 and INV-4 in the database's own triggers, and the uniqueness of outbox positions.
 * Cost: one round trip; each row of each table is written once.
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
  readonly batchId: Uuid;
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
  readonly link?: Uint8Array | undefined;
  readonly detailsSalt?: Uint8Array | undefined;
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

export interface NewPosting {
  readonly leg: DecidedLeg;
  readonly seq: bigint;
  readonly batchId: Uuid;
  readonly valueAt: Instant;
  readonly bookedAt: Instant;
}

export interface BalanceWrite extends Coordinate, Totals {
  readonly accountSeq: bigint;
}

export interface PositionedEvent {
  readonly position: bigint;
  readonly event: NewEvent;
}

/** The head was not as expected: another writer is at work. Everything was rolled back. */
export class HeadMoved extends Error {
  override readonly name = "HeadMoved";
  constructor() {
    super("The book's head moved under this batch. Read the head again; go on only while the lease is yours.");
  }
}

/** Told once per commit, in its transaction: {"position": "<outbox head>"}. */
export const LEDGER_CHANNEL = "florin_ledger";

export async function applyBatch(tx: Transaction, write: BookWrite): Promise<void> {
  const [swapped] = await Promise.all([
    swapHead(tx, write),
    insertAccounts(tx, write),
    closeAccounts(tx, write),
    insertOperations(tx, write),
    insertBatches(tx, write),
    insertInstructions(tx, write),
    insertPostings(tx, write),
    upsertBalances(tx, write),
    upsertClientTransactions(tx, write),
    insertEvents(tx, write),
    deleteCommands(tx, write.drainedCommandIds),
    tx`select pg_notify(${LEDGER_CHANNEL}, ${JSON.stringify({ position: write.next.outboxPosition.toString() })})`,
  ]);
  if (!swapped) throw new HeadMoved();
}

export async function deleteCommands(tx: Transaction, commandIds: readonly Uuid[]): Promise<void> {
  if (commandIds.length === 0) return;
  await tx`delete from ledger.command where command_id = any(${[...commandIds]}::uuid[])`;
}

async function swapHead(tx: Transaction, write: BookWrite): Promise<boolean> {
  const { bookId, leaseMs, epoch, expectedBatch, isFenced, next } = write;
  const rows = await tx`
    update ledger.head set batch = batch + 1, seq = ${next.seq}, known_at = ${formatInstant(next.knownAt)},
      outbox_position = ${next.outboxPosition},
      lease_until = clock_timestamp() + make_interval(secs => ${leaseMs / 1000}::float8)
    where book_id = ${bookId} and (not ${isFenced}::boolean or (epoch = ${epoch} and batch = ${expectedBatch}))
    returning 1`;
  return rows.length === 1;
}

/** One column of many rows for `unnest`. Text throughout: the driver would take the first bigint or boolean for the type of all. */
function column<Row>(
  rows: readonly Row[],
  pick: (row: Row) => string | bigint | number | undefined,
): (string | null)[] {
  return rows.map((row) => {
    const value = pick(row);
    return value === undefined ? null : String(value);
  });
}

const toJson = (value: Json | undefined): string | undefined =>
  value === undefined ? undefined : JSON.stringify(value);

async function insertAccounts(tx: Transaction, { bookId, openedAccounts: rows }: BookWrite): Promise<void> {
  if (rows.length === 0) return;
  const owners = rows.flatMap(({ accountId, owners }) => owners.map((principal) => ({ accountId, principal })));
  await Promise.all([
    tx`
      insert into ledger.account (book_id, account_id, kind, product_version_id, denomination, tside, status, parameters, opened_at)
      select ${bookId}, account_id, 'CUSTOMER', product_version_id, denomination, tside, 'OPEN', parameters::jsonb, opened_at
      from unnest(${column(rows, (r) => r.accountId)}::uuid[], ${column(rows, (r) => r.productVersionId)}::uuid[],
        ${column(rows, (r) => r.denomination)}::text[], ${column(rows, (r) => r.tside)}::text[],
        ${column(rows, (r) => JSON.stringify(r.parameters))}::text[],
        ${column(rows, (r) => formatInstant(r.openedAt))}::timestamptz[])
        as r (account_id, product_version_id, denomination, tside, parameters, opened_at)`,
    tx`
      insert into ledger.account_owner (book_id, account_id, principal)
      select ${bookId}, account_id, principal
      from unnest(${column(owners, (r) => r.accountId)}::uuid[], ${column(owners, (r) => r.principal)}::text[])
        as r (account_id, principal)`,
  ]);
}

async function closeAccounts(tx: Transaction, { bookId, closedAccounts: rows }: BookWrite): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    update ledger.account a set status = 'CLOSED', closed_at = r.closed_at
    from unnest(${column(rows, (r) => r.accountId)}::uuid[], ${column(rows, (r) => formatInstant(r.closedAt))}::timestamptz[])
      as r (account_id, closed_at)
    where a.book_id = ${bookId} and a.account_id = r.account_id`;
}

async function insertOperations(tx: Transaction, { bookId, operations: rows }: BookWrite): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into ledger.operation (operation_id, book_id, principal, idempotency_key, fingerprint, type, status, rejection_code,
      rejection_message, account_id, amount, denomination, batch_id, correlation_id, created_at, completed_at)
    select operation_id, ${bookId}, principal, idempotency_key, fingerprint, type, status, rejection_code,
      rejection_message, account_id, amount, denomination, batch_id, correlation_id, created_at, completed_at
    from unnest(${column(rows, (r) => r.operationId)}::uuid[], ${column(rows, (r) => r.principal)}::text[],
      ${column(rows, (r) => r.idempotencyKey)}::text[], ${column(rows, (r) => r.fingerprint)}::text[],
      ${column(rows, (r) => r.type)}::text[], ${column(rows, (r) => r.status)}::text[],
      ${column(rows, (r) => r.rejection?.code)}::text[], ${column(rows, (r) => r.rejection?.message)}::text[],
      ${column(rows, (r) => r.accountId)}::uuid[], ${column(rows, amountOf)}::numeric[],
      ${column(rows, (r) => r.amount?.currency)}::text[], ${column(rows, (r) => r.batchId)}::uuid[],
      ${column(rows, (r) => r.correlationId)}::text[], ${column(rows, (r) => formatInstant(r.createdAt))}::timestamptz[],
      ${column(rows, (r) => formatInstant(r.completedAt))}::timestamptz[])
      as r (operation_id, principal, idempotency_key, fingerprint, type, status, rejection_code, rejection_message, account_id,
        amount, denomination, batch_id, correlation_id, created_at, completed_at)`;
}

function amountOf({ amount: money }: NewOperation): string | undefined {
  return money && amountToNumeric(money.amount, money.currency);
}

async function insertBatches(tx: Transaction, { bookId, batches: rows }: BookWrite): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into ledger.posting_instruction_batch (book_id, batch_id, seq, client_id, client_batch_id, status, rejections, proposed,
      details, value_at, booked_at, known_at, origin, emitted_by, cascade_depth, remarks)
    select ${bookId}, batch_id, seq, client_id, client_batch_id, status, rejections::jsonb, proposed::jsonb,
      details::jsonb, value_at, booked_at, known_at, origin, emitted_by, cascade_depth, remarks::jsonb
    from unnest(${column(rows, (r) => r.batchId)}::uuid[], ${column(rows, (r) => r.seq)}::bigint[],
      ${column(rows, (r) => r.clientId)}::text[], ${column(rows, (r) => r.clientBatchId)}::text[],
      ${column(rows, (r) => r.status)}::text[], ${column(rows, (r) => toJson(r.rejections))}::text[],
      ${column(rows, (r) => toJson(r.proposed))}::text[], ${column(rows, (r) => toJson(r.details))}::text[],
      ${column(rows, (r) => formatInstant(r.valueAt))}::timestamptz[],
      ${column(rows, (r) => formatInstant(r.bookedAt))}::timestamptz[],
      ${column(rows, (r) => formatInstant(r.knownAt))}::timestamptz[], ${column(rows, (r) => r.origin)}::text[],
      ${column(rows, (r) => r.emittedBy?.accountId)}::uuid[], ${column(rows, (r) => r.emittedBy?.cascadeDepth)}::smallint[],
      ${column(rows, (r) => toJson(r.remarks))}::text[])
      as r (batch_id, seq, client_id, client_batch_id, status, rejections, proposed, details, value_at, booked_at, known_at, origin,
        emitted_by, cascade_depth, remarks)`;
}

async function insertInstructions(tx: Transaction, { bookId, instructions: rows }: BookWrite): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into ledger.posting_instruction (book_id, batch_id, ordinal, type, client_id, client_transaction_id, details, terms, effect,
      reverses_batch_id, reverses_ordinal)
    select ${bookId}, batch_id, ordinal, type, client_id, client_transaction_id, details::jsonb, terms::jsonb, effect::jsonb,
      reverses_batch_id, reverses_ordinal
    from unnest(${column(rows, (r) => r.batchId)}::uuid[], ${column(rows, (r) => r.ordinal)}::integer[],
      ${column(rows, (r) => r.type)}::text[], ${column(rows, (r) => r.clientId)}::text[],
      ${column(rows, (r) => r.clientTransactionId)}::text[], ${column(rows, (r) => toJson(r.details))}::text[],
      ${column(rows, (r) => toJson(r.terms))}::text[], ${column(rows, (r) => toJson(r.effect))}::text[],
      ${column(rows, (r) => r.reverses?.batchId)}::uuid[], ${column(rows, (r) => r.reverses?.ordinal)}::integer[])
      as r (batch_id, ordinal, type, client_id, client_transaction_id, details, terms, effect, reverses_batch_id, reverses_ordinal)`;
}

async function insertPostings(tx: Transaction, { bookId, postings: rows }: BookWrite): Promise<void> {
  if (rows.length === 0) return;
  const nets = (pick: (after: DecidedLeg["after"]) => DecidedLeg["amount"]) =>
    column(rows, ({ leg }) => amountToNumeric(pick(leg.after), leg.denomination));
  await tx`
    insert into ledger.posting (book_id, account_id, account_seq, seq, batch_id, ordinal, address, asset, denomination, phase, side,
      amount, value_at, booked_at, committed_after, pending_in_after, pending_out_after)
    select ${bookId}, r.*
    from unnest(${column(rows, (r) => r.leg.accountId)}::uuid[], ${column(rows, (r) => r.leg.accountSeq)}::bigint[],
      ${column(rows, (r) => r.seq)}::bigint[], ${column(rows, (r) => r.batchId)}::uuid[],
      ${column(rows, (r) => r.leg.ordinal)}::integer[], ${column(rows, (r) => r.leg.address)}::text[],
      ${column(rows, (r) => r.leg.asset)}::text[], ${column(rows, (r) => r.leg.denomination)}::text[],
      ${column(rows, (r) => r.leg.phase)}::text[], ${column(rows, (r) => r.leg.side)}::text[],
      ${column(rows, ({ leg }) => amountToNumeric(leg.amount, leg.denomination))}::numeric[],
      ${column(rows, (r) => formatInstant(r.valueAt))}::timestamptz[],
      ${column(rows, (r) => formatInstant(r.bookedAt))}::timestamptz[], ${nets((after) => after.committed)}::numeric[],
      ${nets((after) => after.pendingIn)}::numeric[], ${nets((after) => after.pendingOut)}::numeric[])
      as r (account_id, account_seq, seq, batch_id, ordinal, address, asset, denomination, phase, side, amount, value_at, booked_at,
        committed_after, pending_in_after, pending_out_after)`;
}

async function upsertBalances(tx: Transaction, { bookId, balances: rows }: BookWrite): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into ledger.balance (book_id, account_id, address, asset, denomination, phase, total_debit, total_credit, account_seq)
    select ${bookId}, r.*
    from unnest(${column(rows, (r) => r.accountId)}::uuid[], ${column(rows, (r) => r.address)}::text[],
      ${column(rows, (r) => r.asset)}::text[], ${column(rows, (r) => r.denomination)}::text[],
      ${column(rows, (r) => r.phase)}::text[], ${column(rows, (r) => amountToNumeric(r.totalDebit, r.denomination))}::numeric[],
      ${column(rows, (r) => amountToNumeric(r.totalCredit, r.denomination))}::numeric[],
      ${column(rows, (r) => r.accountSeq)}::bigint[])
      as r (account_id, address, asset, denomination, phase, total_debit, total_credit, account_seq)
    order by account_id, address, asset, denomination, phase
    on conflict (book_id, account_id, address, asset, denomination, phase) do update
      set total_debit = excluded.total_debit, total_credit = excluded.total_credit, account_seq = excluded.account_seq`;
}

async function upsertClientTransactions(
  tx: Transaction,
  { bookId, clientTransactions: rows }: BookWrite,
): Promise<void> {
  if (rows.length === 0) return;
  const amounts = (pick: (row: ClientTransactionState) => Amount) =>
    column(rows, (r) => (r.denomination === undefined ? "0" : amountToNumeric(pick(r), r.denomination)));
  await tx`
    insert into ledger.client_transaction (book_id, client_id, client_transaction_id, kind, direction, target, counterparty, asset,
      denomination, expires_at, on_expired, allow_over_settlement, authorised, adjusted, settled, over_settled, released, closed_by)
    select ${bookId}, r.*
    from unnest(${column(rows, (r) => r.clientId)}::text[], ${column(rows, (r) => r.clientTransactionId)}::text[],
      ${column(rows, (r) => r.kind)}::text[], ${column(rows, (r) => r.direction)}::text[],
      ${column(rows, (r) => r.target)}::uuid[], ${column(rows, (r) => r.counterparty)}::uuid[],
      ${column(rows, (r) => r.asset)}::text[], ${column(rows, (r) => r.denomination)}::text[],
      ${column(rows, (r) => r.expiresAt && formatInstant(r.expiresAt))}::timestamptz[],
      ${column(rows, (r) => r.onExpired)}::text[], ${column(rows, (r) => String(r.allowOverSettlement))}::boolean[],
      ${amounts((r) => r.authorised)}::numeric[], ${amounts((r) => r.adjusted)}::numeric[],
      ${amounts((r) => r.settled)}::numeric[], ${amounts((r) => r.overSettled)}::numeric[],
      ${amounts((r) => r.released)}::numeric[], ${column(rows, (r) => r.closedBy)}::text[])
      as r (client_id, client_transaction_id, kind, direction, target, counterparty, asset, denomination, expires_at, on_expired,
        allow_over_settlement, authorised, adjusted, settled, over_settled, released, closed_by)
    order by client_id, client_transaction_id
    on conflict (book_id, client_id, client_transaction_id) do update
      set authorised = excluded.authorised, adjusted = excluded.adjusted, settled = excluded.settled,
        over_settled = excluded.over_settled, released = excluded.released, closed_by = excluded.closed_by`;
}

async function insertEvents(tx: Transaction, { events: rows }: BookWrite): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into ledger.outbox (event_id, position, ordinal, key, type, schema_version, occurred_at, correlation_id, causation_id,
      change_id, audience, payload)
    select event_id, position, ordinal, key, type, schema_version, occurred_at, correlation_id, causation_id,
      change_id, array(select jsonb_array_elements_text(audience::jsonb)), payload::jsonb
    from unnest(${column(rows, (r) => r.event.eventId)}::uuid[], ${column(rows, (r) => r.position)}::bigint[],
      ${rows.map((_, index) => String(index))}::integer[], ${column(rows, (r) => r.event.key)}::text[],
      ${column(rows, (r) => r.event.type)}::text[], ${column(rows, (r) => r.event.schemaVersion)}::integer[],
      ${column(rows, (r) => formatInstant(r.event.occurredAt))}::timestamptz[],
      ${column(rows, (r) => r.event.correlationId)}::text[], ${column(rows, (r) => r.event.causationId)}::text[],
      ${column(rows, (r) => r.event.changeId)}::text[], ${column(rows, (r) => JSON.stringify(r.event.audience))}::text[],
      ${column(rows, (r) => JSON.stringify(r.event.payload))}::text[])
      as r (event_id, position, ordinal, key, type, schema_version, occurred_at, correlation_id, causation_id, change_id, audience,
        payload)`;
}
