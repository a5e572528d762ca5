-- Safe beside running versions: a new schema.
-- What a person owns and owes, here and at other institutions: projections, built from the events of accounts (snapshots of what
-- institutions said) and of the ledger (balances). Nothing here is booked, and all of it can be built again.
--
-- Rows of an institution carry Plaid's account id, and the roster (linked_account) says which account here that is: a holding may arrive
-- before its account, and shows when the account is there. What was said of an account that left the roster is not shown any more.

create schema portfolio;
select florin.create_event_tables('portfolio');

-- How far each product of an item was applied (packages/linked-data). A version is applied when all its pages are there.
create table portfolio.applied_snapshot (
  item_id uuid not null,
  product text not null check (product in ('ACCOUNTS', 'TRANSACTIONS', 'LIABILITIES', 'HOLDINGS', 'INVESTMENT_TRANSACTIONS')),
  version bigint not null default 0 check (version >= 0),
  captured_at timestamptz,
  applied_at timestamptz,
  primary key (item_id, product),
  check ((version = 0) = (captured_at is null) and (version = 0) = (applied_at is null))
);

create function portfolio.refuse_older_version() returns trigger language plpgsql as $$
begin
  if new.version < old.version then
    raise exception '% of item % would go back from version % to %', old.product, old.item_id, old.version, new.version
      using errcode = 'FL002';
  end if;
  return new;
end $$;
create trigger refuse_older_version before update on portfolio.applied_snapshot
  for each row execute function portfolio.refuse_older_version();

-- Pages of versions that are not complete yet, sealed as they came.
create table portfolio.snapshot_page (
  item_id uuid not null,
  product text not null,
  version bigint not null check (version > 0),
  page integer not null check (page >= 0),
  pages integer not null check (pages > page),
  body jsonb not null,
  received_at timestamptz not null,
  primary key (item_id, product, version, page)
);
create index snapshot_page_by_age on portfolio.snapshot_page (received_at);

-- An item that was removed: nothing of it is taken any more, and how many rows of each table were deleted.
create table portfolio.item_removal (
  item_id uuid primary key,
  user_id uuid not null,
  removed_at timestamptz not null,
  purged_rows jsonb not null
);

create table portfolio.linked_account (
  linked_account_id uuid primary key,
  item_id uuid not null,
  user_id uuid not null,
  plaid_account_id text collate "C" not null,
  -- As it came: depository, credit, loan, investment, …
  type text not null,
  subtype text,
  available numeric,
  current numeric,
  credit_limit numeric,
  iso_code text,
  unofficial_code text,
  as_of timestamptz not null,
  unique (item_id, plaid_account_id),
  check (num_nonnulls(iso_code, unofficial_code) <= 1)
);
create index linked_account_by_user on portfolio.linked_account (user_id, linked_account_id);

-- One row whenever what counts towards net worth changed.
create table portfolio.linked_balance_history (
  linked_account_id uuid not null,
  captured_at timestamptz not null,
  item_id uuid not null,
  user_id uuid not null,
  type text not null,
  available numeric,
  current numeric,
  iso_code text,
  unofficial_code text,
  primary key (linked_account_id, captured_at)
);
create index linked_balance_history_by_item on portfolio.linked_balance_history (item_id);

create table portfolio.linked_transaction (
  linked_transaction_id uuid primary key,
  item_id uuid not null,
  user_id uuid not null,
  plaid_account_id text collate "C" not null,
  -- Positive leaves the account.
  amount numeric not null,
  iso_code text,
  unofficial_code text,
  category text,
  is_pending boolean not null,
  date date not null,
  check (num_nonnulls(iso_code, unofficial_code) <= 1)
);
create index linked_transaction_by_user on portfolio.linked_transaction (user_id, date);
create index linked_transaction_by_item on portfolio.linked_transaction (item_id);

-- What is due, lifted out; `content` is all that the institution says, money as decimal text, numbers masked.
create table portfolio.liability (
  item_id uuid not null,
  kind text not null check (kind in ('CREDIT', 'MORTGAGE', 'STUDENT', 'LOAN', 'LINE_OF_CREDIT')),
  ordinal integer not null check (ordinal >= 0),
  user_id uuid not null,
  plaid_account_id text collate "C",
  next_payment_due_date date,
  next_payment_amount numeric,
  is_overdue boolean,
  captured_at timestamptz not null,
  content jsonb not null,
  primary key (item_id, kind, ordinal)
);
create index liability_by_user on portfolio.liability (user_id);

-- One row whenever the content changed. `content` null: the institution named the liability no more.
create table portfolio.liability_history (
  item_id uuid not null,
  kind text not null,
  -- Empty where the institution names no account.
  plaid_account_id text collate "C" not null,
  -- Among those of the same kind and account.
  place integer not null,
  version bigint not null,
  user_id uuid not null,
  captured_at timestamptz not null,
  content jsonb,
  primary key (item_id, kind, plaid_account_id, place, version)
);

-- A security as one product of one item names it, never shared between items: what one institution says changes nobody else's picture.
-- `security_id` follows the FIGI where there is one, as Plaid's own id may change (linked-accounts.md §6).
create table portfolio.security (
  item_id uuid not null,
  product text not null check (product in ('HOLDINGS', 'INVESTMENT_TRANSACTIONS')),
  plaid_security_id text collate "C" not null,
  security_id uuid not null,
  user_id uuid not null,
  name text,
  ticker_symbol text,
  type text,
  close_price numeric,
  close_price_as_of date,
  iso_code text,
  unofficial_code text,
  captured_at timestamptz not null,
  content jsonb not null,
  primary key (item_id, product, plaid_security_id)
);
create index security_by_id on portfolio.security (security_id);

-- Two holdings of one security in one account occur: the ordinal tells them apart.
create table portfolio.holding (
  item_id uuid not null,
  plaid_account_id text collate "C" not null,
  plaid_security_id text collate "C" not null,
  ordinal integer not null check (ordinal >= 0),
  user_id uuid not null,
  quantity numeric not null,
  institution_price numeric not null,
  institution_price_as_of date,
  institution_price_at timestamptz,
  institution_value numeric not null,
  -- Of the whole position.
  cost_basis numeric,
  vested_quantity numeric,
  vested_value numeric,
  iso_code text,
  unofficial_code text,
  -- false: the institution says nothing of lots, which is not the same as having none.
  has_tax_lots boolean not null,
  captured_at timestamptz not null,
  primary key (item_id, plaid_account_id, plaid_security_id, ordinal),
  check (num_nonnulls(iso_code, unofficial_code) <= 1)
);
create index holding_by_user on portfolio.holding (user_id);

create table portfolio.tax_lot (
  item_id uuid not null,
  plaid_account_id text collate "C" not null,
  plaid_security_id text collate "C" not null,
  ordinal integer not null,
  lot integer not null check (lot >= 0),
  institution_lot_id text,
  purchased_at timestamptz,
  quantity numeric,
  purchase_price numeric,
  cost_basis numeric,
  current_value numeric,
  position_type text,
  primary key (item_id, plaid_account_id, plaid_security_id, ordinal, lot),
  foreign key (item_id, plaid_account_id, plaid_security_id, ordinal) references portfolio.holding on delete cascade
);

-- One row whenever a position changed. `quantity` null: it is held no more.
create table portfolio.holding_history (
  item_id uuid not null,
  plaid_account_id text collate "C" not null,
  plaid_security_id text collate "C" not null,
  ordinal integer not null,
  version bigint not null,
  user_id uuid not null,
  captured_at timestamptz not null,
  quantity numeric,
  institution_price numeric,
  institution_value numeric,
  cost_basis numeric,
  iso_code text,
  unofficial_code text,
  primary key (item_id, plaid_account_id, plaid_security_id, ordinal, version)
);

create table portfolio.investment_transaction (
  investment_transaction_id uuid primary key,
  item_id uuid not null,
  plaid_investment_transaction_id text collate "C" not null,
  user_id uuid not null,
  plaid_account_id text collate "C" not null,
  plaid_security_id text collate "C",
  date date not null,
  transaction_at timestamptz,
  name text not null,
  quantity numeric not null,
  -- Positive: cash out (a buy).
  amount numeric not null,
  price numeric not null,
  fees numeric,
  type text not null,
  subtype text not null,
  iso_code text,
  unofficial_code text,
  unique (item_id, plaid_investment_transaction_id),
  check (num_nonnulls(iso_code, unofficial_code) <= 1)
);
create index investment_transaction_by_user on portfolio.investment_transaction (user_id, date desc, investment_transaction_id desc);
create index investment_transaction_by_item on portfolio.investment_transaction (item_id, date);

-- Accounts held here: who owns them, and their balance after the last batch that was told.
create table portfolio.own_account (
  account_id uuid primary key,
  currency text,
  -- ASSET: what is owed to the bank (a card, a loan). Null until the ledger has opened it.
  tside text check (tside in ('ASSET', 'LIABILITY')),
  -- Its debt lies on addresses that balances of the account's main address do not show.
  has_debt_elsewhere boolean not null default false,
  opened_at timestamptz,
  closed_at timestamptz
);

create table portfolio.own_account_owner (
  account_id uuid not null,
  principal text not null,
  primary key (account_id, principal)
);
create index own_account_owner_by_principal on portfolio.own_account_owner (principal);

create table portfolio.own_balance (
  account_id uuid primary key,
  -- Grows with every posting of the account: an event that comes late or twice changes nothing.
  account_seq bigint not null check (account_seq > 0),
  committed numeric not null,
  -- As they were before the last change: what that change tells is the difference.
  account_seq_before bigint not null default 0,
  committed_before numeric not null default 0,
  currency text not null,
  as_of timestamptz not null
);

-- What one batch did to an account: its balance after it, less the balance before it. Their sum is the balance.
create table portfolio.own_flow (
  account_id uuid not null,
  account_seq bigint not null,
  batch_id uuid not null,
  day date not null,
  amount numeric not null,
  currency text not null,
  primary key (account_id, account_seq)
);
create index own_flow_by_day on portfolio.own_flow (account_id, day);

create function portfolio.refuse_balance_going_back() returns trigger language plpgsql as $$
begin
  if new.account_seq <= old.account_seq then
    raise exception 'the balance of account % would go back from posting % to %', old.account_id, old.account_seq, new.account_seq
      using errcode = 'FL002';
  end if;
  return new;
end $$;
create trigger refuse_balance_going_back before update on portfolio.own_balance
  for each row execute function portfolio.refuse_balance_going_back();

-- History grows; it is deleted with the item that it is about, and then only.
create function portfolio.refuse_history_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and exists (select from portfolio.item_removal r where r.item_id = old.item_id) then
    return old;
  end if;
  raise exception '%.% is append-only: % is refused. Remove the item to have its history deleted.',
    tg_table_schema, tg_table_name, tg_op using errcode = 'FL003';
end $$;
do $$
declare history text;
begin
  foreach history in array array['linked_balance_history', 'liability_history', 'holding_history'] loop
    execute format('create trigger refuse_change before update or delete on portfolio.%I for each row
      execute function portfolio.refuse_history_change()', history);
    execute format('create trigger refuse_truncate before truncate on portfolio.%I for each statement
      execute function florin.refuse_change()', history);
  end loop;
end $$;
select florin.make_append_only('portfolio.own_flow');
select florin.make_append_only('portfolio.item_removal');

grant select, insert, update, delete on portfolio.applied_snapshot, portfolio.snapshot_page, portfolio.linked_account,
  portfolio.linked_transaction, portfolio.liability, portfolio.security, portfolio.holding, portfolio.tax_lot,
  portfolio.investment_transaction to florin_portfolio;
grant select, insert, delete on portfolio.linked_balance_history, portfolio.liability_history, portfolio.holding_history
  to florin_portfolio;
grant select, insert on portfolio.item_removal, portfolio.own_flow, portfolio.own_account_owner to florin_portfolio;
grant select, insert, update on portfolio.own_account, portfolio.own_balance to florin_portfolio;
