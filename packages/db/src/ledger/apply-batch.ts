import { formatInstant } from "@florin/kernel";
import { plainArray, textArray } from "../array-literal.js";
import type { Pipeline, PipelinedStatement } from "../pipeline.js";
import { addBalances, addClientTransactions } from "./balance-writes.js";
import type { BookWrite } from "./commit-rows.js";
import { addBatches, addInstructions, addOperations, addPostings } from "./posting-writes.js";
import { hexOf, itself, StatementBuilder, toJson, unnest } from "./statement-builder.js";
import { addTerms } from "./terms-writes.js";

/** The head was not as expected: another writer is at work, or an earlier commit of ours did not go through. Everything was rolled back. */
export const HEAD_MOVED = "FL002";
/** Told once per commit, in its transaction: {"position": "<outbox head>"}. */
export const LEDGER_CHANNEL = "florin_ledger";

/**
 * The write half of a commit: everything that a gathered batch of commands did, as one statement in one transaction.
 *
 * The head is swapped first: a writer that lost its lease, or whose commit before this one failed, finds another epoch or batch number
 * there, and everything is rolled back (HEAD_MOVED). Each balance moves on only from the `account_seq` at which the writer saw it
 * (MEMORY_STALE). Behind that stand the keys of operation, batch, instruction and posting, and INV-1 and INV-4 in the database's own
 * triggers. Cost: no round trip of its own; each row of each table is written once.
 */
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
  const told = statement.value("text", JSON.stringify({ position: write.next.outboxPosition.toString() }));
  return statement.finish(`pg_notify('${LEDGER_CHANNEL}', ${told})`);
}

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
