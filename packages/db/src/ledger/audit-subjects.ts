import type { ProofSubject } from "@florin/audit";
import type { Sql, Transaction } from "../connect-database.js";

/** What somebody may ask a proof of: ids as the tables hold them. */
export type AuditSubject =
  | { readonly kind: "batch"; readonly id: string }
  | { readonly kind: "operation"; readonly id: string }
  | { readonly kind: "posting"; readonly id: string; readonly accountSeq: string }
  /** The account's last posting among the records up to `untilSeq`: its balance there. */
  | { readonly kind: "balance"; readonly id: string };

/** The record that tells of it, and what of the record is meant; undefined when there is none. One lookup along a key. */
export async function findAuditRecord(
  sql: Sql | Transaction,
  bookId: number,
  subject: AuditSubject,
  untilSeq: bigint,
): Promise<{ readonly seq: bigint; readonly subject: ProofSubject } | undefined> {
  switch (subject.kind) {
    case "batch": {
      const [row] = await sql<{ seq: bigint }[]>`
        select seq from ledger.posting_instruction_batch where book_id = ${bookId} and batch_id = ${subject.id}::uuid`;
      return row && { seq: row.seq, subject };
    }
    case "operation": {
      const [row] = await sql<{ seq: bigint }[]>`
        select k.seq from ledger.operation o
        join ledger.posting_instruction_batch k on k.book_id = o.book_id and k.batch_id = o.batch_id
        where o.book_id = ${bookId} and o.operation_id = ${subject.id}::uuid`;
      return row && { seq: row.seq, subject };
    }
    case "posting": {
      const [row] = await sql<{ seq: bigint }[]>`
        select seq from ledger.posting
        where book_id = ${bookId} and account_id = ${subject.id}::uuid and account_seq = ${subject.accountSeq}::bigint`;
      return row && { seq: row.seq, subject };
    }
    case "balance": {
      const [row] = await sql<{ seq: bigint; accountSeq: bigint }[]>`
        select seq, account_seq as "accountSeq" from ledger.posting
        where book_id = ${bookId} and account_id = ${subject.id}::uuid and seq <= ${untilSeq}
        order by account_seq desc limit 1`;
      if (row === undefined) return undefined;
      return { seq: row.seq, subject: { kind: "posting", id: subject.id, accountSeq: row.accountSeq.toString() } };
    }
  }
}
