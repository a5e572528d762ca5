import { connectDatabase } from "@florin/db";

/** One broken rule of docs/ledger.md: a query that finds nothing when the rule holds, and a sentence for each row it finds. */
interface Invariant {
  readonly rule: string;
  /** Columns `who` (text) and `what` (text). */
  readonly sql: string;
}

const invariants: readonly Invariant[] = [
  {
    rule: "INV-1 debits equal credits in the whole book, for each asset, denomination and phase",
    sql: `select concat_ws('/', asset, denomination, phase) as who,
            sum(case side when 'DEBIT' then amount else -amount end)::text as what
          from ledger.posting group by book_id, asset, denomination, phase
          having sum(case side when 'DEBIT' then amount else -amount end) <> 0`,
  },
  {
    rule: "INV-1 debits equal credits in each batch",
    sql: `select batch_id::text as who, sum(case side when 'DEBIT' then amount else -amount end)::text as what
          from ledger.posting group by book_id, batch_id, asset, denomination, phase
          having sum(case side when 'DEBIT' then amount else -amount end) <> 0`,
  },
  {
    rule: "INV-2 a stored balance equals the fold of its postings",
    sql: `select concat_ws('/', account_id, address, asset, denomination, phase) as who,
            concat('stored ', b.total_debit, ' ', b.total_credit, ' ', b.account_seq,
                   ' folded ', f.total_debit, ' ', f.total_credit, ' ', f.account_seq) as what
          from ledger.balance b full join (
            select book_id, account_id, address, asset, denomination, phase,
              coalesce(sum(amount) filter (where side = 'DEBIT'), 0) as total_debit,
              coalesce(sum(amount) filter (where side = 'CREDIT'), 0) as total_credit,
              max(account_seq) as account_seq
            from ledger.posting group by book_id, account_id, address, asset, denomination, phase) f
          using (book_id, account_id, address, asset, denomination, phase)
          where (b.total_debit, b.total_credit, b.account_seq) is distinct from (f.total_debit, f.total_credit, f.account_seq)`,
  },
  {
    rule: "INV-4 an account's postings are numbered without a gap",
    sql: `select account_id::text as who, concat('last ', max(account_seq), ' of ', count(*)) as what
          from ledger.posting group by book_id, account_id having max(account_seq) <> count(*) or min(account_seq) <> 1`,
  },
  {
    rule: "INV-4 a book's batches are numbered without a gap, up to its head",
    sql: `select h.book_id::text as who, concat('head ', h.seq, ', last ', b.last, ', count ', b.n) as what
          from ledger.head h cross join lateral (
            select coalesce(max(seq), 0) as last, count(*) as n from ledger.posting_instruction_batch where book_id = h.book_id) b
          where b.last <> b.n or h.seq <> b.last`,
  },
  {
    rule: "a posting stands in its batch's place in the book's order",
    sql: `select p.account_id || '#' || p.account_seq as who, concat('posting ', p.seq, ', batch ', b.seq, ' ', b.status) as what
          from ledger.posting p join ledger.posting_instruction_batch b using (book_id, batch_id)
          where p.seq <> b.seq or b.status <> 'ACCEPTED'`,
  },
  {
    rule: "outbox positions have no gap",
    sql: `select area as who, concat('last ', last, ' of ', n) as what from (
            select 'ledger' as area, coalesce(max(position), 0) as last, count(position) as n from ledger.outbox) o
          where last <> n`,
  },
  {
    rule: "IDEM-2 one operation for each (principal, key)",
    sql: `select principal || ' ' || idempotency_key as who, count(*)::text as what
          from ledger.operation group by principal, idempotency_key having count(*) > 1`,
  },
  {
    rule: "a completed operation has an accepted batch, a rejected one has none",
    sql: `select o.operation_id::text as who, concat(o.status, ', batch ', coalesce(b.status, 'missing')) as what
          from ledger.operation o left join ledger.posting_instruction_batch b using (book_id, batch_id)
          where (o.status = 'COMPLETED') <> (b.status is not distinct from 'ACCEPTED')`,
  },
  {
    rule: "no customer's wallet was ever below zero",
    sql: `select p.account_id || '#' || p.account_seq as who, concat(p.committed_after, ' and ', p.pending_out_after) as what
          from ledger.posting p join ledger.account a using (book_id, account_id)
          where a.kind = 'CUSTOMER' and a.tside = 'LIABILITY' and p.address = 'DEFAULT'
            and p.committed_after + p.pending_out_after < 0`,
  },
  {
    rule: "a posting's balance after it is the balance before it and itself",
    sql: `select account_id || '#' || account_seq as who, concat('says ', committed_after, ', folds to ', folded) as what from (
            select p.account_id, p.account_seq, p.committed_after,
              sum(case when p.address <> 'DEFAULT' or p.phase <> 'COMMITTED' then 0
                       when (p.side = 'CREDIT') = (a.tside = 'LIABILITY') then p.amount else -p.amount end)
                over (partition by p.book_id, p.account_id, p.denomination, p.asset order by p.account_seq) as folded
            from ledger.posting p join ledger.account a using (book_id, account_id)) f
          where committed_after <> folded`,
  },
];

/** The accounts area joins when its tables are there; an outbox row may wait there for its number. */
const accountsOutbox = `select 'accounts' as who, concat('last ', max(position), ' of ', count(position)) as what
  from accounts.outbox having coalesce(max(position), 0) <> count(position)`;

const MAX_FINDINGS_PER_RULE = 5;

/**
 * Every rule that the books break, in words: empty when they are in order. To be asserted after each test that moves money.
 * Reads one snapshot, so it may run beside a writer.
 */
export async function checkBooks(url: string): Promise<string[]> {
  const database = connectDatabase({
    url,
    applicationName: "florin-check-books",
    maxConnections: 1,
    deadlineMs: 60_000,
  });
  try {
    return await database.transaction(async (tx) => {
      await tx`set transaction isolation level repeatable read, read only`;
      const [found] = await tx<{ exists: boolean }[]>`select to_regclass('accounts.outbox') is not null as exists`;
      const rules = [...invariants];
      if (found?.exists === true) rules.push({ rule: "outbox positions have no gap", sql: accountsOutbox });
      const findings: string[] = [];
      for (const { rule, sql } of rules) {
        const rows = await tx.unsafe<{ who: string; what: string }[]>(`${sql} limit ${MAX_FINDINGS_PER_RULE}`);
        findings.push(...rows.map((row) => `${rule}: ${row.who}: ${row.what}`));
      }
      return findings;
    });
  } finally {
    await database.stop();
  }
}
