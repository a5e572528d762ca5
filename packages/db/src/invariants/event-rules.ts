import { areas, type Area } from "@florin/kernel";
import type { Invariant } from "./invariant.js";

/** Who must have seen which events. A group that is not named here is not looked after: add it where its consumer is made. */
const expectedGroups: readonly {
  readonly stream: Area;
  /** Whose inbox and dead letters. */
  readonly area: Area;
  readonly consumer: string;
  readonly types: readonly string[];
}[] = [
  {
    stream: "accounts",
    area: "ledger",
    consumer: "ledger.account-commands",
    types: ["account.open", "account.close"],
  },
  {
    stream: "ledger",
    area: "accounts",
    consumer: "accounts",
    types: ["account.opened", "account.rejected", "account.closed", "account.close_rejected"],
  },
  {
    stream: "accounts",
    area: "portfolio",
    consumer: "portfolio.linked",
    types: ["account.open", "linked_item.snapshot", "linked_item.removed"],
  },
  // It also hears account.posted, which the number of the posting makes idempotent: portfolioRules look after those.
  { stream: "ledger", area: "portfolio", consumer: "portfolio.balances", types: ["account.opened", "account.closed"] },
];

const list = (texts: readonly string[]): string => texts.map((text) => `'${text}'`).join(", ");

/** Where an area says which position was given last: its writer does in the head, a relay in the outbox's own. */
const lastNumbered: Readonly<Record<Area, string>> = {
  accounts: "select numbered from accounts.outbox_head",
  ledger: "select outbox_position from ledger.head",
  portfolio: "select numbered from portfolio.outbox_head",
};

/** How many events each batch tells by its own rows (ledger/posted-events.ts), and up to which position. */
const toldByRows = (after: string) => `
  select k.outbox_position, least(k.outbox_position - (${after}), count(distinct p.account_id) + 1) as n
  from ledger.posting_instruction_batch k join ledger.posting p on p.book_id = k.book_id and p.seq = k.seq
  where k.outbox_position > (${after}) group by k.book_id, k.seq, k.outbox_position`;

const takenByRelay = (area: Area) => (after: string) => `
    select coalesce(max(position), ${after}) as last, count(*) as n from ${area}.outbox where position > ${after}`;

/** Positions after one that are taken: the last and how many. */
const taken: Readonly<Record<Area, (after: string) => string>> = {
  accounts: takenByRelay("accounts"),
  portfolio: takenByRelay("portfolio"),
  ledger: (after) => `
    select coalesce(max(last), ${after}) as last, sum(n) as n from (
      select max(position) as last, count(*) as n from ledger.outbox where position > ${after}
      union all select max(outbox_position), coalesce(sum(n), 0) from (${toldByRows(after)}) told) both_kinds`,
};

/** I7 of one area: its outbox. */
function outboxRules(area: Area): readonly Invariant[] {
  return [
    {
      id: "I7",
      sentence: `outbox positions of ${area} have no gap, up to the last that was given`,
      areas: [area],
      holds: "always",
      sql: ({ position }) => `
        select '${area}' as who, concat('given ', given, ', last ', last, ', count ', n, ' after ', ${position}) as what
        from (${taken[area](String(position))}) o,
          (${lastNumbered[area]}) g (given)
        where last <> n + ${position} or last <> given`,
    },
    {
      id: "I7",
      sentence: `nothing of ${area} counts as delivered that has no position yet`,
      areas: [area],
      holds: "always",
      sql: () => `
        select '${area}' as who, concat('delivered ', delivered, ', given ', given) as what
        from ${area}.outbox_head, (${lastNumbered[area]}) g (given) where delivered > given`,
    },
    {
      id: "I7",
      sentence: `every event of ${area} has its position`,
      areas: [area],
      holds: "at rest",
      sql: () => `select event_id::text as who, type as what from ${area}.outbox where position is null`,
    },
  ];
}

/** I13 of one area: what its consumers could not apply. */
function deadLetterRules(area: Area): readonly Invariant[] {
  return [
    {
      id: "I13",
      sentence: `an event that ${area} parked says why, and how often it was tried`,
      areas: [area],
      holds: "always",
      sql: () => `
        select '${area} ' || dead_letter_id as who, concat(status, ', attempts ', attempts, ', error ', error is not null) as what
        from ${area}.dead_letter
        where (status = 'PARKED' and (error is null or attempts < 1) and not exists (
                 select from ${area}.dead_letter earlier
                 where earlier.consumer = dead_letter.consumer and earlier.stream = dead_letter.stream
                   and earlier.key = dead_letter.key and earlier.position < dead_letter.position))
          or (status = 'DISCARDED' and coalesce(reason, '') = '')
          or (status in ('REPLAYED', 'DISCARDED')) <> (resolved_at is not null)`,
    },
    {
      id: "I13",
      sentence: `an event that left the dead letters of ${area} stands in its inbox`,
      areas: [area],
      holds: "always",
      sql: () => `
        select '${area} ' || d.dead_letter_id as who, d.status as what from ${area}.dead_letter d
        where d.status in ('REPLAYED', 'DISCARDED') and not exists (
          select from ${area}.inbox i where i.consumer = d.consumer and i.event_id = d.event_id)`,
    },
    {
      id: "I13",
      sentence: `an event is applied by ${area} or parked, never both`,
      areas: [area],
      holds: "at rest", // for a moment after it was applied by a replay its letter is still open
      sql: () => `
        select '${area} ' || d.dead_letter_id as who, d.status as what
        from ${area}.dead_letter d join ${area}.inbox i using (consumer, event_id) where d.status in ('PARKED', 'WAITING')`,
    },
  ];
}

/** I7 and I9 between two areas; one of them alone cannot see it. */
function deliveryRules({ stream, area, consumer, types }: (typeof expectedGroups)[number]): readonly Invariant[] {
  const missing = (upTo: string) => `
    select o.event_id::text as who, concat('${consumer} lacks ', o.type, ' at ', o.position) as what
    from ${stream}.outbox o
    where o.type in (${list(types)}) ${upTo}
      and not exists (select from ${area}.inbox i where i.consumer = '${consumer}' and i.event_id = o.event_id)
      and not exists (select from ${area}.dead_letter d where d.consumer = '${consumer}' and d.event_id = o.event_id)`;
  return [
    {
      id: "I7",
      sentence: `what counts as delivered of ${stream} was applied or parked by ${consumer}`,
      areas: [stream, area],
      holds: "always",
      isWhole: true,
      sql: () => missing(`and o.position <= (select delivered from ${stream}.outbox_head)`),
    },
    {
      id: "I7",
      sentence: `every event of ${stream} was applied or parked by ${consumer}`,
      areas: [stream, area],
      holds: "at rest",
      isWhole: true,
      sql: () => missing(""),
    },
    {
      id: "I7",
      sentence: `${area} applied nothing that ${stream} never published, or at another position`,
      areas: [stream, area],
      holds: "always",
      isWhole: true,
      sql: () => `
        select i.event_id::text as who, concat(i.consumer, ' applied it at ', i.position, ', published at ', o.position) as what
        from ${area}.inbox i left join ${stream}.outbox o using (event_id)
        where i.consumer = '${consumer}' and i.stream = '${stream}' and o.position is distinct from i.position
          and not exists (
            select from ${area}.dead_letter d
            where d.consumer = i.consumer and d.event_id = i.event_id and d.type = 'account.posted')`,
    },
    {
      id: "I9",
      sentence: `STR-1 ${consumer} applied the events of each key of ${stream} in their order`,
      areas: [stream, area],
      holds: "always",
      isWhole: true,
      sql: () => `
        select key as who, concat(position, ' was applied after ', before) as what from (
          select o.key, i.position,
            max(i.position) over (partition by o.key order by i.applied_at, i.position rows between unbounded preceding and 1 preceding)
              as before
          from ${area}.inbox i join ${stream}.outbox o using (event_id)
          where i.consumer = '${consumer}' and not exists (
            select from ${area}.dead_letter d
            where d.consumer = i.consumer and d.event_id = i.event_id and d.status = 'DISCARDED')) applied
        where before > position`,
    },
  ];
}

/** I8 and I9 of the ledger: what happened and what was told of it. */
const ledgerEventRules: readonly Invariant[] = [
  {
    id: "I8",
    sentence:
      "PIB-1 a completed operation has an accepted batch, a rejected one a rejected batch, and no batch stands alone",
    areas: ["ledger"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select coalesce(o.operation_id, b.batch_id)::text as who,
        concat('operation ', coalesce(o.status, 'missing'), ', batch ', coalesce(b.status, 'missing')) as what
      from ledger.posting_instruction_batch b
      full join (select * from ledger.operation where batch_id is not null) o using (book_id, batch_id)
      where (o.status, b.status) is distinct from ('COMPLETED', 'ACCEPTED')
        and (o.status, b.status) is distinct from ('REJECTED', 'REJECTED')`,
  },
  {
    id: "I8",
    sentence: "only an accepted batch has postings, and every posting stands in its batch's place in the book's order",
    areas: ["ledger"],
    holds: "always",
    sql: ({ seq }) => `
      select p.account_id || '#' || p.account_seq as who, concat('posting ', p.seq, ', batch ', b.seq, ' ', b.status) as what
      from ledger.posting p left join lateral (
        select seq, status from ledger.posting_instruction_batch found
        where found.book_id = p.book_id and found.batch_id = p.batch_id limit 1) b on true
      where p.seq > ${seq} and (p.seq is distinct from b.seq or b.status is distinct from 'ACCEPTED')
      union all
      select b.batch_id::text, concat(b.status, ' without postings') from ledger.posting_instruction_batch b
      left join lateral (
        select true as is_there from ledger.posting found where found.book_id = b.book_id and found.seq = b.seq limit 1) p on true
      where b.seq > ${seq} and b.status = 'ACCEPTED' and p.is_there is null
        -- CT-4: a release of nothing has none
        and coalesce((select bool_or(i.type <> 'RELEASE') from ledger.posting_instruction i
                      where i.book_id = b.book_id and i.batch_id = b.batch_id), true)`,
  },
  {
    id: "I8",
    sentence: "STR-2 every operation has the one event that tells its outcome",
    areas: ["ledger"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select o.operation_id::text as who, concat(o.status, ', told ', coalesce(e.type, 'nowhere')) as what
      from ledger.operation o left join ledger.outbox e on e.event_id = florin.derived_id('answer', o.operation_id::text)
      left join ledger.posting_instruction_batch k
        on k.book_id = o.book_id and k.batch_id = o.batch_id and k.operation_id = o.operation_id and k.status = 'ACCEPTED'
      where case when k.outbox_position is not null and e.type is null then 'operation.completed' else e.type end
        is distinct from case o.status when 'COMPLETED' then 'operation.completed' else 'operation.rejected' end`,
  },
  {
    id: "I8",
    sentence: "a batch that tells by its own rows is its operation's, and the only one to tell of it",
    areas: ["ledger"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select k.batch_id::text as who, concat('operation ', k.operation_id, ', whose batch is ', coalesce(o.batch_id::text, 'nowhere')) as what
      from ledger.posting_instruction_batch k left join ledger.operation o on o.operation_id = k.operation_id
      where k.outbox_position is not null
        and (o.batch_id is distinct from k.batch_id or o.status <> 'COMPLETED' or k.status <> 'ACCEPTED')`,
  },
  {
    id: "I8",
    sentence: "no event tells of an operation that did not happen",
    areas: ["ledger"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select e.event_id::text as who, concat(e.type, ' of ', e.key) as what
      from ledger.outbox e
      left join ledger.operation o on florin.derived_id('answer', o.operation_id::text) = e.event_id
      where e.type in ('operation.completed', 'operation.rejected') and o.operation_id is null`,
  },
  {
    id: "I8",
    sentence: "STR-3 a batch told each account that it touched, once",
    areas: ["ledger"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select coalesce(p.change_id, e.change_id) as who, concat('touched ', coalesce(p.n, 0), ', told ', coalesce(e.n, 0)) as what
      from (select florin.border_id('op', o.operation_id) as change_id, count(distinct p.account_id) as n
            from ledger.operation o join ledger.posting p using (book_id, batch_id)
            join ledger.posting_instruction_batch k using (book_id, batch_id)
            where k.outbox_position is null group by o.operation_id) p
      full join (select change_id, count(distinct key) as n, count(*) as events from ledger.outbox
                 where type = 'account.posted' group by change_id) e using (change_id)
      where p.n is distinct from e.n or e.events is distinct from e.n`,
  },
  {
    id: "I8",
    sentence: "every customer account was told of when it was opened, and none that is not there",
    areas: ["ledger"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select coalesce(a.key, e.key) as who, concat('account ', a.key is not null, ', told ', e.key is not null) as what
      from (select florin.border_id('acct', account_id) as key from ledger.account where kind = 'CUSTOMER') a
      full join (select distinct key from ledger.outbox where type = 'account.opened') e using (key)
      where a.key is null or e.key is null`,
  },
  {
    id: "I9",
    sentence: "INV-4 an account's postings are numbered without a gap",
    areas: ["ledger"],
    holds: "always",
    haltsWrites: true,
    sql: ({ seq }) => `
      select p.account_id || '#' || p.account_seq as who, 'has none before it' as what
      from ledger.posting p left join lateral (
        select true as is_there from ledger.posting found
        where found.book_id = p.book_id and found.account_id = p.account_id and found.account_seq = p.account_seq - 1 limit 1) q on true
      where p.seq > ${seq} and p.account_seq > 1 and q.is_there is null`,
  },
  {
    id: "I9",
    sentence: "an account's events tell of its postings in their order",
    areas: ["ledger"],
    holds: "always",
    sql: ({ position }) => `
      select key as who, concat('position ', position, ' tells of ', account_seq, ' after ', before) as what from (
        select key, position, account_seq, lag(account_seq) over (partition by key order by position) as before
        from (
          select key, position, (payload->>'accountSeq')::bigint as account_seq
          from ledger.outbox where type = 'account.posted' and position > ${position}
          union all
          select florin.border_id('acct', p.account_id), k.outbox_position, max(p.account_seq)
          from ledger.posting_instruction_batch k join ledger.posting p on p.book_id = k.book_id and p.seq = k.seq
          where k.outbox_position > ${position} group by p.account_id, k.outbox_position) both_kinds) told
      where account_seq <= before`,
  },
];

/** I8 of accounts: people and accounts, and the events that tell of them. */
const accountsEventRules: readonly Invariant[] = [
  {
    id: "I8",
    sentence: "every account that was asked for was asked of the ledger, once, and no other",
    areas: ["accounts"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select coalesce(a.key, e.key) as who, concat('account ', a.key is not null, ', asked ', coalesce(e.n, 0), ' times') as what
      from (select florin.border_id('acct', account_id) as key from accounts.account where kind = 'CUSTOMER') a
      full join (select key, count(*) as n from accounts.outbox where type = 'account.open' group by key) e using (key)
      where a.key is null or e.n is distinct from 1`,
  },
  {
    id: "I8",
    sentence: "every person was told of, once, and nobody else",
    areas: ["accounts"],
    holds: "always",
    isWhole: true,
    sql: () => `
      select coalesce(u.key, e.key) as who, concat('person ', u.key is not null, ', told ', coalesce(e.n, 0), ' times') as what
      from (select florin.border_id('usr', user_id) as key from accounts.app_user) u
      full join (select key, count(*) as n from accounts.outbox where type = 'user.registered' group by key) e using (key)
      where u.key is null or e.n is distinct from 1`,
  },
];

export const eventRules: readonly Invariant[] = [
  ...areas.flatMap(outboxRules),
  ...expectedGroups.flatMap(deliveryRules),
  ...ledgerEventRules,
  ...accountsEventRules,
  ...areas.flatMap(deadLetterRules),
];
