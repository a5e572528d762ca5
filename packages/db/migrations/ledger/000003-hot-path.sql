-- Safe beside running versions: keys that other keys imply are dropped, and row-by-row references become one check for each statement.
-- What a transfer costs is what a commit of five hundred costs, divided: every index and every row trigger here is paid 25 000 times a second
-- (performance.md). Nothing is checked less: docs/ledger.md says which check stands in the place of which reference.

-- An operation's id is a hash of (principal, idempotency key) (ADR 5), so its own key already says that both are unique; the auditor's rule I2
-- holds the ids against what they were made of.
alter table ledger.operation
  drop constraint operation_principal_idempotency_key_key,
  drop constraint operation_book_id_fkey,
  drop constraint operation_denomination_fkey;

alter table ledger.posting_instruction
  drop constraint posting_instruction_book_id_batch_id_fkey;

alter table ledger.posting
  drop constraint posting_book_id_account_id_fkey,
  drop constraint posting_book_id_batch_id_ordinal_fkey,
  drop constraint posting_denomination_fkey;

alter table ledger.balance
  drop constraint balance_book_id_account_id_fkey,
  drop constraint balance_denomination_fkey;

-- The last outbox position of what the batch told: `account.posted` of each account in order of first touch, then the operation's end. These
-- events are the rows themselves, read again (packages/db/src/ledger/posted-events.ts): they cannot be missing, late or different.
-- Absent: told by rows of ledger.outbox, before this.
alter table ledger.posting_instruction_batch
  drop constraint posting_instruction_batch_book_id_fkey,
  add column outbox_position bigint,
  add column operation_id uuid;
create unique index posting_instruction_batch_outbox_position on ledger.posting_instruction_batch (book_id, outbox_position)
  where outbox_position is not null;
alter table ledger.posting_instruction_batch
  add constraint batch_tells_its_operation check ((outbox_position is null) = (operation_id is null));

-- Instructions and their postings are written by one statement, so each is checked against what that statement wrote and what was there.
-- LATERAL with a limit: one probe for each row, whatever the planner believes of the tables (a hashed subplan reads them whole).
create or replace function ledger.check_postings() returns trigger language plpgsql as $$
declare broken record;
begin
  select g.batch_id, g.ordinal into broken from (
      select book_id, batch_id, ordinal, sum(case side when 'DEBIT' then amount else -amount end) as net
      from inserted group by book_id, batch_id, ordinal, asset, denomination, phase) g
    left join lateral (
      select true as is_there from ledger.posting_instruction i
      where i.book_id = g.book_id and i.batch_id = g.batch_id and i.ordinal = g.ordinal limit 1) instruction on true
    where g.net <> 0 or instruction.is_there is null
    limit 1;
  if found then
    raise exception 'INV-1: instruction % of batch % does not balance, or is not there', broken.ordinal, broken.batch_id using errcode = 'FL001';
  end if;
  -- The posting before says that the account is there and what it holds; where there is none, the account itself is asked.
  select i.account_id into broken from (
      select book_id, account_id, min(account_seq) as first, max(account_seq) as last, count(*) as n,
        min(denomination) as denomination, max(denomination) as other
      from inserted group by book_id, account_id) i
    left join lateral (
      select p.denomination from ledger.posting p
      where p.book_id = i.book_id and p.account_id = i.account_id and p.account_seq = i.first - 1 limit 1) before on true
    left join lateral (
      select a.denomination from ledger.account a
      where i.first = 1 and a.book_id = i.book_id and a.account_id = i.account_id limit 1) account on true
    where i.denomination <> i.other or i.last - i.first + 1 <> i.n
       or coalesce(before.denomination, account.denomination) is distinct from i.denomination
    limit 1;
  if found then
    raise exception 'INV-4: account_seq of account % would have a gap, or there is no such account of this denomination', broken.account_id
      using errcode = 'FL001';
  end if;
  return null;
end $$;

create function ledger.check_instructions() returns trigger language plpgsql as $$
declare broken record;
begin
  select i.batch_id, i.ordinal into broken from inserted i
    left join lateral (
      select true as is_there from ledger.posting_instruction_batch k
      where k.book_id = i.book_id and k.batch_id = i.batch_id and k.status = 'ACCEPTED' limit 1) batch on true
    where batch.is_there is null
    limit 1;
  if found then
    raise exception 'instruction % belongs to no accepted batch %', broken.ordinal, broken.batch_id using errcode = 'FL001';
  end if;
  return null;
end $$;
create trigger check_instructions after insert on ledger.posting_instruction
  referencing new table as inserted for each statement execute function ledger.check_instructions();

create function ledger.check_new_balances() returns trigger language plpgsql as $$
declare broken record;
begin
  select i.account_id into broken from inserted i
    left join ledger.account a on a.book_id = i.book_id and a.account_id = i.account_id
    where a.account_id is null or a.denomination <> i.denomination
    limit 1;
  if found then
    raise exception 'balance of an account that is not there, or in another denomination: %', broken.account_id using errcode = 'FL001';
  end if;
  return null;
end $$;
create trigger check_new_balances after insert on ledger.balance
  referencing new table as inserted for each statement execute function ledger.check_new_balances();

-- What the writer's one statement calls when the book is not as its memory has it: the whole statement is undone.
-- FL002: another writer has swapped the head. FL004: a row was not as expected.
create function ledger.refuse_commit(state text, reason text) returns boolean language plpgsql as $$
begin
  raise exception '%', reason using errcode = state;
end $$;
