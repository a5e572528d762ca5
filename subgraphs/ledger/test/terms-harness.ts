import { fingerprintOf, operationIdOf, type Database } from "@florin/db";
import { productLibrary, type Json, type Product, type Uuid } from "@florin/kernel";
import { systemClock } from "@florin/resilience";
import { createLogger, createMetrics } from "@florin/telemetry";
import { createHookRunner, type HookRunnerOptions } from "../src/tasks/run-hooks.js";
import type { LedgerWriter, WriterOutcome } from "../src/writer/command.js";
import { termsChangeToJson, type TermsChange, type TermsCommand } from "../src/writer/terms-command.js";
import { openCommand, type TestBook } from "./test-book.js";

/** Changes of terms, and hooks that run when a test says so. */
export const STAFF = "usr_staff";
let keys = 0;

export function terms(change: TermsChange, more: Partial<TermsCommand> = {}): TermsCommand {
  const principal = more.principal ?? STAFF;
  const idempotencyKey = more.idempotencyKey ?? `terms-${++keys}`;
  return {
    kind: "terms",
    commandId: operationIdOf(principal, idempotencyKey),
    fingerprint: fingerprintOf({ change: termsChangeToJson(change) }),
    correlationId: `test-${idempotencyKey}`,
    createdAt: systemClock.now(),
    change,
    ...more,
    principal,
    idempotencyKey,
  };
}

export async function change(writer: LedgerWriter, what: TermsChange): Promise<TermsCommand> {
  const command = terms(what);
  const completed = { kind: "operation", operation: { status: "COMPLETED", rejection: undefined } };
  expect(await writer.submit(command)).toMatchObject(completed);
  return command;
}

export async function expectRefused(outcome: Promise<WriterOutcome>, code: string): Promise<void> {
  expect(await outcome).toMatchObject({ operation: { status: "REJECTED", rejection: { code } } });
}

export function hookRunner(
  writer: LedgerWriter,
  database: Database,
  more: Partial<HookRunnerOptions> = {},
): { runAll(): Promise<void> } {
  const runner = createHookRunner({
    database,
    writer,
    clock: systemClock,
    products: productLibrary,
    logger: createLogger({ name: "test", level: "silent" }),
    metrics: createMetrics({ processMetrics: false }),
    ...more,
  });
  return {
    runAll: async () => {
      while (await runner.runWindow());
    },
  };
}

export async function openAccountOf(
  book: TestBook,
  product: string,
  parameters: Json = {},
  more: { readonly currency?: string; readonly owners?: readonly string[] } = {},
): Promise<Uuid> {
  const command = openCommand({ product, parameters, ...more });
  expect(await book.writer.submit(command)).toMatchObject({ kind: "account", rejection: undefined });
  return command.accountId;
}

/** Committed nets by address, in the account's own sense, without zeros. */
export async function netsOf(book: TestBook, accountId: Uuid): Promise<Readonly<Record<string, string>>> {
  const rows = await book.admin.sql<{ address: string; net: string }[]>`
    select b.address, sum(case a.tside when 'LIABILITY' then b.total_credit - b.total_debit else b.total_debit - b.total_credit end)
      ::numeric(38, 2)::text as net
    from ledger.balance b join ledger.account a using (book_id, account_id)
    where b.account_id = ${accountId} and b.phase = 'COMMITTED' group by b.address order by b.address`;
  return Object.fromEntries(rows.filter(({ net }) => net !== "0.00").map(({ address, net }) => [address, net]));
}

export async function eventsOf(book: TestBook, type: string): Promise<readonly Json[]> {
  const rows = await book.admin.sql<{ payload: Json }[]>`
    select payload from ledger.outbox where type = ${type} order by position`;
  return rows.map(({ payload }) => payload);
}

export async function versionId(book: TestBook, { code, version }: Pick<Product, "code" | "version">): Promise<Uuid> {
  const [row] = await book.admin.sql<{ id: Uuid }[]>`
    select v.product_version_id as id from ledger.product_version v join ledger.product p using (product_id)
    where p.code = ${code} and v.version = ${version}`;
  return row!.id;
}
