import type { Database } from "@florin/db";

/**
 * How deep a B-tree is, from its size and the width of its key alone: pages of 8 kB; an entry of an inner page is a key with its header,
 * and such a page is some 70 % full. A level more is one page more to touch for each entry, and that page is one of the upper ones,
 * which stay in memory; what grows with the book is the lowest level, of which a random key touches any.
 */
export interface IndexSize {
  readonly index: string;
  readonly entries: number;
  readonly bytes: number;
  /** Of one key; 32 for each text in it. */
  readonly keyBytes: number;
}

export interface IndexGrowth {
  readonly index: string;
  readonly entries: number;
  readonly megabytes: number;
  readonly bytesAnEntry: number;
  readonly depth: number;
  readonly depthOnPaper: number;
  readonly megabytesOnPaper: number;
}

const PAGE_BYTES = 8_192;
const INNER_FILLED = 0.7;
/** Header of an index tuple and its line pointer. */
const ENTRY_BYTES = 12;
/** Tables that a transfer adds rows to. */
const WRITTEN = ["operation", "posting_instruction_batch", "posting_instruction", "posting", "outbox"];

export async function listIndexSizes(database: Database): Promise<readonly IndexSize[]> {
  const rows = await database.sql<{ index: string; entries: number; bytes: number; keyBytes: number }[]>`
    select i.relname as index, greatest(i.reltuples, 0)::float8 as entries, pg_relation_size(i.oid)::float8 as bytes,
      (select sum(case when attlen > 0 then attlen else 32 end)::float8 from pg_attribute where attrelid = i.oid) as "keyBytes"
    from pg_index x
    join pg_class i on i.oid = x.indexrelid
    join pg_class t on t.oid = x.indrelid
    join pg_namespace n on n.oid = t.relnamespace
    where n.nspname = 'ledger' and t.relname = any(${WRITTEN})
    order by bytes desc, i.relname`;
  return rows;
}

/** What `postings` made of each index, and what `onPaper` postings would. An index that did not grow with them stays as it is. */
export function growthOnPaper(sizes: readonly IndexSize[], postings: number, onPaper: number): readonly IndexGrowth[] {
  const times = postings === 0 ? 1 : onPaper / postings;
  return sizes
    .filter(({ entries }) => entries > 0)
    .map(({ index, entries, bytes, keyBytes }) => {
      const bytesAnEntry = bytes / entries;
      return {
        index,
        entries: Math.round(entries),
        megabytes: bytes / 2 ** 20,
        bytesAnEntry,
        depth: depthOf(bytes, keyBytes),
        depthOnPaper: depthOf(bytes * times, keyBytes),
        megabytesOnPaper: (bytes * times) / 2 ** 20,
      };
    });
}

/** Levels from the root to the leaves, both counted. */
function depthOf(bytes: number, keyBytes: number): number {
  const entryBytes = ENTRY_BYTES + Math.ceil(keyBytes / 8) * 8;
  const fanOut = Math.floor((PAGE_BYTES * INNER_FILLED) / entryBytes);
  let depth = 1;
  for (let pages = Math.ceil(bytes / PAGE_BYTES); pages > 1; pages = Math.ceil(pages / fanOut)) depth++;
  return depth;
}
