import { createExportWriter, parseCheckpoint } from "@florin/audit";
import type { Database, Transaction } from "@florin/db";
import { listCheckpointNotes, readAuditRecords } from "@florin/db/ledger";
import { openSink, type LineSink } from "./audit-lines.js";
import { CommandFailure } from "./command-failure.js";
import type { Terminal } from "./terminal.js";

export const MAIN_BOOK = 1;

/** Runs in one snapshot, so that what is read page by page is one state of the book. */
export function inSnapshot<T>(database: Database, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return database.transaction(async (tx) => {
    await tx`set transaction isolation level repeatable read, read only`;
    await tx`set local idle_in_transaction_session_timeout = 0`; // whoever takes our output may be slow
    return await work(tx);
  });
}

export async function exportBook(
  database: Database,
  { to, withFreeText }: { readonly to: string | undefined; readonly withFreeText: boolean },
  terminal: Terminal,
): Promise<void> {
  const sink = await openSink(to, terminal);
  const records = await inSnapshot(database, (tx) => writeExport(tx, sink, withFreeText));
  await sink.end();
  if (to !== undefined) terminal.write(`${records} records written to ${to}\n`);
}

async function writeExport(tx: Transaction, sink: LineSink, withFreeText: boolean): Promise<number> {
  const writer = createExportWriter();
  const notes = await listCheckpointNotes(tx, MAIN_BOOK);
  const last = notes.at(-1);
  const origin = last === undefined ? "" : parseCheckpoint(last).origin;
  await sink.write(writer.header({ origin, exportedAt: await snapshotTime(tx), hasFreeText: withFreeText }));
  for (const note of notes) await sink.write(writer.checkpoint(note));
  let records = 0;
  for await (const item of readAuditRecords(tx, { bookId: MAIN_BOOK, withFreeText })) {
    if (item.kind === "stray")
      throw new CommandFailure(1, `At seq ${item.seq}: ${item.what}. See: florin audit verify --live`);
    await sink.write(writer.record(item.entry));
    records++;
  }
  await sink.write(writer.end());
  return records;
}

async function snapshotTime(tx: Transaction): Promise<string> {
  const [row] = await tx<{ at: string }[]>`
    select to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`;
  return row?.at ?? "";
}
