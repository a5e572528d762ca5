import type { CompactRange } from "@florin/audit";
import type { Sql, Transaction } from "../connect-database.js";

/** A signed state of the book's chain, and the tree to go on from (000005-audit-checkpoints.sql). */
export interface StoredCheckpoint {
  /** Of the last record that it covers. */
  readonly seq: bigint;
  readonly tree: CompactRange;
  readonly root: Uint8Array;
  /** As it was signed. */
  readonly note: string;
}

const HASH_BYTES = 32;

interface CheckpointRow {
  readonly seq: bigint;
  readonly size: bigint;
  readonly root: Uint8Array;
  readonly note: string;
  readonly tree: Uint8Array;
}

export async function findLastCheckpoint(
  sql: Sql | Transaction,
  bookId: number,
): Promise<StoredCheckpoint | undefined> {
  const [row] = await sql<CheckpointRow[]>`
    select seq, size, root, note, tree from ledger.audit_checkpoint where book_id = ${bookId} order by seq desc limit 1`;
  return row && toCheckpoint(row);
}

/** Oldest first. */
export async function listCheckpoints(sql: Sql | Transaction, bookId: number): Promise<readonly StoredCheckpoint[]> {
  const rows = await sql<CheckpointRow[]>`
    select seq, size, root, note, tree from ledger.audit_checkpoint where book_id = ${bookId} order by seq`;
  return rows.map(toCheckpoint);
}

/** Oldest first, each as it was signed. */
export async function listCheckpointNotes(
  sql: Sql | Transaction,
  bookId: number,
  { afterSeq = 0n }: { readonly afterSeq?: bigint } = {},
): Promise<readonly string[]> {
  const rows = await sql<{ note: string }[]>`
    select note from ledger.audit_checkpoint where book_id = ${bookId} and seq > ${afterSeq} order by seq`;
  return rows.map(({ note }) => note);
}

/** false: somebody else has written one for this seq or this size. Theirs stands. */
export async function insertCheckpoint(
  sql: Sql | Transaction,
  bookId: number,
  { seq, tree, root, note }: StoredCheckpoint,
): Promise<boolean> {
  const rows = await sql`
    insert into ledger.audit_checkpoint (book_id, seq, size, root, note, tree)
    values (${bookId}, ${seq}, ${tree.size.toString()}::bigint, ${Buffer.from(root)}, ${note}, ${Buffer.concat([...tree.hashes])})
    on conflict do nothing returning 1`;
  return rows.length === 1;
}

function toCheckpoint({ seq, size, root, note, tree }: CheckpointRow): StoredCheckpoint {
  const hashes: Uint8Array[] = [];
  for (let begin = 0; begin < tree.length; begin += HASH_BYTES) hashes.push(tree.subarray(begin, begin + HASH_BYTES));
  return { seq, tree: { size: Number(size), hashes }, root, note };
}

/** The link under this seq; undefined when there is no such record, or it is older than the chain. */
export async function findLink(sql: Sql | Transaction, bookId: number, seq: bigint): Promise<Uint8Array | undefined> {
  const [row] = await sql<{ link: Uint8Array | null }[]>`
    select link from ledger.posting_instruction_batch where book_id = ${bookId} and seq = ${seq}
    union all
    select link from ledger.resource_change where book_id = ${bookId} and seq = ${seq}`;
  return row?.link ?? undefined;
}
