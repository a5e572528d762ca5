import {
  createRangeBuilder,
  EMPTY_RANGE,
  findCheckpointDamage,
  isEqual,
  leafHash,
  parseCheckpoint,
  type Checkpoint,
  type CheckpointSigner,
} from "@florin/audit";
import type { Database } from "@florin/db";
import { findLastCheckpoint, findLink, insertCheckpoint, listCheckpointNotes, listLinks } from "@florin/db/ledger";
import { formatInstant } from "@florin/kernel";
import type { Logger, Metrics } from "@florin/telemetry";
import { writeVerifierKey, type CheckpointFile } from "./checkpoint-file.js";

/**
 * Signs the state of the audit chain every few seconds (AUD-2), in the process that holds the book's lease, and keeps it twice: in
 * `ledger.audit_checkpoint` and in a file outside the database.
 *
 * A round: does the history still fit what was signed last, here and in the file? → links behind the last checkpoint, in pages → the tree
 * goes on from the stored range → sign, insert, append. Nothing is kept between rounds, so whoever takes the lease goes on from there; two at
 * once write the same, and the first row stands. History that no longer fits is never signed over: it is an error in the log and a metric
 * until somebody has looked (docs/audit.md). Cost: one hash and one index row for each record.
 */
const BOOK = 1;
const EVERY_MS = 10_000;
const PAGE = 10_000;
/** A checkpoint covers at most so many new records; one that was away for long writes several. */
const MAX_RECORDS = 100_000;

export interface CheckpointOptions {
  readonly database: Database;
  readonly isLeader: () => boolean;
  readonly signer: CheckpointSigner;
  /** Whose log: the signer's. */
  readonly origin: string;
  /** undefined: the database alone keeps them, and a history that was rewritten there is not noticed. */
  readonly file?: { readonly path: string; readonly store: CheckpointFile } | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Default 10 000; 0: never by itself. */
  readonly everyMs?: number | undefined;
}

export interface CheckpointTask {
  /** One round now; resolves with the seq of the last checkpoint there is. Rejects with HistoryChanged. */
  write(): Promise<bigint | undefined>;
  stop(deadlineMs: number): Promise<void>;
}

/** What was signed is not what is there. */
export class HistoryChanged extends Error {
  override readonly name = "HistoryChanged";
}

export function startCheckpoints(options: CheckpointOptions): CheckpointTask {
  const { signer, file, isLeader, logger, metrics, everyMs = EVERY_MS } = options;
  const covered = metrics.gauge({
    name: "florin_ledger_audit_checkpoint_seq",
    help: "The last record that a signed checkpoint of this process covers.",
  });
  const changed = metrics.gauge({
    name: "florin_ledger_audit_history_changed",
    help: "1: the audit chain no longer fits what was signed. Nothing is signed until somebody has looked (docs/audit.md).",
  });
  logger.info({ verifierKey: signer.verifierKey, file: file?.path }, "checkpoints of the audit chain are signed");
  let running: Promise<bigint | undefined> | undefined;

  async function round(): Promise<bigint | undefined> {
    if (file !== undefined) await writeVerifierKey(file.path, signer.verifierKey);
    const last = await writeCheckpoints(options);
    if (last !== undefined) covered.set(Number(last));
    changed.set(0);
    return last;
  }
  const write = () => (running ??= round().finally(() => (running = undefined)));
  function tick(): void {
    if (!isLeader()) return;
    write().catch((error: unknown) => {
      if (error instanceof HistoryChanged) changed.set(1);
      const level = error instanceof HistoryChanged ? "error" : "warn";
      logger[level]({ err: error }, "no checkpoint of the audit chain could be written; it is tried again");
    });
  }
  const timer = everyMs === 0 ? undefined : setInterval(tick, everyMs);
  timer?.unref();
  return {
    write,
    stop: async () => {
      clearInterval(timer);
      await running?.catch(() => undefined);
    },
  };
}

async function writeCheckpoints(options: CheckpointOptions): Promise<bigint | undefined> {
  const { database, file } = options;
  await assertStillFits(options);
  while ((await writeNext(options)) === MAX_RECORDS);
  const last = await findLastCheckpoint(database.sql, BOOK);
  if (file !== undefined) {
    const kept = (await file.store.last())?.seq ?? 0n;
    const missing = await listCheckpointNotes(database.sql, BOOK, { afterSeq: kept });
    if (missing.length > 0) await file.store.append(missing);
  }
  return last?.seq;
}

/** The chain must still go through what was signed: by the table, and by the file, which whoever changes the table cannot reach. */
async function assertStillFits({ database, file, origin }: CheckpointOptions): Promise<void> {
  const stored = await findLastCheckpoint(database.sql, BOOK);
  const damage = stored && findCheckpointDamage(stored);
  if (stored !== undefined && damage !== undefined)
    throw new HistoryChanged(`At seq ${stored.seq} ${damage}. Run florin audit verify --live.`);
  const signed: readonly (Checkpoint | undefined)[] = [
    stored && parseCheckpoint(stored.note),
    file && (await file.store.last()),
  ];
  for (const checkpoint of signed) {
    if (checkpoint === undefined || checkpoint.origin !== origin) continue;
    const link = await findLink(database.sql, BOOK, checkpoint.seq);
    if (link === undefined || !isEqual(link, checkpoint.link))
      throw new HistoryChanged(
        `The chain at seq ${checkpoint.seq} is not what was signed at ${checkpoint.knownAt}. Run florin audit verify --live with the checkpoints kept elsewhere.`,
      );
  }
}

/** How many records the next checkpoint covers that the last did not; 0: there was nothing to sign. */
async function writeNext({ database, signer, origin, logger }: CheckpointOptions): Promise<number> {
  const last = await findLastCheckpoint(database.sql, BOOK);
  const tree = createRangeBuilder(last?.tree ?? EMPTY_RANGE);
  let end: Pick<Checkpoint, "seq" | "link" | "knownAt"> | undefined;
  let seq = last?.seq;
  let records = 0;
  while (records < MAX_RECORDS) {
    const page = await listLinks(database.sql, BOOK, seq ?? 0n, PAGE);
    for (const next of page) {
      if (seq !== undefined && next.seq !== seq + 1n)
        throw new HistoryChanged(`Record ${seq + 1n} is missing before ${next.seq}. Run florin audit verify --live.`);
      tree.append(leafHash(next.link));
      seq = next.seq;
      end = { seq, link: next.link, knownAt: formatInstant(next.knownAt) };
      records++;
    }
    if (page.length < PAGE) break;
  }
  if (end === undefined) return 0;
  const range = tree.range();
  const note = signer.sign({ origin, size: range.size, root: tree.root(), ...end });
  const isOurs = await insertCheckpoint(database.sql, BOOK, { seq: end.seq, tree: range, root: tree.root(), note });
  if (isOurs) logger.info({ seq: end.seq.toString(), records }, "checkpoint of the audit chain written");
  return records;
}
