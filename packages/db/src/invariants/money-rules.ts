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

const availableAt = (name: string, of: string, accountSeq: string) => `
      left join lateral (
        select found.booked_at, found.committed_after + found.pending_out_after as available from ledger.posting found
        where found.book_id = ${of}.book_id and found.account_id = ${of}.account_id and found.account_seq = ${accountSeq} limit 1
      ) ${name} on true`;

/** What was noted and not refused (PI-4). */
const notedOf = (list: string) =>
  `jsonb_array_elements(case jsonb_typeof(${list}) when 'array' then ${list} else '[]' end)`;

const shown = (phase: string) => `
  coalesce(sum(case when (a.tside = 'LIABILITY') then b.total_credit - b.total_debit else b.total_debit - b.total_credit end)
    filter (where b.phase = '${phase}'), 0)`;

/**
 * The most that account `a` was ever allowed of something, by what had been said when posting `p` was booked: of it, of its product's version,
 * or at its opening. A parameter that is no amount counts as none, so that a broken one cannot widen the limit.
 */
const allowed = (parameter: string) => `
  coalesce((
    select max(said.value::numeric) from (
      select a.parameters->>'${parameter}' as value
      union all select d.value from ledger.account_parameter d
        where d.book_id = a.book_id and d.account_id = a.account_id and d.name = '${parameter}' and d.inserted_at <= p.booked_at
      union all select d.value from ledger.template_parameter d
        where d.book_id = a.book_id and d.product_version_id = a.product_version_id and d.name = '${parameter}'
          and d.inserted_at <= p.booked_at) said
    where said.value ~ '^[0-9]+(\\.[0-9]+)?$'), 0)`;

/**
 * The products' own rules about available money (packages/kernel/src/products), said again in SQL. What the library does not have is judged
 * by its own code alone. An asset's available money is what is owed.
 */
const isBeyondLimit = `
  case when k.code in ('wallet', 'savings_account', 'term_deposit') and a.tside = 'LIABILITY' then p.available < 0
       when k.code = 'current_account' then p.available < -${allowed("arrangedOverdraft")}
       when k.code = 'credit_card'
       then p.available > ${allowed("creditLimit")} + ${allowed("overSettlementTolerance")}
       else false end
  and case a.tside when 'LIABILITY' then p.available < coalesce(q.available, 0) else p.available > coalesce(q.available, 0) end`;

/** Everything that takes a place in the book's order after `seq`. */
const records = (seq: bigint) => `
        select book_id, seq, known_at, link from ledger.posting_instruction_batch where seq > ${seq}
        union all select book_id, seq, known_at, link from ledger.resource_change where seq > ${seq}`;

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
    // Judged as the product judges: an instruction at a time; what raises available passes even below (BAL-3, the cure rule). A product does
    // not judge what it emitted itself, and a hold's end is nobody's to refuse.
    sql: ({ seq }) => `
      with moved as (
        select book_id, account_id, batch_id, ordinal, min(account_seq) as first, max(account_seq) as last
        from ledger.posting where seq > ${seq} group by 1, 2, 3, 4)
      select a.account_id || '#' || m.last as who, concat('available ', p.available, ' after ', coalesce(q.available, 0)) as what
      from moved m join ledger.account a using (book_id, account_id)
      join ledger.product_version v using (product_version_id) join ledger.product k using (product_id)
      join ledger.posting_instruction_batch b using (book_id, batch_id)
      ${availableAt("p", "m", "m.last")} ${availableAt("q", "m", "m.first - 1")}
      where ${isBeyondLimit}
        and b.emitted_by is distinct from a.account_id and b.origin <> 'EXPIRY'
        and not exists (select from ${notedOf("b.remarks->'acceptedDespite'")} noted where noted->>'instructionIndex' = m.ordinal::text)
        and not exists (select from ${notedOf("b.details->'accepted_despite'")} noted where noted->>'instructionIndex' = m.ordinal::text)`,
  },
  {
    id: "I5",
    sentence: "INV-4 a book's records are numbered without a gap, up to its head",
    areas: ["ledger"],
    holds: "always",
    haltsWrites: true,
    sql: ({ seq }) => `
      select h.book_id::text as who,
        concat('head ', h.seq, ', last ', r.last, ', count ', r.n, ' of ', r.different, ' after ', ${seq}) as what
      from ledger.head h cross join lateral (
        select coalesce(max(seq), ${seq}) as last, count(*) as n, count(distinct seq) as different
        from (${records(seq)}) record where record.book_id = h.book_id) r
      where r.last <> r.n + ${seq} or h.seq <> r.last or r.n <> r.different`,
  },
  {
    id: "I5",
    sentence: "ORD-1 known_at grows with every record, and the head knows of all of them",
    areas: ["ledger"],
    holds: "always",
    sql: ({ seq }) => `
      select n.book_id || '#' || n.seq as who, concat(n.known_at, ' after ', n.before, ', head ', h.known_at) as what
      from (select book_id, seq, known_at, lag(known_at) over (partition by book_id order by seq) as before
            from (${records(seq - 1n)}) record) n
      join ledger.head h using (book_id)
      where n.known_at <= n.before or n.known_at > h.known_at`,
  },
  {
    id: "I5",
    sentence: "AUD-1 from the first linked record on every record has its link, and the head has the last",
    areas: ["ledger"],
    holds: "always",
    sql: ({ seq }) => `
      select n.book_id || '#' || n.seq as who, 'has no link, the one before it has' as what
      from (select book_id, seq, link, lag(link) over (partition by book_id order by seq) as before
            from (${records(seq - 1n)}) record) n
      where n.link is null and n.before is not null
      union all
      select h.book_id::text, concat('head ', encode(h.link, 'hex'), ', record ', last.seq, ' ', encode(last.link, 'hex'))
      from ledger.head h cross join lateral (
        select record.seq, record.link from (${records(0n)}) record where record.book_id = h.book_id
        order by record.seq desc limit 1) last
      where last.link is not null and last.link <> h.link`,
  },
  {
    id: "I5",
    sentence:
      "INV-5 nothing counts later than it was booked, so at the end of value time everything does; an account's bookings are in order",
    areas: ["ledger"],
    holds: "always",
    sql: ({ seq }) => `
      select p.account_id || '#' || p.account_seq as who,
        concat('value ', p.value_at, ', booked ', p.booked_at, ' after ', q.booked_at, '; batch ', b.value_at, ' ', b.booked_at) as what
      from ledger.posting p ${postingAt("q", "p", "p.account_seq - 1")}
      left join lateral (
        select found.value_at, found.booked_at from ledger.posting_instruction_batch found
        where found.book_id = p.book_id and found.batch_id = p.batch_id limit 1) b on true
      where p.seq > ${seq}
        and (p.value_at > p.booked_at or not isfinite(p.value_at) or not isfinite(p.booked_at) or p.booked_at < q.booked_at
          or (p.value_at, p.booked_at) is distinct from (b.value_at, b.booked_at))`,
  },
  {
    id: "I8",
    sentence: "HOOK-4 a batch that a product emitted has the execution that it came from",
    areas: ["ledger"],
    holds: "always",
    sql: ({ seq }) => `
      select b.batch_id::text as who, concat('emitted by ', b.emitted_by) as what
      from ledger.posting_instruction_batch b left join lateral (
        select true as is_there from ledger.hook_execution found
        where found.book_id = b.book_id and found.batch_id = b.batch_id limit 1) e on true
      where b.seq > ${seq} and b.origin = 'CONTRACT' and b.status = 'ACCEPTED' and e.is_there is null`,
  },
  {
    id: "I10",
    sentence: "what is held goes out and what is announced comes in: no pending balance has the other sign",
    areas: ["ledger"],
    holds: "always",
    sql: ({ seq }) => `
      select p.account_id || '#' || p.account_seq as who, concat('in ', p.pending_in_after, ', out ', p.pending_out_after) as what
      from ledger.posting p join ledger.account a using (book_id, account_id)
      where p.seq > ${seq} and a.kind = 'CUSTOMER'
        and case a.tside when 'LIABILITY' then p.pending_in_after < 0 or p.pending_out_after > 0
                         else p.pending_in_after > 0 or p.pending_out_after < 0 end`,
  },
];
