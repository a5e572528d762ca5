-- Safe beside running versions: new objects only.
-- The exact double-entry ledger. Every table carries the book first: a book has one writer at a time, and a distributed
-- PostgreSQL spreads books without a change here. Rule numbers are those of docs/ledger.md.

create schema ledger;
select florin.create_event_tables('ledger');
-- The writer numbers its own events in its batch (ORD-1), so an unnumbered row is a bug here.
alter table ledger.outbox alter column position set not null;

create table ledger.book (
  book_id smallint primary key,
  name text not null unique
);
insert into ledger.book values (1, 'main');

-- Fence, order and clock of a book in one row. Every batch swaps it: a writer that lost its lease finds another epoch or
-- another batch number here, its statement matches no row, and its whole batch is rolled back.
create table ledger.head (
  book_id smallint primary key references ledger.book,
  epoch bigint not null default 0,
  holder text,
  lease_until timestamptz not null default '-infinity',
  batch bigint not null default 0,
  seq bigint not null default 0,
  known_at timestamptz not null default '-infinity',
  outbox_position bigint not null default 0
) with (fillfactor = 10);
insert into ledger.head (book_id) values (1);

create table ledger.denomination (
  denomination text primary key,
  minor_digits smallint not null check (minor_digits between 0 and 18)
);

create table ledger.product (
  product_id uuid primary key,
  code text not null unique,
  name text not null,
  created_at timestamptz not null
);

create table ledger.product_version (
  product_version_id uuid primary key,
  product_id uuid not null references ledger.product,
  version text not null,
  tside text not null check (tside in ('ASSET', 'LIABILITY')),
  parameters jsonb not null,
  created_at timestamptz not null,
  unique (product_id, version)
);

create table ledger.account (
  book_id smallint not null references ledger.book,
  account_id uuid not null,
  kind text not null check (kind in ('CUSTOMER', 'INTERNAL')),
  -- Internal accounts only: CASH_IN, CASH_OUT, … one for each currency.
  code text,
  product_version_id uuid references ledger.product_version,
  denomination text not null references ledger.denomination,
  tside text not null check (tside in ('ASSET', 'LIABILITY')),
  status text not null check (status in ('PENDING', 'OPEN', 'PENDING_CLOSURE', 'CLOSED')),
  parameters jsonb not null default '{}',
  opened_at timestamptz not null,
  closed_at timestamptz,
  primary key (book_id, account_id),
  unique (book_id, code, denomination),
  check ((kind = 'INTERNAL') = (code is not null)),
  check ((kind = 'CUSTOMER') = (product_version_id is not null)),
  check ((status = 'CLOSED') = (closed_at is not null))
);

-- A copy of what accounts owns: who may spend and see.
create table ledger.account_owner (
  book_id smallint not null,
  account_id uuid not null,
  principal text not null,
  primary key (book_id, account_id, principal),
  foreign key (book_id, account_id) references ledger.account
);
create index account_owner_principal on ledger.account_owner (principal, account_id);

-- Stored balances are a cache of the fold of postings (INV-2). account_seq: of the last posting at this coordinate; the
-- account's own is the greatest of its coordinates. No index on what changes, and room on the page: updates stay HOT.
create table ledger.balance (
  book_id smallint not null,
  account_id uuid not null,
  address text not null,
  asset text not null,
  denomination text not null references ledger.denomination,
  phase text not null check (phase in ('COMMITTED', 'PENDING_IN', 'PENDING_OUT')),
  total_debit numeric not null check (total_debit >= 0),
  total_credit numeric not null check (total_credit >= 0),
  account_seq bigint not null check (account_seq > 0),
  primary key (book_id, account_id, address, asset, denomination, phase),
  foreign key (book_id, account_id) references ledger.account
) with (fillfactor = 50);

-- What a client asked for and what became of it: the operation and its idempotency key are one row, written in the
-- transaction of the effect (IDEM-2). Rejections are results and stay (IDEM-4). Kept for ever.
create table ledger.operation (
  operation_id uuid primary key,
  book_id smallint not null references ledger.book,
  principal text not null,
  idempotency_key text not null,
  fingerprint text not null,
  type text not null check (type in ('DEPOSIT', 'WITHDRAWAL', 'BOOK_TRANSFER', 'REVERSAL', 'PAYMENT', 'OTHER')),
  status text not null check (status in ('COMPLETED', 'REJECTED')),
  rejection_code text,
  rejection_message text,
  account_id uuid,
  amount numeric check (amount > 0),
  denomination text references ledger.denomination,
  batch_id uuid not null,
  correlation_id text not null,
  created_at timestamptz not null,
  completed_at timestamptz not null,
  unique (principal, idempotency_key),
  check ((status = 'REJECTED') = (rejection_code is not null)),
  check ((rejection_code is null) = (rejection_message is null)),
  check ((amount is null) = (denomination is null))
);

-- A batch is atomic; a rejected one is kept with every violation found (PIB-1).
create table ledger.posting_instruction_batch (
  book_id smallint not null references ledger.book,
  batch_id uuid not null,
  seq bigint not null,
  client_id text not null,
  client_batch_id text,
  status text not null check (status in ('ACCEPTED', 'REJECTED')),
  rejections jsonb not null default '[]',
  -- Of a rejected batch only: what was proposed. An accepted one has rows in posting_instruction.
  proposed jsonb,
  details jsonb,
  value_at timestamptz not null,
  booked_at timestamptz not null,
  known_at timestamptz not null,
  primary key (book_id, batch_id),
  unique (book_id, seq),
  check ((status = 'REJECTED') = (proposed is not null)),
  check ((status = 'REJECTED') = (rejections <> '[]'))
);

create table ledger.posting_instruction (
  book_id smallint not null,
  batch_id uuid not null,
  ordinal integer not null check (ordinal >= 0),
  type text not null,
  client_id text not null,
  client_transaction_id text not null,
  details jsonb,
  primary key (book_id, batch_id, ordinal),
  foreign key (book_id, batch_id) references ledger.posting_instruction_batch,
  -- CT-1: unique for ever. (Follow-ups on holds will share one; then the openers keep this rule.)
  unique (book_id, client_id, client_transaction_id)
);

-- One leg. Immutable. The balances after it stand beside it, so a balance at an exact account_seq is one lookup.
create table ledger.posting (
  book_id smallint not null,
  account_id uuid not null,
  account_seq bigint not null check (account_seq > 0),
  seq bigint not null,
  batch_id uuid not null,
  ordinal integer not null,
  address text not null,
  asset text not null,
  denomination text not null references ledger.denomination,
  phase text not null check (phase in ('COMMITTED', 'PENDING_IN', 'PENDING_OUT')),
  side text not null check (side in ('DEBIT', 'CREDIT')),
  amount numeric not null check (amount > 0),
  value_at timestamptz not null,
  booked_at timestamptz not null,
  -- Net at address DEFAULT after this posting, in the account's own sense (credit − debit for LIABILITY).
  committed_after numeric not null,
  pending_in_after numeric not null,
  pending_out_after numeric not null,
  primary key (book_id, account_id, account_seq),
  foreign key (book_id, account_id) references ledger.account,
  foreign key (book_id, batch_id, ordinal) references ledger.posting_instruction,
  check (value_at <= booked_at)
);
create index posting_by_seq on ledger.posting (book_id, seq);

-- INV-1 and INV-4, checked once a statement over all rows it inserted: an instruction's legs are inserted together.
create function ledger.check_postings() returns trigger language plpgsql as $$
declare broken record;
begin
  select book_id, batch_id, ordinal into broken from inserted
    group by book_id, batch_id, ordinal, asset, denomination, phase
    having sum(case side when 'DEBIT' then amount else -amount end) <> 0 limit 1;
  if found then
    raise exception 'INV-1: instruction % of batch % does not balance', broken.ordinal, broken.batch_id using errcode = 'FL001';
  end if;
  select i.account_id into broken from (
      select book_id, account_id, min(account_seq) as first, max(account_seq) as last, count(*) as n
      from inserted group by book_id, account_id) i
    where i.last - i.first + 1 <> i.n
       or (i.first > 1 and not exists (
             select from ledger.posting p
             where p.book_id = i.book_id and p.account_id = i.account_id and p.account_seq = i.first - 1))
    limit 1;
  if found then
    raise exception 'INV-4: account_seq of account % would have a gap', broken.account_id using errcode = 'FL001';
  end if;
  return null;
end $$;
create trigger check_postings after insert on ledger.posting
  referencing new table as inserted for each statement execute function ledger.check_postings();

-- What waits for the writer: commands from other areas and from processes that do not hold the lease. Deleted by the
-- transaction of its effect; until then the operation is PENDING.
create table ledger.command (
  command_id uuid primary key,
  book_id smallint not null references ledger.book,
  kind text not null,
  principal text not null,
  idempotency_key text not null,
  fingerprint text not null,
  payload jsonb not null,
  correlation_id text not null,
  created_at timestamptz not null,
  unique (principal, idempotency_key)
);
create index command_by_age on ledger.command (book_id, created_at, command_id);

select florin.make_append_only(t) from unnest(array[
  'ledger.product', 'ledger.product_version', 'ledger.operation', 'ledger.posting_instruction_batch',
  'ledger.posting_instruction', 'ledger.posting']::regclass[]) t;

grant select, insert on ledger.denomination, ledger.product, ledger.product_version, ledger.operation,
  ledger.posting_instruction_batch, ledger.posting_instruction, ledger.posting, ledger.account_owner to florin_ledger;
grant select on ledger.book to florin_ledger;
grant select, update on ledger.head to florin_ledger;
grant select, insert on ledger.account to florin_ledger;
grant update (status, closed_at) on ledger.account to florin_ledger;
grant select, insert, update on ledger.balance to florin_ledger;
grant select, insert, delete on ledger.command to florin_ledger;

-- Called by the migration runner whenever currencies were written; adds what is missing.
create function ledger.seed_reference_data() returns void language sql as $$
  insert into ledger.denomination select code, minor_digits from florin.currency on conflict do nothing;
  insert into ledger.account (book_id, account_id, kind, code, denomination, tside, status, opened_at)
    select 1, florin.internal_account_id(i.code, c.code), 'INTERNAL', i.code, c.code, i.tside, 'OPEN', '1970-01-01T00:00:00Z'
    from florin.internal_account_code i cross join florin.currency c
    on conflict do nothing;
$$;
