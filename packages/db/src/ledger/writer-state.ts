import {
  amountFromNumeric,
  applyChange,
  beginClientTransaction,
  formatInstant,
  ZERO,
  type Amount,
  type ClientTransactionState,
  type ClientTransactionTerms,
  type ClosedBy,
  type CurrencyCode,
  type Direction,
  type Instant,
  type Json,
  type Money,
  type Phase,
  type Tside,
  type Uuid,
} from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/**
 * What the writer reads before it decides: what its memory does not hold. Single statements, without a transaction and without locks: of
 * what is read here nothing is in a commit under way (the writer's memory holds what is), and nobody else writes while the fence holds;
 * a writer that was overtaken reads what it likes, its commit finds another epoch in the head (ORD-2).
 */
export interface WriterStateQuery {
  readonly bookId: number;
  readonly operationIds: readonly Uuid[];
  /** Ids of the events that answered account commands before, if they did. */
  readonly answerEventIds: readonly Uuid[];
  readonly accountIds: readonly Uuid[];
  readonly clientTransactions: readonly { readonly clientId: string; readonly clientTransactionId: string }[];
}

export interface StoredOperation {
  readonly operationId: Uuid;
  readonly principal: string;
  readonly idempotencyKey: string;
  readonly fingerprint: string;
  readonly type: "DEPOSIT" | "WITHDRAWAL" | "BOOK_TRANSFER" | "REVERSAL" | "PAYMENT" | "OTHER";
  readonly status: "COMPLETED" | "REJECTED";
  readonly rejection: { readonly code: string; readonly message: string } | undefined;
  readonly accountId: Uuid | undefined;
  readonly amount: Money | undefined;
  readonly batchId: Uuid;
  readonly correlationId: string;
  readonly createdAt: Instant;
  readonly completedAt: Instant;
}

/** The event that answered an account command. */
export interface StoredAnswer {
  readonly eventId: Uuid;
  readonly type: string;
  readonly payload: Json;
}

export interface StoredAccount {
  readonly accountId: Uuid;
  readonly kind: "CUSTOMER" | "INTERNAL";
  readonly productVersionId: Uuid | null;
  readonly denomination: CurrencyCode;
  readonly tside: Tside;
  readonly status: "PENDING" | "OPEN" | "PENDING_CLOSURE" | "CLOSED";
  readonly parameters: Readonly<Record<string, string>>;
  readonly openedAt: Instant;
  readonly owners: readonly string[];
}

export interface StoredBalance {
  readonly accountId: Uuid;
  readonly address: string;
  readonly asset: string;
  readonly denomination: CurrencyCode;
  readonly phase: Phase;
  /** numeric as text */
  readonly totalDebit: string;
  readonly totalCredit: string;
  readonly accountSeq: bigint;
}

export interface WriterState {
  readonly operations: readonly StoredOperation[];
  readonly answers: readonly StoredAnswer[];
  readonly accounts: readonly StoredAccount[];
  readonly balances: readonly StoredBalance[];
  /** Those of the query's that exist. */
  readonly clientTransactions: readonly ClientTransactionState[];
}

export async function readWriterState(sql: Sql, query: WriterStateQuery): Promise<WriterState> {
  const [operations, answers, accounts, balances, clientTransactions] = await Promise.all([
    findStoredOperations(sql, query.operationIds),
    findAnswers(sql, query.answerEventIds),
    findStoredAccounts(sql, query),
    findBalances(sql, query),
    findClientTransactions(sql, query),
  ]);
  return { operations, answers, accounts, balances, clientTransactions };
}

interface OperationColumns extends Omit<StoredOperation, "rejection" | "accountId" | "amount"> {
  readonly rejectionCode: string | null;
  readonly rejectionMessage: string | null;
  readonly accountId: Uuid | null;
  readonly amount: string | null;
  readonly denomination: CurrencyCode | null;
}

export async function findStoredOperations(
  sql: Sql | Transaction,
  operationIds: readonly Uuid[],
): Promise<readonly StoredOperation[]> {
  if (operationIds.length === 0) return [];
  const rows = await sql<OperationColumns[]>`
    select operation_id as "operationId", principal, idempotency_key as "idempotencyKey", fingerprint, type, status,
      rejection_code as "rejectionCode", rejection_message as "rejectionMessage", account_id as "accountId",
      amount::text as amount, denomination, batch_id as "batchId", correlation_id as "correlationId",
      created_at as "createdAt", completed_at as "completedAt"
    from ledger.operation where operation_id = any(${[...operationIds]}::uuid[])`;
  return rows.map(({ rejectionCode, rejectionMessage, accountId, amount, denomination, ...rest }) => ({
    ...rest,
    rejection:
      rejectionCode === null || rejectionMessage === null
        ? undefined
        : { code: rejectionCode, message: rejectionMessage },
    accountId: accountId ?? undefined,
    amount:
      amount === null || denomination === null
        ? undefined
        : { amount: amountFromNumeric(amount, denomination), currency: denomination },
  }));
}

export async function findAnswers(sql: Sql | Transaction, eventIds: readonly Uuid[]): Promise<readonly StoredAnswer[]> {
  if (eventIds.length === 0) return [];
  return await sql<StoredAnswer[]>`
    select event_id as "eventId", type, payload from ledger.outbox where event_id = any(${[...eventIds]}::uuid[])`;
}

async function findStoredAccounts(tx: Sql, query: WriterStateQuery): Promise<readonly StoredAccount[]> {
  if (query.accountIds.length + query.clientTransactions.length === 0) return [];
  return await tx<StoredAccount[]>`
    select a.account_id as "accountId", a.kind, a.product_version_id as "productVersionId", a.denomination, a.tside,
      a.status, a.parameters, a.opened_at as "openedAt",
      array(select o.principal from ledger.account_owner o
            where o.book_id = a.book_id and o.account_id = a.account_id order by o.principal) as owners
    from ledger.account a
    where a.book_id = ${query.bookId} and a.account_id = any(${wantedAccounts(tx, query)})`;
}

/** The accounts that the commands name, and both parties of every client transaction that they follow up. */
function wantedAccounts(tx: Sql, { bookId, accountIds, clientTransactions: keys }: WriterStateQuery) {
  if (keys.length === 0) return tx`${[...accountIds]}::uuid[]`;
  return tx`array(
    select unnest(${[...accountIds]}::uuid[])
    union
    select party.account_id
    from unnest(${keys.map((key) => key.clientId)}::text[], ${keys.map((key) => key.clientTransactionId)}::text[])
      as wanted (client_id, id)
    join ledger.client_transaction c
      on c.book_id = ${bookId} and c.client_id = wanted.client_id and c.client_transaction_id = wanted.id
    cross join lateral (values (c.target), (c.counterparty)) party (account_id)
    where party.account_id is not null)`;
}

async function findBalances(tx: Sql, query: WriterStateQuery): Promise<readonly StoredBalance[]> {
  if (query.accountIds.length + query.clientTransactions.length === 0) return [];
  return await tx<StoredBalance[]>`
    select account_id as "accountId", address, asset, denomination, phase, total_debit::text as "totalDebit",
      total_credit::text as "totalCredit", account_seq as "accountSeq"
    from ledger.balance
    where book_id = ${query.bookId} and account_id = any(${wantedAccounts(tx, query)})
    order by account_id, address, asset, denomination, phase`;
}

interface ClientTransactionColumns extends Omit<
  ClientTransactionTerms,
  "direction" | "target" | "counterparty" | "asset" | "denomination" | "expiresAt"
> {
  readonly direction: Direction | null;
  readonly target: Uuid | null;
  readonly counterparty: Uuid | null;
  readonly asset: string | null;
  readonly denomination: CurrencyCode | null;
  readonly expiresAt: Instant | null;
  readonly authorised: string;
  readonly adjusted: string;
  readonly settled: string;
  readonly overSettled: string;
  readonly released: string;
  readonly closedBy: ClosedBy | null;
}

const selectClientTransaction = (sql: Sql | Transaction) => sql`
  select c.client_id as "clientId", c.client_transaction_id as "clientTransactionId", c.kind, c.direction, c.target, c.counterparty,
    c.asset, c.denomination, c.expires_at as "expiresAt", c.on_expired as "onExpired",
    c.allow_over_settlement as "allowOverSettlement", c.authorised::text as authorised, c.adjusted::text as adjusted,
    c.settled::text as settled, c.over_settled::text as "overSettled", c.released::text as released, c.closed_by as "closedBy"
  from ledger.client_transaction c`;

/** Those of the keys that exist. */
export async function findClientTransactions(
  sql: Sql | Transaction,
  { bookId, clientTransactions: keys }: Pick<WriterStateQuery, "bookId" | "clientTransactions">,
): Promise<readonly ClientTransactionState[]> {
  if (keys.length === 0) return [];
  const rows = await sql<ClientTransactionColumns[]>`
    ${selectClientTransaction(sql)}
    join unnest(${keys.map((key) => key.clientId)}::text[], ${keys.map((key) => key.clientTransactionId)}::text[])
      as wanted (client_id, id)
      on c.book_id = ${bookId} and c.client_id = wanted.client_id and c.client_transaction_id = wanted.id`;
  return rows.map(toClientTransaction);
}

/** Open authorisations whose time is up, the first to expire first (CT-6). */
export async function listExpiredHolds(
  sql: Sql | Transaction,
  page: { readonly bookId: number; readonly now: Instant; readonly limit: number },
): Promise<readonly ClientTransactionState[]> {
  const rows = await sql<ClientTransactionColumns[]>`
    ${selectClientTransaction(sql)}
    where c.book_id = ${page.bookId} and c.closed_by is null and c.expires_at <= ${formatInstant(page.now)}::timestamptz
    order by c.expires_at, c.client_id, c.client_transaction_id
    limit ${page.limit}`;
  return rows.map(toClientTransaction);
}

function toClientTransaction(row: ClientTransactionColumns): ClientTransactionState {
  const { denomination } = row;
  const amount = (text: string): Amount => (denomination === null ? ZERO : amountFromNumeric(text, denomination));
  const begun = beginClientTransaction({
    ...row,
    direction: row.direction ?? undefined,
    target: row.target ?? undefined,
    counterparty: row.counterparty ?? undefined,
    asset: row.asset ?? undefined,
    denomination: denomination ?? undefined,
    expiresAt: row.expiresAt ?? undefined,
  });
  return applyChange(begun, {
    authorised: amount(row.authorised),
    adjusted: amount(row.adjusted),
    settled: amount(row.settled),
    overSettled: amount(row.overSettled),
    released: amount(row.released),
    closedBy: row.closedBy ?? undefined,
  });
}
