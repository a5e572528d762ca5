-- Safe beside running versions: new objects, new columns that may be empty, and one unique key that moves to a table of its own.
-- All nine instruction types: holds and their life (ledger.md §2.4), reversal (T-8), and one audited record for every change (AUD-1).

-- One hold's life, one movement that its client named, or one group of custom instructions (CT-1): unique for ever. A movement whose id
-- the ledger made (`op_…`) has no row: its operation's id is as unique, and it is closed the moment it is there.
create table ledger.client_transaction (
  book_id smallint not null references ledger.book,
  client_id text not null,
  client_transaction_id text not null,
  kind text not null check (kind in ('AUTHORISATION', 'MOVEMENT', 'CUSTOM')),
  direction text check (direction in ('INBOUND', 'OUTBOUND')),
  target uuid,
  counterparty uuid,
  asset text,
  denomination text references ledger.denomination,
  expires_at timestamptz,
  on_expired text not null default 'REJECT' check (on_expired in ('REJECT', 'CONVERT_TO_HARD_SETTLEMENT')),
  allow_over_settlement boolean not null default true,
  authorised numeric not null default 0 check (authorised >= 0),
  adjusted numeric not null default 0,
  settled numeric not null default 0 check (settled >= 0),
  over_settled numeric not null default 0 check (over_settled between 0 and settled),
  released numeric not null default 0 check (released >= 0),
  closed_by text check (closed_by in ('SETTLED', 'RELEASED', 'EXPIRED')),
  primary key (book_id, client_id, client_transaction_id),
  check ((kind = 'CUSTOM') = (direction is null)),
  check ((kind = 'CUSTOM') = (target is null)),
  check ((kind = 'CUSTOM') = (counterparty is null)),
  check ((kind = 'CUSTOM') = (denomination is null)),
  -- What is outstanding is never below zero, and nothing is when it is closed (INV-3).
  check (authorised + adjusted - (settled - over_settled) - released >= 0),
  check (closed_by is null or authorised + adjusted - (settled - over_settled) - released = 0),
  check (kind <> 'MOVEMENT' or closed_by = 'SETTLED')
) with (fillfactor = 80);
create index client_transaction_expiry on ledger.client_transaction (book_id, expires_at)
  where closed_by is null and expires_at is not null;
create index client_transaction_open_target on ledger.client_transaction (book_id, target)
  where closed_by is null and kind = 'AUTHORISATION';
create index client_transaction_open_counterparty on ledger.client_transaction (book_id, counterparty)
  where closed_by is null and kind = 'AUTHORISATION';

alter table ledger.posting_instruction
  drop constraint posting_instruction_book_id_client_id_client_transaction_id_key,
  -- As it was sent, where it says more than most: advice, overrideRestrictions, paymentDevice, relatedClientTransactionId, fx, truesUp, allowOverSettlement, …
  add column terms jsonb,
  -- What it did to its client transaction (CT-9): {authorised, adjusted, settled, overSettled, released, closedBy, isConverted}, amounts as decimal
  -- strings. Absent: a movement, which authorises and settles its amount at once.
  add column effect jsonb,
  add column reverses_batch_id uuid,
  add column reverses_ordinal integer,
  add constraint posting_instruction_reverses check ((reverses_batch_id is null) = (reverses_ordinal is null));
-- CT-9: the instructions of a client transaction. Ids that the ledger made are found by their operation.
create index posting_instruction_by_client_transaction on ledger.posting_instruction (book_id, client_id, client_transaction_id)
  where client_transaction_id not like 'op\_%';
-- T-8: reversed once.
create unique index posting_instruction_reversed_once on ledger.posting_instruction (book_id, reverses_batch_id, reverses_ordinal)
  where reverses_batch_id is not null;

insert into ledger.client_transaction (book_id, client_id, client_transaction_id, kind, direction, target, counterparty, asset,
    denomination, authorised, settled, closed_by)
  select i.book_id, i.client_id, i.client_transaction_id, 'MOVEMENT',
    case i.type when 'INBOUND_HARD_SETTLEMENT' then 'INBOUND' else 'OUTBOUND' end,
    target.account_id, counterparty.account_id, target.asset, target.denomination, target.amount, target.amount, 'SETTLED'
  from ledger.posting_instruction i
  join ledger.posting_instruction_batch k using (book_id, batch_id)
  join ledger.posting target on target.book_id = i.book_id and target.seq = k.seq and target.batch_id = i.batch_id
    and target.ordinal = i.ordinal and target.side = case i.type when 'INBOUND_HARD_SETTLEMENT' then 'CREDIT' else 'DEBIT' end
  join ledger.posting counterparty on counterparty.book_id = i.book_id and counterparty.seq = k.seq
    and counterparty.batch_id = i.batch_id and counterparty.ordinal = i.ordinal and counterparty.side <> target.side
  where i.client_transaction_id not like 'op\_%';

alter table ledger.posting_instruction_batch
  add column origin text not null default 'CLIENT' check (origin in ('CLIENT', 'CONTRACT', 'EXPIRY')),
  -- Of origin CONTRACT: whose hook it came from, and how many batches of products lie between it and a client (HOOK-3).
  add column emitted_by uuid,
  add column cascade_depth smallint,
  -- {acceptedDespite, intermediateNegative, adjustsPeriod}: what was noted and not refused (PI-4, BAL-2, T-2).
  add column remarks jsonb,
  -- The link of the audit chain: SHA-256 over the link before and this record's canonical text (AUD-1). Absent: booked before the chain began.
  add column link bytea check (length(link) = 32),
  -- AUD-4: what a client wrote freely is in the chain as a digest with this salt; erasure drops both.
  add column details_salt bytea,
  add constraint batch_emitter check ((origin = 'CONTRACT') = (emitted_by is not null)),
  add constraint batch_cascade_depth check ((emitted_by is null) = (cascade_depth is null) and cascade_depth between 1 and 8);

-- Every committed change that is no batch: an account opened or closed, a parameter, a flag, a restriction, a product version. It takes its
-- `seq` from the same order and its link in the same chain (INV-4, AUD-1).
create table ledger.resource_change (
  book_id smallint not null references ledger.book,
  seq bigint not null,
  known_at timestamptz not null,
  -- account.opened, account.closed, parameter.changed, …
  kind text not null,
  -- The thing's id at the border (`acct_…`).
  key text not null,
  principal text not null,
  correlation_id text not null,
  -- As it was hashed: canonical JSON without anything personal.
  body text not null,
  link bytea not null check (length(link) = 32),
  primary key (book_id, seq)
);
create index resource_change_by_key on ledger.resource_change (book_id, key, seq);

alter table ledger.head
  add column link bytea not null default decode(repeat('00', 32), 'hex') check (length(link) = 32);

select florin.make_append_only('ledger.resource_change'::regclass);
-- A follow-up changes the state; what it was about never changes, and what is closed stays closed (CT-5).
create function ledger.refuse_client_transaction_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and old.closed_by is null
     and (old.book_id, old.client_id, old.client_transaction_id, old.kind, old.direction, old.target, old.counterparty, old.asset,
          old.denomination, old.expires_at, old.on_expired, old.allow_over_settlement)
       is not distinct from
         (new.book_id, new.client_id, new.client_transaction_id, new.kind, new.direction, new.target, new.counterparty, new.asset,
          new.denomination, new.expires_at, new.on_expired, new.allow_over_settlement) then
    return new;
  end if;
  raise exception 'CT-5: client transaction % of % is closed or fixed: % is refused.', old.client_transaction_id, old.client_id, tg_op
    using errcode = 'FL003';
end $$;
create trigger refuse_change before update or delete on ledger.client_transaction
  for each row execute function ledger.refuse_client_transaction_change();
create trigger refuse_truncate before truncate on ledger.client_transaction
  for each statement execute function florin.refuse_change();

grant select, insert on ledger.resource_change to florin_ledger;
grant select, insert, update on ledger.client_transaction to florin_ledger;
