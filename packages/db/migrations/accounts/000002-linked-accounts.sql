-- Safe beside running versions: new objects, and a wider list of operations.
-- Accounts linked at other institutions (docs/plaid.md). One login at one institution is an item; its accounts and transactions are what
-- the institution last said, soft-deleted and never guessed; who calls the institution, and holds its token, is the worker alone.
-- A person's virtual account is everything that person linked: it has the person's own id and no row.

create table accounts.linked_item (
  item_id uuid primary key,
  user_id uuid not null references accounts.app_user,
  -- Plaid's, case-sensitive. Gone when the item was purged; its digest stays, so that a late webhook is known.
  plaid_item_id text collate "C" unique,
  plaid_item_digest bytea not null unique check (length(plaid_item_digest) = 32),
  environment text not null check (environment in ('production', 'sandbox', 'simulator')),
  institution_id text,
  institution_name text,
  status text not null check (status in ('HEALTHY', 'EXPIRING', 'LOGIN_REQUIRED', 'ACTION_AT_INSTITUTION', 'INSTITUTION_DOWN',
    'REVOKED', 'TOKEN_LOST', 'REMOVED')),
  -- A code, such as ITEM_LOGIN_REQUIRED or PENDING_DISCONNECT.
  status_reason text check (length(status_reason) <= 200),
  status_since timestamptz not null,
  -- Of consent, or of the institution's connection: until then data flows.
  expires_at timestamptz,
  has_new_accounts boolean not null default false,
  -- Of transactions/sync: never the empty text that "not ready" answers with (§1.3 rule 2).
  transactions_cursor text check (length(transactions_cursor) between 1 and 256),
  -- Grows with each run that was committed: the compare-and-swap of rule 4.
  cursor_version bigint not null default 0,
  -- What was chosen in Link, as digests of name, mask, type and subtype: tells a second link of the same login until the accounts are
  -- read (linked-accounts.md §1.8).
  chosen_accounts text[] not null default '{}',
  -- The history of investment transactions was read whole.
  has_investment_history boolean not null default false,
  last_webhook_at timestamptz,
  next_poll_at timestamptz,
  -- One worker at a time. The epoch fences one whose lease ran out.
  lease_owner text,
  lease_until timestamptz,
  lease_epoch bigint not null default 0,
  created_at timestamptz not null,
  removed_at timestamptz,
  purged_at timestamptz,
  check ((status = 'REMOVED') = (removed_at is not null)),
  check (purged_at is null or removed_at is not null),
  check (purged_at is null or plaid_item_id is null),
  check ((lease_owner is null) = (lease_until is null))
);
create index linked_item_by_user on accounts.linked_item (user_id, created_at);
create index linked_item_to_poll on accounts.linked_item (next_poll_at) where removed_at is null;

-- What an item went through: for people, staff and auditors.
create table accounts.linked_item_history (
  item_id uuid not null references accounts.linked_item,
  ordinal bigint generated always as identity,
  at timestamptz not null,
  status text not null,
  reason text,
  primary key (item_id, ordinal)
);

create function accounts.check_linked_item_change() returns trigger language plpgsql as $$
begin
  if old.status = 'REMOVED' and new.status <> 'REMOVED' then
    raise exception 'linked item % was removed; link again', old.item_id using errcode = 'FL002';
  end if;
  if new.lease_epoch < old.lease_epoch or new.cursor_version < old.cursor_version then
    raise exception 'linked item % would go back', old.item_id using errcode = 'FL002';
  end if;
  return new;
end $$;
create trigger check_linked_item_change before update on accounts.linked_item
  for each row execute function accounts.check_linked_item_change();

create function accounts.write_linked_item_history() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' or (old.status, old.status_reason) is distinct from (new.status, new.status_reason) then
    insert into accounts.linked_item_history (item_id, at, status, reason)
      values (new.item_id, new.status_since, new.status, new.status_reason);
  end if;
  return null;
end $$;
create trigger write_linked_item_history after insert or update on accounts.linked_item
  for each row execute function accounts.write_linked_item_history();

-- The access token, in an envelope (linked-accounts.md §5.1): its own data key, wrapped by a key that is not in the database.
create table accounts.linked_item_token (
  item_id uuid primary key references accounts.linked_item,
  ciphertext bytea not null,
  nonce bytea not null check (length(nonce) = 12),
  wrapped_dek bytea not null,
  kek_id text not null check (length(kek_id) between 1 and 200),
  alg_version smallint not null check (alg_version = 1),
  created_at timestamptz not null,
  rotated_at timestamptz,
  -- An invalidation was asked for and its answer is not stored yet (§5.2).
  rotation_started_at timestamptz
);
create index linked_item_token_by_kek on accounts.linked_item_token (kek_id);

-- One visit to Link: to add a login, or to repair one. Bound to the person who asked; nobody else's public token is exchanged for it.
create table accounts.link_attempt (
  attempt_id uuid primary key,
  user_id uuid not null references accounts.app_user,
  -- In update mode: the item that is repaired.
  item_id uuid references accounts.linked_item,
  status text not null check (status in ('CREATING', 'OPEN', 'EXCHANGING', 'LINKED', 'REPAIRED', 'DUPLICATE', 'LOST', 'EXPIRED', 'EXITED',
    'FAILED')),
  link_token_digest bytea unique check (length(link_token_digest) = 32),
  -- {linkToken, hostedLinkUrl} sealed: a replay answers the same, and the worker asks for the session's results.
  link_sealed bytea,
  expires_at timestamptz,
  public_token_digest bytea unique check (length(public_token_digest) = 32),
  -- The item that came of it.
  result_item_id uuid references accounts.linked_item,
  error_code text,
  created_at timestamptz not null,
  -- Until then somebody is asking Plaid for it (CREATING, EXCHANGING); after it, that one has died.
  claimed_until timestamptz,
  -- When the session's results are to be looked for, if no webhook brings them.
  next_poll_at timestamptz,
  finished_at timestamptz,
  check ((finished_at is null) = (status in ('CREATING', 'OPEN', 'EXCHANGING')))
);
create index link_attempt_by_user on accounts.link_attempt (user_id, created_at);
create index link_attempt_open on accounts.link_attempt (next_poll_at) where finished_at is null;
create index link_attempt_by_age on accounts.link_attempt (finished_at) where finished_at is not null;

create table accounts.linked_account (
  linked_account_id uuid primary key,
  item_id uuid not null references accounts.linked_item,
  user_id uuid not null references accounts.app_user,
  -- May change when an account is renamed at the institution: what belongs to people hangs on our own id.
  plaid_account_id text collate "C" not null,
  persistent_account_id text collate "C",
  name text not null,
  official_name text,
  mask text,
  -- As they came; the graph says OTHER or null for what it does not know.
  type text not null,
  subtype text,
  holder_category text,
  apy numeric,
  available numeric,
  current numeric,
  credit_limit numeric,
  iso_code text,
  unofficial_code text,
  balance_as_of timestamptz not null,
  balance_source text not null check (balance_source in ('CACHED', 'REALTIME', 'SYNC')),
  balance_last_updated_at timestamptz,
  first_seen_at timestamptz not null,
  removed_at timestamptz,
  -- The person withdrew this account alone at the institution: a cached roster that still lists it does not bring it back.
  revoked_at timestamptz,
  check (num_nonnulls(iso_code, unofficial_code) <= 1),
  check (revoked_at is null or removed_at is not null)
);
create unique index linked_account_plaid on accounts.linked_account (item_id, plaid_account_id);
create index linked_account_by_user on accounts.linked_account (user_id, linked_account_id) where removed_at is null;
create index linked_account_gone on accounts.linked_account (removed_at) where removed_at is not null;

create table accounts.linked_transaction (
  linked_transaction_id uuid primary key,
  item_id uuid not null references accounts.linked_item,
  linked_account_id uuid not null references accounts.linked_account,
  plaid_transaction_id text collate "C" not null,
  pending_plaid_transaction_id text collate "C",
  -- Signed as the institution signs: positive leaves the account.
  amount numeric not null,
  iso_code text,
  unofficial_code text,
  name text not null,
  merchant_name text,
  category_primary text,
  category_detailed text,
  is_pending boolean not null,
  date date not null,
  authorized_date date,
  occurred_at timestamptz,
  payment_channel text,
  -- What the person made of it; carried over when a pending one is posted under a new id (§1.3 rule 6).
  user_category text check (length(user_category) <= 100),
  user_note text check (length(user_note) <= 500),
  removed_at timestamptz,
  first_seen_at timestamptz not null,
  changed_at timestamptz not null,
  check (num_nonnulls(iso_code, unofficial_code) <= 1)
);
create unique index linked_transaction_plaid on accounts.linked_transaction (item_id, plaid_transaction_id);
create index linked_transaction_by_account on accounts.linked_transaction (linked_account_id, date desc, linked_transaction_id desc)
  where removed_at is null;

-- Pages of a run of transactions/sync until its last one is there: a run of any length takes little memory, and is applied by sets (§1.3
-- rules 3 and 4). Unlogged: a server that crashes or a standby that takes over has none of them, and the run, whose rows are counted before
-- they are applied, begins again.
create unlogged table accounts.linked_transaction_staged (
  item_id uuid not null,
  lease_epoch bigint not null,
  ordinal bigint not null,
  change text not null check (change in ('PUT', 'REMOVED')),
  plaid_transaction_id text collate "C" not null,
  -- Its id here, should it be a new one.
  linked_transaction_id uuid,
  plaid_account_id text collate "C",
  pending_plaid_transaction_id text collate "C",
  amount numeric,
  iso_code text,
  unofficial_code text,
  name text,
  merchant_name text,
  category_primary text,
  category_detailed text,
  is_pending boolean,
  date date,
  authorized_date date,
  occurred_at timestamptz,
  payment_channel text,
  primary key (item_id, lease_epoch, ordinal),
  check (change = 'REMOVED' or (linked_transaction_id is not null and plaid_account_id is not null and amount is not null
    and name is not null and is_pending is not null and date is not null))
);
create index linked_transaction_staged_id on accounts.linked_transaction_staged (item_id, plaid_transaction_id, ordinal desc);

-- How each product of an item stands: one that fails disturbs no other.
create table accounts.linked_product (
  item_id uuid not null references accounts.linked_item,
  product text not null check (product in ('BALANCES', 'TRANSACTIONS', 'LIABILITIES', 'INVESTMENTS')),
  status text not null check (status in ('READY', 'SYNCING', 'NOT_READY', 'NOT_APPLICABLE', 'FAILING')),
  reason text check (length(reason) <= 200),
  last_synced_at timestamptz,
  failures integer not null default 0,
  -- The kind of job that said so: of two that feed one product, the success of one does not hide the failure of the other.
  said_by text check (length(said_by) <= 100),
  primary key (item_id, product)
);

-- Versions of what was handed to portfolio (packages/linked-data).
create table accounts.linked_snapshot (
  item_id uuid not null references accounts.linked_item,
  product text not null check (product in ('ACCOUNTS', 'TRANSACTIONS', 'LIABILITIES', 'HOLDINGS', 'INVESTMENT_TRANSACTIONS')),
  version bigint not null check (version > 0),
  captured_at timestamptz not null,
  primary key (item_id, product)
);

-- What is to be done for an item, one row a kind: a storm of requests is one piece of work (requested > done).
create table accounts.linked_job (
  item_id uuid not null references accounts.linked_item,
  kind text not null check (kind in ('ITEM', 'ACCOUNTS', 'BALANCES', 'TRANSACTIONS', 'LIABILITIES', 'HOLDINGS', 'INVESTMENT_TRANSACTIONS', 'REMOVE')),
  requested bigint not null default 1,
  done bigint not null default 0,
  not_before timestamptz not null,
  failures integer not null default 0,
  last_error text check (length(last_error) <= 200),
  requested_at timestamptz not null,
  correlation_id text not null,
  primary key (item_id, kind),
  check (done <= requested)
);
create index linked_job_due on accounts.linked_job (not_before) where requested > done;

-- Webhooks that were verified: stored, answered, then worked on. No body: only what routes them, so no token ever stands here. A replay
-- meets the digest of its signature.
create table accounts.plaid_webhook (
  webhook_id uuid primary key,
  replay_digest bytea not null unique check (length(replay_digest) = 32),
  body_digest bytea not null check (length(body_digest) = 32),
  issued_at timestamptz not null,
  received_at timestamptz not null,
  webhook_type text not null check (length(webhook_type) <= 100),
  webhook_code text not null check (length(webhook_code) <= 100),
  plaid_item_id text collate "C",
  link_token_digest bytea,
  -- Codes and dates that the reaction needs, from a closed list.
  facts jsonb not null default '{}',
  processed_at timestamptz,
  outcome text check (length(outcome) <= 100)
);
create index plaid_webhook_waiting on accounts.plaid_webhook (received_at) where processed_at is null;
create index plaid_webhook_by_age on accounts.plaid_webhook (received_at);

-- Every call to Plaid, without what was said: for support (request_id), cost and health.
create table accounts.plaid_call (
  call_id bigint generated always as identity primary key,
  at timestamptz not null,
  endpoint text not null,
  item_id uuid,
  request_id text,
  http_status integer,
  error_code text,
  outcome text not null check (outcome in ('OK', 'REFUSED', 'FAILED', 'UNKNOWN', 'NOT_SENT')),
  latency_ms integer not null
);
create index plaid_call_by_age on accounts.plaid_call (at);
create index plaid_call_by_item on accounts.plaid_call (item_id, at) where item_id is not null;

-- Paid calls, counted before they are made.
create table accounts.plaid_budget (
  day date not null,
  scope text not null check (length(scope) <= 200),
  used integer not null check (used > 0),
  primary key (day, scope)
);

-- Tombstone first, then the institution, then the data (§1.9): what was done, and when.
create table accounts.linked_item_removal (
  item_id uuid primary key references accounts.linked_item,
  requested_by text not null,
  reason text not null check (reason in ('REQUESTED', 'VIRTUAL_ACCOUNT_DELETED', 'PERMISSION_REVOKED', 'DUPLICATE')),
  requested_at timestamptz not null,
  remote_outcome text check (remote_outcome in ('REMOVED', 'GONE', 'NO_TOKEN')),
  remote_request_id text,
  remote_at timestamptz,
  purged_at timestamptz,
  -- Rows by table, and their digest: the proof that nothing was left.
  purged_rows jsonb,
  proof_digest bytea check (length(proof_digest) = 32),
  check ((remote_outcome is null) = (remote_at is null)),
  check ((purged_at is null) = (purged_rows is null) and (purged_at is null) = (proof_digest is null))
);

alter table accounts.idempotency_key drop constraint idempotency_key_operation_check;
alter table accounts.idempotency_key add constraint idempotency_key_operation_check check (operation in ('register', 'openAccount',
  'closeAccount', 'createLinkToken', 'exchangePublicToken', 'refreshLinkedItem', 'removeLinkedItem', 'deleteVirtualAccount',
  'editLinkedTransaction', 'refreshLinkedBalances'));

select florin.make_append_only('accounts.linked_item_history');

-- Who serves people: reads what people may see, asks for work, receives webhooks. Neither tokens nor what is sealed.
grant select, insert on accounts.linked_job, accounts.plaid_budget to florin_accounts;
grant select on accounts.linked_item, accounts.linked_item_history, accounts.linked_account, accounts.linked_transaction,
  accounts.linked_product, accounts.linked_item_removal, accounts.plaid_call to florin_accounts;
grant insert on accounts.linked_item_removal, accounts.linked_item_history to florin_accounts;
grant update (requested, not_before, requested_at, correlation_id) on accounts.linked_job to florin_accounts;
grant update (used) on accounts.plaid_budget to florin_accounts;
grant update (status, error_code, finished_at) on accounts.link_attempt to florin_accounts;
grant update (status, status_reason, status_since, removed_at, last_webhook_at, next_poll_at) on accounts.linked_item to florin_accounts;
grant update (user_category, user_note, changed_at) on accounts.linked_transaction to florin_accounts;
grant select, insert on accounts.plaid_webhook to florin_accounts;
-- That there is one, for the invariants; not what it is.
grant select (item_id) on accounts.linked_item_token to florin_accounts;
grant select (attempt_id, user_id, item_id, status, link_token_digest, expires_at, public_token_digest, result_item_id, error_code,
  created_at, finished_at) on accounts.link_attempt to florin_accounts;
grant insert (attempt_id, user_id, item_id, status, created_at, expires_at) on accounts.link_attempt to florin_accounts;

-- Who calls Plaid.
grant usage on schema accounts, florin to florin_linked_worker;
grant select, insert, update on accounts.linked_item, accounts.linked_item_token, accounts.link_attempt, accounts.linked_account,
  accounts.linked_transaction, accounts.linked_product, accounts.linked_snapshot, accounts.linked_job, accounts.plaid_webhook,
  accounts.plaid_budget, accounts.linked_item_removal to florin_linked_worker;
grant select, insert on accounts.linked_item_history, accounts.plaid_call, accounts.outbox, accounts.idempotency_key to florin_linked_worker;
grant select (user_id, status) on accounts.app_user to florin_linked_worker;
-- The purge, and what may be forgotten in time: webhooks and calls after their retention, sealed attempts after their end.
grant delete on accounts.linked_item_token, accounts.linked_account, accounts.linked_transaction, accounts.linked_product,
  accounts.linked_snapshot, accounts.linked_job, accounts.plaid_webhook, accounts.plaid_call, accounts.plaid_budget, accounts.link_attempt
  to florin_linked_worker;
grant select, insert, delete on accounts.linked_transaction_staged to florin_linked_worker;
