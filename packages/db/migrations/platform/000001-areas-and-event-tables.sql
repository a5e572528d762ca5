-- Safe beside running versions: new objects only.
-- One schema and one role per area. A process connects as the role of its area (`role` in the startup packet), so a subgraph
-- that reaches for another area's table is refused by PostgreSQL and not only by a lint rule.

create schema florin;

do $$
declare area text;
begin
  -- Roles belong to the cluster, not to the database: another database may have made them already, or be making them now.
  perform pg_advisory_xact_lock(hashtext('florin-roles'));
  foreach area in array array['accounts', 'ledger'] loop
    if not exists (select from pg_roles where rolname = 'florin_' || area) then
      execute format('create role %I nologin', 'florin_' || area);
    end if;
    if not pg_has_role(current_user, 'florin_' || area, 'member') then
      execute format('grant %I to current_user', 'florin_' || area);
    end if;
  end loop;
end $$;

create function florin.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '%.% is append-only: % is refused. Write a new row that corrects the old one.',
    tg_table_schema, tg_table_name, tg_op using errcode = 'FL003';
end $$;

-- A published event is for ever; the one change it knows is its number, given once by the relay.
create function florin.refuse_outbox_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and old.position is null and new.position is not null
     and (to_jsonb(new) - 'position') = (to_jsonb(old) - 'position') then
    return new;
  end if;
  raise exception '%.outbox is append-only: % is refused.', tg_table_schema, tg_op using errcode = 'FL003';
end $$;

create function florin.make_append_only(target regclass) returns void language plpgsql as $$
begin
  execute format('create trigger refuse_change before update or delete on %s for each row execute function florin.refuse_change()', target);
  execute format('create trigger refuse_truncate before truncate on %s for each statement execute function florin.refuse_change()', target);
end $$;

-- The same event tables in every area: outbox with its head, inbox with its offsets, dead letters.
create function florin.create_event_tables(area text) returns void language plpgsql as $body$
begin
  execute format($ddl$
    create table %1$I.outbox (
      event_id uuid primary key,
      -- Gapless, in commit order: the only order readers rely on. An area with one writer assigns it in its batch; elsewhere
      -- the relay numbers committed rows below the oldest running transaction (reliability.md, finding 5).
      position bigint unique,
      xid xid8 not null default pg_current_xact_id(),
      ordinal integer not null,
      key text not null,
      type text not null,
      schema_version integer not null,
      occurred_at timestamptz not null,
      correlation_id text not null,
      causation_id text,
      change_id text,
      audience text[] not null,
      payload jsonb not null
    );
    create index outbox_unnumbered on %1$I.outbox (xid, ordinal) where position is null;
    create trigger refuse_change before update or delete on %1$I.outbox for each row execute function florin.refuse_outbox_change();
    create trigger refuse_truncate before truncate on %1$I.outbox for each statement execute function florin.refuse_change();

    -- numbered: the last position given (areas that the relay numbers). delivered: every group has finished up to here.
    create table %1$I.outbox_head (
      is_only boolean primary key default true check (is_only),
      numbered bigint not null default 0,
      delivered bigint not null default 0
    );
    insert into %1$I.outbox_head default values;

    create table %1$I.inbox (
      consumer text not null,
      event_id uuid not null,
      stream text not null,
      position bigint not null,
      applied_at timestamptz not null default clock_timestamp(),
      primary key (consumer, event_id)
    );

    create table %1$I.consumer_offset (
      consumer text not null,
      stream text not null,
      position bigint not null,
      primary key (consumer, stream)
    );

    -- A poisoned event parks its key: later events of that key wait here behind it, other keys flow (STR-4, gap 8 of ledger.md).
    create table %1$I.dead_letter (
      dead_letter_id bigint generated always as identity primary key,
      consumer text not null,
      stream text not null,
      position bigint not null,
      event_id uuid not null,
      key text not null,
      type text not null,
      envelope jsonb not null,
      status text not null check (status in ('PARKED', 'WAITING', 'REPLAYED', 'DISCARDED')),
      error text,
      attempts integer not null default 0,
      reason text,
      -- Set by `florin dead-letters replay`; the running group looks for it and applies the key's open events in order.
      replay_requested_at timestamptz,
      parked_at timestamptz not null default clock_timestamp(),
      resolved_at timestamptz,
      unique (consumer, event_id)
    );
    create index dead_letter_open on %1$I.dead_letter (consumer, key, position) where status in ('PARKED', 'WAITING');

    grant usage on schema %1$I, florin to %2$I;
    grant select, insert on %1$I.outbox, %1$I.inbox to %2$I;
    grant update (position) on %1$I.outbox to %2$I;
    grant select, update on %1$I.outbox_head to %2$I;
    grant select, insert, update on %1$I.consumer_offset, %1$I.dead_letter to %2$I;
  $ddl$, area, 'florin_' || area);
end $body$;

-- Reference data that several areas seed their own rows from. Currencies come from the kernel's table (one source), written by
-- the migration runner after the files.
create table florin.currency (
  code text primary key,
  minor_digits smallint not null check (minor_digits between 0 and 18)
);

create table florin.internal_account_code (
  code text primary key,
  name text not null,
  tside text not null check (tside in ('ASSET', 'LIABILITY'))
);
insert into florin.internal_account_code values
  ('CASH_IN', 'Cash in', 'ASSET'),
  ('CASH_OUT', 'Cash out', 'ASSET'),
  ('CARD_SETTLEMENT', 'Card settlement', 'LIABILITY'),
  ('FEE_INCOME', 'Fee income', 'LIABILITY'),
  ('SUSPENSE', 'Suspense', 'LIABILITY');

-- Derived from (code, currency), so accounts and ledger each seed their row without asking the other.
create function florin.internal_account_id(code text, currency text) returns uuid language sql immutable as $$
  select (overlay(overlay(substr(encode(sha256(convert_to('internal-account:' || code || ':' || currency, 'UTF8')), 'hex'), 1, 32)
    placing '8' from 13) placing '8' from 17))::uuid
$$;
