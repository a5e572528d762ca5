-- Safe beside running versions: new objects only.
-- People, their sessions, and who owns which account. The ledger owns money and status; what stands here of an account's
-- status is a projection of the ledger's events, applied only forwards (ledger_position).

create schema accounts;
select florin.create_event_tables('accounts');

-- Email is stored normalised (lower case), phone as E.164, so a unique index says who is taken.
create table accounts.app_user (
  user_id uuid primary key,
  email text unique check (email = lower(email) and length(email) <= 254),
  phone text unique check (phone ~ '^\+[1-9][0-9]{6,14}$'),
  full_name text not null check (length(full_name) between 1 and 200),
  country text not null check (country ~ '^[A-Z]{2}$'),
  password_hash text not null check (password_hash like '$argon2id$%'),
  roles text[] not null check (roles <@ array['CUSTOMER', 'MERCHANT', 'STAFF', 'AUDITOR'] and cardinality(roles) > 0),
  status text not null default 'ACTIVE' check (status in ('ACTIVE', 'SUSPENDED')),
  created_at timestamptz not null,
  check (email is not null or phone is not null)
);

-- One log-in and everything that was refreshed from it: the family of its refresh tokens.
create table accounts.session (
  session_id uuid primary key,
  user_id uuid not null references accounts.app_user,
  created_at timestamptz not null,
  -- However often it is refreshed, it ends here.
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoke_reason text check (revoke_reason in ('LOGOUT', 'REFRESH_TOKEN_REUSED')),
  check ((revoked_at is null) = (revoke_reason is null)),
  check (expires_at > created_at)
);
create index session_by_user on accounts.session (user_id);
create index session_revoked on accounts.session (revoked_at) where revoked_at is not null;

-- Only hashes. A used token keeps its successor encrypted under a key made from the used token itself and a secret of the
-- server, so a client that repeats a refresh gets the same answer and a copy of this table gives nobody a session.
create table accounts.refresh_token (
  token_hash bytea primary key check (length(token_hash) = 32),
  session_id uuid not null references accounts.session,
  issued_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  successor_sealed bytea,
  check ((used_at is null) = (successor_sealed is null)),
  check (expires_at > issued_at)
);
create index refresh_token_by_expiry on accounts.refresh_token (expires_at);

create table accounts.account (
  account_id uuid primary key,
  kind text not null check (kind in ('CUSTOMER', 'INTERNAL')),
  name text not null check (length(name) between 1 and 100),
  currency text not null check (currency ~ '^[A-Z0-9]{3,12}$'),
  status text not null check (status in ('PENDING', 'OPEN', 'PENDING_CLOSURE', 'CLOSED', 'REJECTED', 'MIGRATING')),
  -- What was asked for: a product's id or code. What it became is the ledger's to say.
  requested_product text,
  product_id text,
  product_version_id text,
  parameters jsonb not null default '{}',
  rejection_code text,
  rejection_message text,
  created_at timestamptz not null,
  opened_at timestamptz,
  closed_at timestamptz,
  -- Of the last event of the ledger that was applied here; an older one changes nothing.
  ledger_position bigint not null default 0,
  check ((kind = 'CUSTOMER') = (requested_product is not null)),
  check ((status = 'REJECTED') = (rejection_code is not null)),
  check ((rejection_code is null) = (rejection_message is null)),
  check ((status in ('OPEN', 'PENDING_CLOSURE', 'CLOSED', 'MIGRATING')) = (opened_at is not null)),
  check ((status = 'CLOSED') = (closed_at is not null))
);

-- PENDING → OPEN | REJECTED; OPEN ⇄ PENDING_CLOSURE; either of these two → CLOSED. CLOSED and REJECTED are final.
create function accounts.check_account_change() returns trigger language plpgsql as $$
begin
  if new.ledger_position < old.ledger_position then
    raise exception 'account % would go back from ledger position % to %', old.account_id, old.ledger_position, new.ledger_position
      using errcode = 'FL002';
  end if;
  if new.status <> old.status and (old.status, new.status) not in (
       ('PENDING', 'OPEN'), ('PENDING', 'REJECTED'), ('OPEN', 'PENDING_CLOSURE'), ('PENDING_CLOSURE', 'OPEN'),
       ('OPEN', 'CLOSED'), ('PENDING_CLOSURE', 'CLOSED'), ('OPEN', 'MIGRATING'), ('MIGRATING', 'OPEN')) then
    raise exception 'account % cannot go from % to %', old.account_id, old.status, new.status using errcode = 'FL002';
  end if;
  return new;
end $$;
create trigger check_account_change before update on accounts.account
  for each row execute function accounts.check_account_change();

create table accounts.account_owner (
  account_id uuid not null references accounts.account,
  principal text not null check (principal ~ '^(usr|ptr)_[0-9a-z]{26}$'),
  primary key (account_id, principal)
);
create index account_owner_principal on accounts.account_owner (principal, account_id);

-- A request to close and what the ledger answered. One at a time for an account, so an answer needs no reference to it.
create table accounts.account_closure (
  closure_id uuid primary key,
  account_id uuid not null references accounts.account,
  requested_by text not null,
  status text not null check (status in ('PENDING', 'CLOSED', 'REJECTED')),
  rejection_code text,
  rejection_message text,
  requested_at timestamptz not null,
  decided_at timestamptz,
  check ((status = 'PENDING') = (decided_at is null)),
  check ((status = 'REJECTED') = (rejection_code is not null)),
  check ((rejection_code is null) = (rejection_message is null))
);
create unique index account_closure_pending on accounts.account_closure (account_id) where status = 'PENDING';

-- The outcome is the entity's id, never response bytes: a replay reads the entity (api.md, Idempotency). Kept 30 days.
create table accounts.idempotency_key (
  principal text not null,
  idempotency_key text not null check (length(idempotency_key) between 1 and 255),
  operation text not null check (operation in ('register', 'openAccount', 'closeAccount')),
  fingerprint text not null,
  entity_id uuid not null,
  created_at timestamptz not null,
  primary key (principal, idempotency_key)
);
create index idempotency_key_by_age on accounts.idempotency_key (created_at);

create table accounts.partner (
  partner_id uuid primary key,
  name text not null check (length(name) between 1 and 200),
  status text not null default 'ACTIVE' check (status in ('ACTIVE', 'SUSPENDED')),
  created_at timestamptz not null
);

-- Keys carry 256 bits of chance, so a plain hash is enough to look them up and useless to guess from.
create table accounts.api_key (
  key_hash text primary key check (key_hash ~ '^[0-9a-f]{64}$'),
  partner_id uuid not null references accounts.partner,
  scopes text[] not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz
);
create index api_key_by_partner on accounts.api_key (partner_id);

-- NEXT (published) → ACTIVE (signs) → RETIRING (verifies only) → RETIRED. The private half is sealed with the master key,
-- bound to the key's id, and destroyed when the key stops signing.
create table accounts.signing_key (
  key_id text primary key check (key_id ~ '^[A-Za-z0-9_-]{1,64}$'),
  state text not null check (state in ('NEXT', 'ACTIVE', 'RETIRING', 'RETIRED')),
  public_jwk jsonb not null,
  private_jwk_sealed bytea,
  created_at timestamptz not null,
  activated_at timestamptz,
  retiring_at timestamptz,
  retired_at timestamptz,
  check ((state in ('NEXT', 'ACTIVE')) = (private_jwk_sealed is not null)),
  check ((state = 'RETIRED') = (retired_at is not null))
);
create unique index signing_key_active on accounts.signing_key ((true)) where state = 'ACTIVE';

-- Attempts to log in, counted before the password is looked at, so a thousand parallel guesses are ten. The subject is a
-- user's id, or a keyed hash of an identifier that nobody has: what was typed there is never stored.
create table accounts.login_attempt (
  subject text primary key,
  window_started_at timestamptz not null,
  attempts integer not null check (attempts > 0)
);
create index login_attempt_by_age on accounts.login_attempt (window_started_at);

select florin.make_append_only(t) from unnest(array['accounts.account_owner']::regclass[]) t;

grant select, insert on accounts.app_user, accounts.session, accounts.refresh_token, accounts.account, accounts.account_owner,
  accounts.account_closure, accounts.idempotency_key, accounts.partner, accounts.api_key, accounts.signing_key,
  accounts.login_attempt to florin_accounts;
grant update (password_hash) on accounts.app_user to florin_accounts;
grant update (revoked_at, revoke_reason) on accounts.session to florin_accounts;
grant update (used_at, successor_sealed) on accounts.refresh_token to florin_accounts;
grant update (status, product_id, product_version_id, parameters, rejection_code, rejection_message, opened_at, closed_at,
  ledger_position) on accounts.account to florin_accounts;
grant update (status, rejection_code, rejection_message, decided_at) on accounts.account_closure to florin_accounts;
grant update (state, private_jwk_sealed, activated_at, retiring_at, retired_at) on accounts.signing_key to florin_accounts;
grant update (revoked_at) on accounts.api_key to florin_accounts;
grant update (window_started_at, attempts) on accounts.login_attempt to florin_accounts;
-- What may be forgotten: keys after 30 days, tokens after their end, attempts after their window.
grant delete on accounts.idempotency_key, accounts.refresh_token, accounts.login_attempt to florin_accounts;

-- Called by the migration runner whenever currencies were written; adds what is missing.
create function accounts.seed_reference_data() returns void language sql as $$
  insert into accounts.account (account_id, kind, name, currency, status, created_at, opened_at)
    select florin.internal_account_id(i.code, c.code), 'INTERNAL', i.name, c.code, 'OPEN', '1970-01-01T00:00:00Z', '1970-01-01T00:00:00Z'
    from florin.internal_account_code i cross join florin.currency c
    on conflict do nothing;
$$;
