import type { Invariant, InvariantScope } from "./invariant.js";

/**
 * Holds and the other client transactions (ledger.md §2.4) against what was posted and what instructions said they did. Bounded runs
 * start from the postings behind `seq` and look everything else up by its key; a whole run joins the tables once. Client transactions
 * whose id the ledger made (`op_…`) have no index by it, so bounded runs leave them to whole ones.
 */
const STALE_AFTER = "5 minutes";

const instructionOf = (posting: string) => `
  cross join lateral (
    select found.* from ledger.posting_instruction found
    where found.book_id = ${posting}.book_id and found.batch_id = ${posting}.batch_id and found.ordinal = ${posting}.ordinal limit 1) i`;

const outstanding = (of: string) =>
  `(${of}.authorised + ${of}.adjusted - (${of}.settled - ${of}.over_settled) - ${of}.released)`;
const named = (of: string) => `${of}.client_id || ' ' || ${of}.client_transaction_id`;
const KEY = "book_id, client_id, client_transaction_id";

/** The client transactions to look at, by key. */
const looked = ({ seq }: InvariantScope) =>
  seq === 0n
    ? `select ${KEY} from ledger.client_transaction where kind <> 'CUSTOM'`
    : `
      select distinct i.book_id, i.client_id, i.client_transaction_id from ledger.posting p ${instructionOf("p")}
      where p.seq > ${seq} and i.client_transaction_id not like 'op\\_%'`;

/** Rows (book, client, id, account, phase, net debit) of what the instructions of those posted. */
const posted = ({ seq }: InvariantScope) =>
  seq === 0n
    ? `
      select i.book_id, i.client_id, i.client_transaction_id, p.account_id, p.phase,
        sum(case p.side when 'DEBIT' then p.amount else -p.amount end) as net
      from ledger.posting p join ledger.posting_instruction i using (book_id, batch_id, ordinal) group by 1, 2, 3, 4, 5`
    : `
      select l.book_id, l.client_id, l.client_transaction_id, p.account_id, p.phase,
        sum(case p.side when 'DEBIT' then p.amount else -p.amount end) as net
      from looked l
      cross join lateral (
        select found.batch_id, found.ordinal from ledger.posting_instruction found
        where found.book_id = l.book_id and found.client_id = l.client_id and found.client_transaction_id = l.client_transaction_id
          and found.client_transaction_id not like 'op\\_%' offset 0) i
      cross join lateral (
        select found.seq from ledger.posting_instruction_batch found
        where found.book_id = l.book_id and found.batch_id = i.batch_id limit 1) b
      cross join lateral (
        select found.* from ledger.posting found
        where found.book_id = l.book_id and found.seq = b.seq and found.batch_id = i.batch_id and found.ordinal = i.ordinal offset 0) p
      group by 1, 2, 3, 4, 5`;

/** `held`: each client transaction with what both parties have of it, pending in its phase and committed. */
const held = (scope: InvariantScope) => `
  with looked as materialized (${looked(scope)}),
  posted as materialized (${posted(scope)}),
  held as (
    select c.*, ${outstanding("c")} as outstanding, n.target_pending, n.counterparty_pending, n.target_committed
    from looked l
    cross join lateral (
      select found.* from ledger.client_transaction found
      where found.book_id = l.book_id and found.client_id = l.client_id and found.client_transaction_id = l.client_transaction_id
      limit 1) c
    left join (
      select p.book_id, p.client_id, p.client_transaction_id,
        sum(p.net) filter (where p.phase = t.phase and p.account_id = t.target) as target_pending,
        sum(p.net) filter (where p.phase = t.phase and p.account_id = t.counterparty) as counterparty_pending,
        sum(p.net) filter (where p.phase = 'COMMITTED' and p.account_id = t.target) as target_committed
      from posted p join (
        select k.*, case k.direction when 'INBOUND' then 'PENDING_IN' else 'PENDING_OUT' end as phase from ledger.client_transaction k) t
        using (${KEY})
      group by p.book_id, p.client_id, p.client_transaction_id) n
      on n.book_id = c.book_id and n.client_id = c.client_id and n.client_transaction_id = c.client_transaction_id)`;

/** Signed as a hold of that direction is: what goes out is held by debits of its target, what comes in by credits. */
const heldAs = (direction: string, net: string) => `case ${direction} when 'INBOUND' then -${net} else ${net} end`;

export const holdRules: readonly Invariant[] = [
  {
    id: "I10",
    sentence:
      "INV-3 what a client transaction has outstanding is what its postings left in its pending phase, on both sides; closed, nothing",
    areas: ["ledger"],
    holds: "always",
    haltsWrites: true,
    sql: (scope) => `
      ${held(scope)}
      select ${named("h")} as who,
        concat('outstanding ', h.outstanding, ', target ', coalesce(h.target_pending, 0), ', counterparty ',
               coalesce(h.counterparty_pending, 0), ', closed by ', coalesce(h.closed_by, 'nobody')) as what
      from held h
      where h.kind <> 'CUSTOM'
        and (${heldAs("h.direction", "coalesce(h.target_pending, 0)")} <> h.outstanding
          or ${heldAs("h.direction", "coalesce(h.counterparty_pending, 0)")} <> -h.outstanding
          or (h.closed_by is not null and h.outstanding <> 0))`,
  },
  {
    id: "I10",
    sentence: "what a client transaction has settled is what its postings moved for good",
    areas: ["ledger"],
    holds: "always",
    haltsWrites: true,
    sql: (scope) => `
      ${held(scope)}
      select ${named("h")} as who, concat('settled ', h.settled, ', moved ', coalesce(h.target_committed, 0)) as what
      from held h
      where h.kind <> 'CUSTOM' and ${heldAs("h.direction", "coalesce(h.target_committed, 0)")} <> h.settled`,
  },
  {
    id: "I10",
    sentence: "CT-9 a hold is the sum of what its instructions say they did to it",
    areas: ["ledger"],
    holds: "always",
    sql: (scope) => `
      with looked as materialized (${looked(scope)}),
      said as (
        select i.book_id, i.client_id, i.client_transaction_id, max(i.effect->>'closedBy') as closed_by,
          ${["authorised", "adjusted", "settled", "overSettled", "released"]
            .map((member) => `coalesce(sum((i.effect->>'${member}')::numeric), 0) as ${member.toLowerCase()}`)
            .join(", ")}
        from ${
          scope.seq === 0n
            ? "ledger.posting_instruction i"
            : `looked l cross join lateral (
                select found.* from ledger.posting_instruction found
                where found.book_id = l.book_id and found.client_id = l.client_id
                  and found.client_transaction_id = l.client_transaction_id and found.client_transaction_id not like 'op\\_%' offset 0) i`
        }
        group by 1, 2, 3)
      select ${named("c")} as who,
        concat('is ', concat_ws(' ', c.authorised, c.adjusted, c.settled, c.over_settled, c.released, c.closed_by),
               ', said ', concat_ws(' ', s.authorised, s.adjusted, s.settled, s.oversettled, s.released, s.closed_by)) as what
      from looked l
      cross join lateral (
        select found.* from ledger.client_transaction found
        where found.book_id = l.book_id and found.client_id = l.client_id and found.client_transaction_id = l.client_transaction_id
        limit 1) c
      left join said s on s.book_id = c.book_id and s.client_id = c.client_id and s.client_transaction_id = c.client_transaction_id
      where c.kind = 'AUTHORISATION'
        and (c.authorised, c.adjusted, c.settled, c.over_settled, c.released, c.closed_by)
          is distinct from (s.authorised, s.adjusted, s.settled, s.oversettled, s.released, s.closed_by)`,
  },
  {
    id: "I10",
    sentence: "CT-1 nothing is held, and no name was given by a client, without a client transaction that knows of it",
    areas: ["ledger"],
    holds: "always",
    sql: ({ seq }) => `
      select p.account_id || '#' || p.account_seq as who, concat(p.phase, ' of ', ${named("i")}) as what
      from ledger.posting p ${instructionOf("p")}
      left join lateral (
        select true as is_there from ledger.client_transaction found
        where found.book_id = i.book_id and found.client_id = i.client_id and found.client_transaction_id = i.client_transaction_id
        limit 1) c on true
      where p.seq > ${seq} and c.is_there is null and (p.phase <> 'COMMITTED' or i.client_transaction_id not like 'op\\_%')`,
  },
  {
    id: "I10",
    sentence: `CT-6 no hold is open more than ${STALE_AFTER} after its time was up`,
    areas: ["ledger"],
    holds: "always",
    // By both clocks: a book that has stood still has nobody whom it keeps waiting, and its writer looks at once when it goes on.
    sql: () => `
      select ${named("c")} as who, concat('until ', c.expires_at, ', outstanding ', ${outstanding("c")}) as what
      from ledger.client_transaction c join ledger.head h using (book_id)
      where c.closed_by is null and c.expires_at is not null
        and c.expires_at < least(h.known_at, clock_timestamp()) - interval '${STALE_AFTER}'`,
  },
  {
    id: "I2",
    sentence: "T-8 an instruction was reversed at most once",
    areas: ["ledger"],
    holds: "always",
    isWhole: true,
    haltsWrites: true,
    sql: () => `
      select reverses_batch_id || ':' || reverses_ordinal as who, concat('reversed ', count(*), ' times') as what
      from ledger.posting_instruction where reverses_batch_id is not null
      group by book_id, reverses_batch_id, reverses_ordinal having count(*) > 1`,
  },
  {
    id: "I1",
    sentence: "T-8 a reversal has the legs of what it reverses, each on the other side",
    areas: ["ledger"],
    holds: "always",
    haltsWrites: true,
    sql: ({ seq }) => `
      with reversals as (
        select distinct p.book_id, p.seq, p.batch_id, p.ordinal, i.reverses_batch_id, i.reverses_ordinal
        from ledger.posting p ${instructionOf("p")} where p.seq > ${seq} and i.reverses_batch_id is not null)
      select r.batch_id || ':' || r.ordinal as who, concat(own.legs, ' reverses ', other.legs) as what
      from reversals r
      left join lateral (
        select found.seq from ledger.posting_instruction_batch found
        where found.book_id = r.book_id and found.batch_id = r.reverses_batch_id limit 1) b on true
      cross join lateral (${legs("r.book_id", "r.seq", "r.batch_id", "r.ordinal", false)}) own
      cross join lateral (${legs("r.book_id", "b.seq", "r.reverses_batch_id", "r.reverses_ordinal", true)}) other
      where own.legs is distinct from other.legs`,
  },
];

/** One instruction's legs as a text, in an order that does not depend on theirs. */
function legs(book: string, seq: string, batch: string, ordinal: string, isMirrored: boolean): string {
  const net = `sum(case when (l.side = 'DEBIT') <> ${isMirrored} then l.amount else -l.amount end)`;
  return `
    select string_agg(concat_ws(' ', c.account_id, c.address, c.asset, c.denomination, c.phase, trim_scale(c.net)), ', '
      order by c.account_id, c.address, c.asset, c.denomination, c.phase) as legs
    from (
      select l.account_id, l.address, l.asset, l.denomination, l.phase, ${net} as net from ledger.posting l
      where l.book_id = ${book} and l.seq = ${seq} and l.batch_id = ${batch} and l.ordinal = ${ordinal}
      group by 1, 2, 3, 4, 5) c`;
}
