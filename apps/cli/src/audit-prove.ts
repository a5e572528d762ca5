import {
  createProofBuilder,
  GENESIS,
  isBatchRecord,
  parseCheckpoint,
  parseExportLine,
  recordText,
  verifyProof,
  type AuditEntry,
  type AuditRecord,
  type Checkpoint,
  type ProofSubject,
} from "@florin/audit";
import type { Database, Transaction } from "@florin/db";
import {
  findAuditRecord,
  findLastCheckpoint,
  findLink,
  listLinks,
  readAuditRecords,
  type AuditSubject,
} from "@florin/db/ledger";
import { asUuid, formatId, parseId, parseTransactionId } from "@florin/kernel";
import { readFile } from "node:fs/promises";
import { inSnapshot, MAIN_BOOK } from "./audit-export.js";
import { openSink, readLines } from "./audit-lines.js";
import { CommandFailure, misuse } from "./command-failure.js";
import { formatTable } from "./table.js";
import type { Terminal } from "./terminal.js";

export function parseSubject(text: string | undefined): AuditSubject {
  const transaction = text === undefined ? undefined : parseTransactionId(text);
  if (transaction !== undefined)
    return { kind: "posting", id: transaction.accountId, accountSeq: transaction.accountSeq.toString() };
  for (const [kind, of] of [
    ["batch", "batch"],
    ["operation", "operation"],
    ["balance", "account"],
  ] as const) {
    const id = parseId(of, text ?? "");
    if (id !== undefined) return { kind, id };
  }
  throw misuse(
    `${text ?? "Nothing"} cannot be proven. Name a transaction (txn_…), batch (pib_…), operation (op_…) or account (acct_…).`,
  );
}

interface Found {
  readonly subject: ProofSubject;
  readonly record: AuditRecord;
  readonly previousLink: Uint8Array;
}

/** A proof needs the record, the link before it, and the links of all that the last checkpoint covers. */
export async function proveSubject(
  source: { readonly database: Database } | { readonly file: string },
  wanted: AuditSubject,
  to: string | undefined,
  terminal: Terminal,
): Promise<void> {
  const proof =
    "file" in source
      ? await proveFromExport(source.file, wanted)
      : await inSnapshot(source.database, (tx) => proveFromTables(tx, wanted));
  const sink = await openSink(to, terminal);
  await sink.write(`${proof}\n`);
  await sink.end();
  if (to !== undefined) terminal.write(`proof written to ${to}\n`);
}

async function proveFromTables(tx: Transaction, wanted: AuditSubject): Promise<string> {
  const stored = await findLastCheckpoint(tx, MAIN_BOOK);
  if (stored === undefined) throw noCheckpoint();
  const at = await findAuditRecord(tx, MAIN_BOOK, wanted, stored.seq);
  if (at === undefined) throw notFound(wanted);
  let entry: AuditEntry | undefined;
  for await (const item of readAuditRecords(tx, { bookId: MAIN_BOOK, afterSeq: at.seq - 1n, untilSeq: at.seq }))
    if (item.kind === "record") entry = item.entry;
  if (entry === undefined) throw notFound(wanted);
  const previousLink = (await findLink(tx, MAIN_BOOK, at.seq - 1n)) ?? GENESIS;
  const found = { subject: at.subject, record: entry.record, previousLink };
  return await build(found, stored.note, (checkpoint) => linksOf(tx, checkpoint));
}

const PAGE = 10_000;

async function* linksOf(tx: Transaction, { seq, size }: Checkpoint): AsyncGenerator<Uint8Array> {
  for (let after = seq - BigInt(size); after < seq;) {
    const page = await listLinks(tx, MAIN_BOOK, after, PAGE);
    for (const next of page) if (next.seq <= seq) yield next.link;
    after = page.at(-1)?.seq ?? seq;
  }
}

async function proveFromExport(file: string, wanted: AuditSubject): Promise<string> {
  let note: string | undefined;
  let found: Found | undefined;
  let previousLink = GENESIS;
  for await (const line of readLines(file)) {
    const parsed = parseExportLine(line);
    if (parsed.kind === "checkpoint") note = parsed.note;
    if (parsed.kind !== "record") continue;
    const { record, link } = parsed.entry;
    if (note === undefined) throw noCheckpoint();
    const subject = matchSubject(record, wanted);
    const isCovered = BigInt(record.seq) <= parseCheckpoint(note).seq;
    if (subject !== undefined && (wanted.kind !== "balance" || isCovered)) found = { subject, record, previousLink };
    previousLink = link ?? GENESIS;
  }
  if (found === undefined || note === undefined) throw notFound(wanted);
  return await build(found, note, () => linksOfExport(file));
}

async function* linksOfExport(file: string): AsyncGenerator<Uint8Array> {
  for await (const line of readLines(file)) {
    const parsed = parseExportLine(line);
    if (parsed.kind === "record" && parsed.entry.link !== undefined) yield parsed.entry.link;
  }
}

function matchSubject(record: AuditRecord, wanted: AuditSubject): ProofSubject | undefined {
  if (!isBatchRecord(record)) return undefined;
  if (wanted.kind === "batch") return record.batchId === wanted.id ? wanted : undefined;
  if (wanted.kind === "operation") return record.operation?.operationId === wanted.id ? wanted : undefined;
  const own = record.postings.filter(({ accountId }) => accountId === wanted.id);
  if (wanted.kind === "posting") return own.some((one) => one.accountSeq === wanted.accountSeq) ? wanted : undefined;
  const seqs = own.map(({ accountSeq }) => BigInt(accountSeq)).sort((a, b) => (a < b ? -1 : 1));
  const last = seqs.at(-1);
  return last === undefined ? undefined : { kind: "posting", id: wanted.id, accountSeq: last.toString() };
}

async function build(
  { subject, record, previousLink }: Found,
  checkpointNote: string,
  links: (checkpoint: Checkpoint) => AsyncIterable<Uint8Array>,
): Promise<string> {
  const checkpoint = parseCheckpoint(checkpointNote);
  const builder = createProofBuilder({ subject, record: recordText(record), previousLink, checkpointNote });
  let taken = 0;
  for await (const link of links(checkpoint)) {
    if (taken === checkpoint.size) break;
    builder.append(link);
    taken++;
  }
  return builder.finish();
}

const noCheckpoint = () =>
  new CommandFailure(
    1,
    "Nothing is signed yet: the ledger writes its first checkpoint seconds after its first record.",
  );
const notFound = ({ kind, id }: AuditSubject) =>
  new CommandFailure(1, `There is no ${kind} ${id} under the last checkpoint. A new one is written every few seconds.`);

export async function verifyProofFile(
  file: string,
  verifierKey: string,
  isJson: boolean,
  terminal: Terminal,
): Promise<void> {
  const text = (await readFile(file, "utf8")).replace(/\n$/, "");
  const { subject, record, checkpoint, posting } = toFailure(() => verifyProof(text, verifierKey));
  if (isJson) {
    const { origin, size, seq, knownAt } = checkpoint;
    terminal.write(
      `${JSON.stringify({ subject, record, checkpoint: { origin, size, seq: seq.toString(), knownAt } })}\n`,
    );
    return;
  }
  const rows = [
    ["record", `seq ${record.seq}, known at ${record.knownAt}`],
    ["signed by", checkpoint.origin],
    ["checkpoint", `seq ${checkpoint.seq}, ${checkpoint.size} records, known at ${checkpoint.knownAt}`],
  ];
  if (isBatchRecord(record)) rows.unshift(["batch", `${formatId("batch", asUuid(record.batchId))} ${record.status}`]);
  if (posting !== undefined) {
    const { accountId, accountSeq, side, amount, denomination, phase, committedAfter, pendingOutAfter } = posting;
    rows.push(
      ["account", `${formatId("account", asUuid(accountId))}, its posting ${accountSeq}`],
      ["posting", `${side} ${amount} ${denomination} ${phase}, value ${posting.valueAt}`],
      ["balance behind it", `${committedAfter} committed, ${pendingOutAfter} held, ${posting.pendingInAfter} expected`],
    );
  }
  terminal.write(formatTable(["proven", "is"], rows));
}

function toFailure<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new CommandFailure(1, `Not proven: ${error instanceof Error ? error.message : String(error)}`);
  }
}
