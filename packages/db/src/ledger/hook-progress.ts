import { formatInstant, type CurrencyCode, type Instant, type Json, type Tside, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/** How far the hooks that run after commits have come: a cursor over the book's order, tasks beside it, and what failed (ledger.md §2.9). */
export interface HookCursor {
  /** Every record up to here was shown to its accounts' hooks. */
  readonly seq: bigint;
  readonly headSeq: bigint;
  /** Everything known up to here is in the tables: what one execution reads, it reads as of this (FET-6). */
  readonly knownAt: Instant;
}

export async function getHookCursor(sql: Sql, bookId: number): Promise<HookCursor> {
  const [row] = await sql<HookCursor[]>`
    select c.seq, h.seq as "headSeq", h.known_at as "knownAt"
    from ledger.hook_cursor c join ledger.head h using (book_id) where book_id = ${bookId}`;
  if (row === undefined) throw new Error(`book ${bookId} has no hook cursor. Run the migrations.`);
  return row;
}

/** Moves on from where it was read. false: somebody else has moved it. */
export async function moveHookCursor(sql: Sql, bookId: number, from: bigint, to: bigint): Promise<boolean> {
  const rows = await sql`
    update ledger.hook_cursor set seq = ${to} where book_id = ${bookId} and seq = ${from} returning 1`;
  return rows.length === 1;
}

export interface HookTask {
  readonly executionId: string;
  readonly seq: bigint;
  readonly accountId: Uuid;
  readonly hook: "postParameterChange" | "postPosting";
  readonly effectiveAt: Instant;
  readonly payload: Json;
}

/** The oldest first. */
export async function listHookTasks(sql: Sql, bookId: number, limit: number): Promise<readonly HookTask[]> {
  return await sql<HookTask[]>`
    select execution_id as "executionId", seq, account_id as "accountId", hook, effective_at as "effectiveAt", payload
    from ledger.hook_task where book_id = ${bookId} order by seq, execution_id limit ${limit}`;
}

/** Once its effect is committed; doing it again would change nothing. */
export async function deleteHookTask(sql: Sql, bookId: number, executionId: string): Promise<void> {
  await sql`delete from ledger.hook_task where book_id = ${bookId} and execution_id = ${executionId}`;
}

/** Whose later hooks wait. */
export async function listQuarantinedAccounts(
  sql: Sql,
  bookId: number,
  accountIds: readonly Uuid[],
): Promise<ReadonlySet<Uuid>> {
  if (accountIds.length === 0) return new Set();
  const rows = await sql<{ accountId: Uuid }[]>`
    select account_id as "accountId" from ledger.post_processing_failure
    where book_id = ${bookId} and resolved_at is null and account_id = any(${[...accountIds]}::uuid[])`;
  return new Set(rows.map(({ accountId }) => accountId));
}

export interface PostProcessingFailure {
  readonly executionId: string;
  readonly accountId: Uuid;
  readonly hook: string;
  readonly seq: bigint;
  readonly code: string;
  readonly reason: string;
  readonly attempt: number;
  readonly failedAt: Instant;
  readonly resolvedAt: Instant | null;
  readonly resolution: "RETRIED" | "SKIPPED" | null;
}

const failureColumns = (sql: Sql | Transaction) => sql`
  select execution_id as "executionId", account_id as "accountId", hook, seq, code, reason, attempt, failed_at as "failedAt",
    resolved_at as "resolvedAt", resolution
  from ledger.post_processing_failure`;

/** Open ones, the oldest first. */
export async function listOpenFailures(
  sql: Sql,
  bookId: number,
  limit: number,
): Promise<readonly PostProcessingFailure[]> {
  return await sql<PostProcessingFailure[]>`
    ${failureColumns(sql)} where book_id = ${bookId} and resolved_at is null order by failed_at, execution_id limit ${limit}`;
}

/** Its last one. */
export async function findFailure(
  sql: Sql | Transaction,
  bookId: number,
  executionId: string,
): Promise<PostProcessingFailure | undefined> {
  const [row] = await sql<PostProcessingFailure[]>`
    ${failureColumns(sql)} where book_id = ${bookId} and execution_id = ${executionId}
    order by attempt desc limit 1`;
  return row;
}

/** A recorded run (HOOK-4). */
export interface StoredHookExecution {
  readonly executionId: string;
  readonly attempt: number;
  readonly accountId: Uuid;
  readonly productVersionId: Uuid;
  readonly productCode: string;
  readonly productVersion: string;
  readonly hook: string;
  readonly format: number;
  readonly inputs: string;
  readonly outcome: string;
  readonly durationMicros: bigint;
  readonly batchId: Uuid | null;
  readonly executedAt: Instant;
}

/** Those of an account, or of all; the latest first, before `before` when it is given. */
export async function listHookExecutions(
  sql: Sql,
  bookId: number,
  page: { readonly accountId?: Uuid | undefined; readonly before?: Instant | undefined; readonly limit: number },
): Promise<readonly StoredHookExecution[]> {
  const before = page.before === undefined ? null : formatInstant(page.before);
  const accountId = page.accountId ?? null;
  return await sql<StoredHookExecution[]>`
    select e.execution_id as "executionId", e.attempt, e.account_id as "accountId", e.product_version_id as "productVersionId",
      p.code as "productCode", v.version as "productVersion", e.hook, e.format, e.inputs, e.outcome,
      e.duration_micros as "durationMicros", e.batch_id as "batchId", e.executed_at as "executedAt"
    from ledger.hook_execution e
    join ledger.product_version v using (product_version_id) join ledger.product p using (product_id)
    where e.book_id = ${bookId} and (${accountId}::uuid is null or e.account_id = ${accountId}::uuid)
      and (${before}::timestamptz is null or e.executed_at < ${before}::timestamptz)
    order by e.executed_at desc, e.execution_id desc, e.attempt desc
    limit ${page.limit}`;
}

/** An account's version now, and the conversions that brought it there, in order. */
export interface AccountVersions {
  readonly productVersionId: Uuid;
  readonly conversions: readonly { readonly seq: bigint; readonly fromVersionId: Uuid }[];
}

export async function listAccountVersions(
  sql: Sql,
  bookId: number,
  accountIds: readonly Uuid[],
): Promise<ReadonlyMap<Uuid, AccountVersions>> {
  if (accountIds.length === 0) return new Map();
  const rows = await sql<{ accountId: Uuid; productVersionId: Uuid; seq: bigint | null; fromVersionId: Uuid | null }[]>`
    select a.account_id as "accountId", a.product_version_id as "productVersionId", v.seq, v.from_version_id as "fromVersionId"
    from ledger.account a
    left join ledger.account_version v on v.book_id = a.book_id and v.account_id = a.account_id
    where a.book_id = ${bookId} and a.account_id = any(${[...accountIds]}::uuid[]) and a.product_version_id is not null
    order by a.account_id, v.seq`;
  const versions = new Map<Uuid, AccountVersions & { readonly conversions: { seq: bigint; fromVersionId: Uuid }[] }>();
  for (const { accountId, productVersionId, seq, fromVersionId } of rows) {
    const own = versions.get(accountId) ?? { productVersionId, conversions: [] };
    if (seq !== null && fromVersionId !== null) own.conversions.push({ seq, fromVersionId });
    versions.set(accountId, own);
  }
  return versions;
}

/** What a hook is shown of its account, beside what it declared. */
export interface HookAccountRow {
  readonly accountId: Uuid;
  readonly denomination: CurrencyCode;
  readonly tside: Tside;
  readonly openedAt: Instant;
  readonly parameters: Readonly<Record<string, string>>;
  readonly productVersionId: Uuid | null;
}

export async function findStoredAccount(
  sql: Sql,
  bookId: number,
  accountId: Uuid,
): Promise<HookAccountRow | undefined> {
  const [row] = await sql<HookAccountRow[]>`
    select account_id as "accountId", denomination, tside, opened_at as "openedAt", parameters, product_version_id as "productVersionId"
    from ledger.account where book_id = ${bookId} and account_id = ${accountId}`;
  return row;
}
