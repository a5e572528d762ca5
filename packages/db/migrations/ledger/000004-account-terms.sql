-- Safe beside running versions: new objects, columns that may be empty or have a default, and one column that may be empty from now on.
-- What holds on an account beside its postings (ledger.md §2.6 RES, FLAG, BAL; §2.7 T-2; §2.9). Nothing is ever edited: what is told later about
-- the same value time wins, from when it is known (FLAG-1). `seq` is that of the record in ledger.resource_change, whose change this is.

-- T-5: when the business days of a group of accounts begin. One group unless a book has more.
create table ledger.processing_group (
  book_id smallint not null references ledger.book,
  code text not null check (code ~ '^[a-z][a-z0-9_]{0,63}$'),
  -- IANA name.
  time_zone text not null,
  -- Local time of the day.
  cutoff time not null default '00:00:00',
  primary key (book_id, code)
);
insert into ledger.processing_group (book_id, code, time_zone) values (1, 'main', 'UTC');

-- T-2: value times before `until` are refused from then on. The latest row counts; a period is never opened again.
create table ledger.period_close (
  book_id smallint not null,
  processing_group text not null,
  seq bigint not null,
  until timestamptz not null,
  principal text not null,
  inserted_at timestamptz not null,
  primary key (book_id, processing_group, seq),
  foreign key (book_id, processing_group) references ledger.processing_group
);

-- The version of the book's order from which it judges what happened: hooks of what came before run as the older version.
create table ledger.account_version (
  book_id smallint not null,
  account_id uuid not null,
  seq bigint not null,
  from_version_id uuid not null references ledger.product_version,
  to_version_id uuid not null references ledger.product_version,
  old_parameters jsonb not null,
  new_parameters jsonb not null,
  -- Conversion is never backdated.
  converted_at timestamptz not null,
  primary key (book_id, account_id, seq),
  foreign key (book_id, account_id) references ledger.account,
  check (from_version_id <> to_version_id)
);

alter table ledger.account add column processing_group text not null default 'main';
create index account_by_product_version on ledger.account (book_id, product_version_id, account_id) where product_version_id is not null;

-- Uploaded product code, as it was sent; built-in versions have none.
alter table ledger.product_version
  add column source text check (length(source) between 1 and 262144),
  -- Versions of one code that were written together stand in the library's order.
  add column library_order integer not null default 0;

-- MON-2, of internal accounts: addresses that keep all digits. What is not named is MINOR.
create table ledger.internal_address_scale (
  code text not null references florin.internal_account_code,
  address text not null check (address ~ '^[A-Z][A-Z0-9_]{0,63}$' and address <> 'DEFAULT'),
  scale text not null check (scale in ('MINOR', 'INTERNAL')),
  primary key (code, address)
);
insert into ledger.internal_address_scale values
  ('INTEREST_EXPENSE', 'ACCRUED_INTEREST', 'INTERNAL'), ('INTEREST_INCOME', 'ACCRUED_INTEREST', 'INTERNAL');

-- What was said of one account: goes before what its product version's template says, which goes before what it was opened with.
create table ledger.account_parameter (
  book_id smallint not null,
  account_id uuid not null,
  seq bigint not null,
  name text not null,
  value text not null,
  from_at timestamptz not null,
  to_at timestamptz check (to_at > from_at),
  principal text not null,
  inserted_at timestamptz not null,
  primary key (book_id, account_id, seq, name),
  foreign key (book_id, account_id) references ledger.account
);

create table ledger.template_parameter (
  book_id smallint not null references ledger.book,
  product_version_id uuid not null references ledger.product_version,
  seq bigint not null,
  name text not null,
  value text not null,
  from_at timestamptz not null,
  to_at timestamptz check (to_at > from_at),
  principal text not null,
  inserted_at timestamptz not null,
  primary key (book_id, product_version_id, seq, name)
);

create table ledger.account_flag (
  book_id smallint not null,
  account_id uuid not null,
  seq bigint not null,
  name text not null check (name ~ '^[A-Z][A-Z0-9_]{0,63}$'),
  -- false: lowered for this time.
  value boolean not null,
  from_at timestamptz not null,
  to_at timestamptz check (to_at > from_at),
  principal text not null,
  inserted_at timestamptz not null,
  primary key (book_id, account_id, seq, name),
  foreign key (book_id, account_id) references ledger.account
);

-- RES-1: what a restriction is, by version. rules: [{type, limits {currency: decimal}, exemptions [{…}]}] (RES-2).
create table ledger.restriction_definition (
  book_id smallint not null references ledger.book,
  code text not null check (code ~ '^[A-Z][A-Z0-9_]{0,63}$'),
  version integer not null check (version > 0),
  seq bigint not null,
  description text not null check (length(description) <= 1000),
  rules jsonb not null check (jsonb_typeof(rules) = 'array' and jsonb_array_length(rules) between 1 and 20),
  principal text not null,
  inserted_at timestamptz not null,
  primary key (book_id, code, version)
);

-- One version of a definition on a customer, an account or a payment device of an account, for a stretch of value time.
create table ledger.restriction (
  book_id smallint not null references ledger.book,
  restriction_id uuid not null,
  seq bigint not null,
  code text not null,
  version integer not null,
  level text not null check (level in ('CUSTOMER', 'ACCOUNT', 'PAYMENT_DEVICE')),
  -- Of level CUSTOMER: the owner, with all accounts that are theirs and those to come.
  customer text,
  account_id uuid,
  payment_device text check (length(payment_device) between 1 and 255),
  from_at timestamptz not null,
  to_at timestamptz check (to_at > from_at),
  principal text not null,
  inserted_at timestamptz not null,
  primary key (book_id, restriction_id),
  foreign key (book_id, code, version) references ledger.restriction_definition,
  foreign key (book_id, account_id) references ledger.account,
  check ((level = 'CUSTOMER') = (customer is not null)),
  check ((level = 'CUSTOMER') = (account_id is null)),
  check ((level = 'PAYMENT_DEVICE') = (payment_device is not null))
);
create index restriction_by_account on ledger.restriction (book_id, account_id) where account_id is not null;
create index restriction_by_customer on ledger.restriction (book_id, customer) where customer is not null;

-- Ends one early. The restriction's own row stays as it was told.
create table ledger.restriction_lift (
  book_id smallint not null,
  restriction_id uuid not null,
  seq bigint not null,
  lifted_at timestamptz not null,
  reason text not null check (length(reason) <= 1000),
  principal text not null,
  inserted_at timestamptz not null,
  primary key (book_id, restriction_id),
  foreign key (book_id, restriction_id) references ledger.restriction
);

-- BAL-1: the belt beside the product. The latest row counts; null: no such guard.
create table ledger.account_guard (
  book_id smallint not null,
  account_id uuid not null,
  seq bigint not null,
  min_available numeric,
  max_committed numeric,
  principal text not null,
  inserted_at timestamptz not null,
  primary key (book_id, account_id, seq),
  foreign key (book_id, account_id) references ledger.account
);

-- HOOK-4: one run of a hook, so that it can be run again. What it caused is in the batch; what it saw is here.
create table ledger.hook_execution (
  book_id smallint not null references ledger.book,
  execution_id text not null,
  -- Above 1: an operator had it run again after it had failed.
  attempt smallint not null check (attempt > 0),
  account_id uuid not null,
  product_version_id uuid not null references ledger.product_version,
  hook text not null,
  format smallint not null,
  -- Canonical JSON, both.
  inputs text not null,
  outcome text not null,
  -- Wall time of the run, measured and not judged for built-in code (HOOK-5).
  duration_micros bigint not null check (duration_micros >= 0),
  batch_id uuid,
  executed_at timestamptz not null,
  primary key (book_id, execution_id, attempt)
);
create index hook_execution_by_account on ledger.hook_execution (book_id, account_id, executed_at);
create index hook_execution_by_batch on ledger.hook_execution (book_id, batch_id) where batch_id is not null;

-- Up to where committed batches were shown to their accounts' postPosting.
create table ledger.hook_cursor (
  book_id smallint primary key references ledger.book,
  seq bigint not null
);
insert into ledger.hook_cursor select book_id, seq from ledger.head;

-- What waits for a hook beside the cursor: a changed parameter, or an account's batches that are shown again. Deleted after the effect.
create table ledger.hook_task (
  book_id smallint not null references ledger.book,
  execution_id text not null,
  seq bigint not null,
  account_id uuid not null,
  hook text not null check (hook in ('postParameterChange', 'postPosting')),
  effective_at timestamptz not null,
  payload jsonb not null,
  primary key (book_id, execution_id)
);
create index hook_task_by_seq on ledger.hook_task (book_id, seq);

-- §2.9, last column: what failed after its retries. The account stays usable; its later hooks wait behind this until it is resolved.
create table ledger.post_processing_failure (
  book_id smallint not null references ledger.book,
  execution_id text not null,
  account_id uuid not null,
  hook text not null,
  -- The record that the hook was to see.
  seq bigint not null,
  code text not null,
  reason text not null,
  -- Of the execution; above 1 when an operator had it run again.
  attempt smallint not null check (attempt > 0),
  failed_at timestamptz not null,
  resolved_at timestamptz,
  resolution text check (resolution in ('RETRIED', 'SKIPPED')),
  primary key (book_id, execution_id, attempt),
  check ((resolved_at is null) = (resolution is null))
);
create unique index post_processing_failure_open on ledger.post_processing_failure (book_id, account_id) where resolved_at is null;

-- A conversion of many accounts: pages of a version's accounts in order of id, one command for each page.
create table ledger.conversion (
  book_id smallint not null references ledger.book,
  conversion_id uuid not null,
  seq bigint not null,
  from_version_id uuid not null references ledger.product_version,
  to_version_id uuid not null references ledger.product_version,
  principal text not null,
  correlation_id text not null,
  started_at timestamptz not null,
  -- The last account of the last page that was done.
  after_account_id uuid,
  finished_at timestamptz,
  primary key (book_id, conversion_id)
);
create index conversion_running on ledger.conversion (book_id, started_at) where finished_at is null;

create table ledger.conversion_result (
  book_id smallint not null,
  conversion_id uuid not null,
  account_id uuid not null,
  -- Absent: it was converted.
  rejection_code text,
  rejection_message text,
  primary key (book_id, conversion_id, account_id),
  check ((rejection_code is null) = (rejection_message is null))
);

-- Operations that are no batch: terms of accounts, products, periods.
alter table ledger.operation
  alter column batch_id drop not null,
  add constraint operation_batch check (batch_id is not null or type = 'OTHER');

-- What an account was opened with by choice goes before its template: parameters that differ from the version's defaults.
insert into ledger.account_parameter (book_id, account_id, seq, name, value, from_at, principal, inserted_at)
  select a.book_id, a.account_id, 0, p.key, p.value, a.opened_at, 'svc:ledger', a.opened_at
  from ledger.account a
  join ledger.product_version v using (product_version_id)
  cross join lateral jsonb_each_text(a.parameters) p
  where p.value is distinct from (
    select d ->> 'defaultValue' from jsonb_array_elements(v.parameters) d where d ->> 'name' = p.key);

select florin.make_append_only(t) from unnest(array[
  'ledger.period_close', 'ledger.account_version', 'ledger.account_parameter', 'ledger.template_parameter', 'ledger.account_flag',
  'ledger.restriction_definition', 'ledger.restriction', 'ledger.restriction_lift', 'ledger.account_guard', 'ledger.hook_execution',
  'ledger.conversion_result']::regclass[]) t;

grant select, insert on ledger.period_close, ledger.account_version, ledger.account_parameter, ledger.template_parameter,
  ledger.account_flag, ledger.restriction_definition, ledger.restriction, ledger.restriction_lift, ledger.account_guard,
  ledger.hook_execution, ledger.conversion_result to florin_ledger;
grant select on ledger.processing_group, ledger.internal_address_scale to florin_ledger;
grant select, update on ledger.hook_cursor to florin_ledger;
grant select, insert, delete on ledger.hook_task to florin_ledger;
grant select, insert on ledger.post_processing_failure, ledger.conversion to florin_ledger;
grant update (resolved_at, resolution) on ledger.post_processing_failure to florin_ledger;
grant update (after_account_id, finished_at) on ledger.conversion to florin_ledger;
grant update (product_version_id, parameters) on ledger.account to florin_ledger;
