import { DISTANT_PAST } from "../connect-database.js";
import type { Instant } from "@florin/kernel";
import type { Sql } from "../connect-database.js";

const BOOK = 1;

/**
 * The sealed watermark (T-3): every record of the book with a known time up to here is there, and none will be added. It is the known time of
 * the last commit that this database shows, so a replica has its own. undefined before the first commit.
 */
export async function findKnownAt(sql: Sql): Promise<Instant | undefined> {
  const rows = await sql<{ knownAt: Instant }[]>`
    select known_at as "knownAt" from ledger.head where book_id = ${BOOK}`;
  const knownAt = rows[0]?.knownAt;
  return knownAt === DISTANT_PAST ? undefined : knownAt;
}
