import type { Instant, ProcessingGroup } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/** A group of accounts whose business days begin together (T-5), and up to when its past is closed (T-2). */
export interface StoredProcessingGroup extends ProcessingGroup {
  readonly code: string;
  readonly closedUntil: Instant | undefined;
}

export const MAIN_PROCESSING_GROUP = "main";

export async function listProcessingGroups(
  sql: Sql | Transaction,
  bookId: number,
): Promise<readonly StoredProcessingGroup[]> {
  const rows = await sql<{ code: string; timeZone: string; cutoff: string; closedUntil: Instant | null }[]>`
    select g.code, g.time_zone as "timeZone", to_char(g.cutoff, 'HH24:MI:SS') as cutoff,
      (select max(p.until) from ledger.period_close p where p.book_id = g.book_id and p.processing_group = g.code) as "closedUntil"
    from ledger.processing_group g where g.book_id = ${bookId} order by g.code`;
  return rows.map((row) => ({ ...row, closedUntil: row.closedUntil ?? undefined }));
}
