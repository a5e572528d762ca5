import type { Invariant } from "./invariant.js";

const DEFAULT_ADDRESS = "DEFAULT";
const OWN_MONEY = "COMMERCIAL_BANK_MONEY";

/** What posting `p` adds, at address DEFAULT, to what account `a` shows in a phase; in the account's own sense. */
const effect = (phase: string) => `
  case when p.address <> '${DEFAULT_ADDRESS}' or p.asset <> '${OWN_MONEY}' or p.denomination <> a.denomination or p.phase <> '${phase}' then 0
       when (p.side = 'CREDIT') = (a.tside = 'LIABILITY') then p.amount else -p.amount end`;

/** One row of postings by its primary key. LATERAL, so that no planner, however little it knows, joins all with all instead. */
const postingAt = (name: string, of: string, accountSeq: string) => `
      left join lateral (
        select * from ledger.posting found
        where found.book_id = ${of}.book_id and found.account_id = ${of}.account_id and found.account_seq = ${accountSeq} limit 1
      ) ${name} on true`;

const shown = (phase: string) => `
  coalesce(sum(case when (a.tside = 'LIABILITY') then b.total_credit - b.total_debit else b.total_debit - b.total_credit end)
    filter (where b.phase = '${phase}'), 0)`;

/**
 * How far below zero available may be: the products' own rule (packages/kernel/src/products), said again in SQL. A parameter that is
 * no amount counts as none, so that a broken one cannot widen the limit.
 */
const floor = `
  case when a.parameters->>'arrangedOverdraft' ~ '^[0-9]+(\\.[0-9]+)?$'
       then -(a.parameters->>'arrangedOverdraft')::numeric else 0 end`;

/** I1 … I5 and I10: money and its order. All of the ledger alone; costs are one pass over what the scope leaves. */
export const moneyRules: readonly Invariant[] = [
  {
    id: "I1",
    sentence: "INV-1 debits equal credits in the whole book, for each asset, denomination and phase",
    areas: ["ledger"],
    holds: "always",
    haltsWrites: true,
    sql: () => `
      select concat_ws('/', asset, denomination, phase) as who, sum(total_debit - total_credit)::text as what
      from ledger.balance group by book_id, asset, denomination, phase having sum(total_debit - total_credit) <> 0`,
  },
  {
    id: "I1",
    sentence: "INV-1 debits equal credits in each instruction",
    areas: ["ledger"],
    holds: "always",
    haltsWrites: true,
    sql: ({ seq }) => `
      select batch_id || ':' || ordinal as who, sum(case side when 'DEBIT' then amount else -amount end)::text as what
      from ledger.posting where seq > ${seq}
      group by book_id, batch_id, ordinal, asset, denomination, phase
      having sum(case side when 'DEBIT' then amount else -amount end) <> 0`,
  },
  {
    id: "I2",
    sentence: "IDEM-2 one operation for each (principal, key)",
    areas: ["ledger"],
    holds: "always",
    haltsWrites: true,
    isWhole: true,
    sql: () => `
      select principal || ' ' || idempotency_key as who, count(*)::text as what
      from ledger.operation group by principal, idempotency_key having count(*) > 1`,
  },
  {
    id: "I2",
    sentence: "IDEM-3 an operation's id is made from its principal and key",
    areas: ["ledger"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select o.operation_id::text as who, o.principal || ' ' || o.idempotency_key as what
      from ledger.operation o where o.operation_id <> florin.derived_id('operation', o.principal, o.idempotency_key)`,
  },
  {
    id: "I3",
    sentence: "INV-2 a stored balance equals the fold of its postings",
    areas: ["ledger"],
    holds: "always",
    haltsWrites: true,
    isWhole: true,
    sql: () => `
      select concat_ws('/', account_id, address, asset, denomination, phase) as who,
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
    id: "I3",
    sentence: "a posting's balances after it are those before it and itself",
    areas: ["ledger"],
    holds: "always",
    haltsWrites: true,
    sql: ({ seq }) => `
      select p.account_id || '#' || p.account_seq as who,
        concat('says ', p.committed_after, ' ', p.pending_in_after, ' ', p.pending_out_after,
               ' after ', q.committed_after, ' ', q.pending_in_after, ' ', q.pending_out_after) as what
      from ledger.posting p join ledger.account a using (book_id, account_id)
      ${postingAt("q", "p", "p.account_seq - 1")}
      where p.seq > ${seq}
        and (p.committed_after <> coalesce(q.committed_after, 0) + ${effect("COMMITTED")}
          or p.pending_in_after <> coalesce(q.pending_in_after, 0) + ${effect("PENDING_IN")}
          or p.pending_out_after <> coalesce(q.pending_out_after, 0) + ${effect("PENDING_OUT")})`,
  },
  {
    id: "I3",
    sentence: "what an account shows is what its last posting left",
    areas: ["ledger"],
    holds: "always",
    haltsWrites: true,
    sql: ({ seq }) => `
      with touched as (
        select book_id, account_id, max(account_seq) as account_seq from ledger.posting where seq > ${seq} group by 1, 2),
      shown as (
        select t.book_id, t.account_id, ${shown("COMMITTED")} as committed, ${shown("PENDING_IN")} as pending_in,
          ${shown("PENDING_OUT")} as pending_out
        from touched t join ledger.account a using (book_id, account_id)
        left join ledger.balance b on b.book_id = a.book_id and b.account_id = a.account_id
          and b.address = '${DEFAULT_ADDRESS}' and b.asset = '${OWN_MONEY}' and b.denomination = a.denomination
        group by t.book_id, t.account_id)
      select p.account_id || '#' || p.account_seq as who,
        concat('shows ', s.committed, ' ', s.pending_in, ' ', s.pending_out,
               ', left ', p.committed_after, ' ', p.pending_in_after, ' ', p.pending_out_after) as what
      from touched join shown s using (book_id, account_id)
      ${postingAt("p", "touched", "touched.account_seq")}
      where (s.committed, s.pending_in, s.pending_out) <> (p.committed_after, p.pending_in_after, p.pending_out_after)`,
  },
  {
    id: "I4",
    sentence: "nothing but an advice lowered a customer's available money below the arranged limit, at any time",
    areas: ["ledger"],
    holds: "always",
    // Judged as the product judges: an instruction at a time; what raises available passes even below (BAL-3, the cure rule).
    sql: ({ seq }) => `
      with moved as (
        select book_id, account_id, batch_id, ordinal, min(account_seq) as first, max(account_seq) as last
        from ledger.posting where seq > ${seq} group by 1, 2, 3, 4)
      select a.account_id || '#' || m.last as who,
        concat('available ', p.committed_after + p.pending_out_after, ', limit ', ${floor}) as what
      from moved m join ledger.account a using (book_id, account_id)
      join ledger.posting_instruction_batch b using (book_id, batch_id)
      ${postingAt("p", "m", "m.last")} ${postingAt("q", "m", "m.first - 1")}
      where a.kind = 'CUSTOMER'
        and p.committed_after + p.pending_out_after < ${floor}
        and p.committed_after + p.pending_out_after < coalesce(q.committed_after + q.pending_out_after, 0)
        and not exists (
          select from jsonb_array_elements(
            case jsonb_typeof(b.details->'accepted_despite') when 'array' then b.details->'accepted_despite' else '[]' end) noted
          where noted->>'instructionIndex' = m.ordinal::text)`,
  },
  {
    id: "I5",
    sentence: "INV-4 a book's batches are numbered without a gap, up to its head",
    areas: ["ledger"],
    holds: "always",
    sql: ({ seq }) => `
      select h.book_id::text as who, concat('head ', h.seq, ', last ', b.last, ', count ', b.n, ' after ', ${seq}) as what
      from ledger.head h cross join lateral (
        select coalesce(max(seq), ${seq}) as last, count(*) as n from ledger.posting_instruction_batch
        where book_id = h.book_id and seq > ${seq}) b
      where b.last <> b.n + ${seq} or h.seq <> b.last`,
  },
  {
    id: "I5",
    sentence: "ORD-1 known_at grows with every batch, and the head knows of all of them",
    areas: ["ledger"],
    holds: "always",
    sql: ({ seq }) => `
      select n.book_id || '#' || n.seq as who, concat(n.known_at, ' after ', n.before, ', head ', h.known_at) as what
      from (select book_id, seq, known_at, lag(known_at) over (partition by book_id order by seq) as before
            from ledger.posting_instruction_batch where seq >= ${seq}) n
      join ledger.head h using (book_id)
      where n.known_at <= n.before or n.known_at > h.known_at`,
  },
  {
    id: "I10",
    sentence: "what is held goes out and what is announced comes in: no pending balance has the other sign",
    areas: ["ledger"],
    holds: "always",
    sql: ({ seq }) => `
      select p.account_id || '#' || p.account_seq as who, concat('in ', p.pending_in_after, ', out ', p.pending_out_after) as what
      from ledger.posting p join ledger.account a using (book_id, account_id)
      where p.seq > ${seq} and a.kind = 'CUSTOMER' and (p.pending_in_after < 0 or p.pending_out_after > 0)`,
  },
];
