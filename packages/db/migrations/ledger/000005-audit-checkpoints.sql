-- Safe beside running versions: a column that may be empty and new objects.
-- The audit chain's checkpoints (AUD-2), and erasure of what clients wrote freely (AUD-4).

-- What the chain holds of the free text of a batch: its salted digest (packages/audit/src/free-text.ts). Stays when the text is erased.
-- Absent: the batch has no free text.
alter table ledger.posting_instruction_batch
  add column details_digest bytea check (length(details_digest) = 32),
  add constraint batch_details_digest check (link is null or details_digest is not null
    or (coalesce(details, 'null') = 'null' and coalesce(proposed, 'null') = 'null' and details_salt is null));

-- A verifier goes from a batch to its operation, so every batch names it, also one that is told by rows of the outbox.
alter table ledger.posting_instruction_batch
  drop constraint batch_tells_its_operation,
  add constraint batch_tells_its_operation check (outbox_position is null or operation_id is not null);

-- The state of the chain and of its Merkle tree after the record `seq`, signed. Also written outside the database, so that a history that was
-- rewritten whole does not fit what is remembered elsewhere.
create table ledger.audit_checkpoint (
  book_id smallint not null references ledger.book,
  -- Of the last record that it covers.
  seq bigint not null,
  -- How many records it covers: the size of the tree. The first of them is `seq - size + 1`.
  size bigint not null check (size between 1 and seq),
  root bytea not null check (length(root) = 32),
  -- As it was signed: a signed note (docs/audit.md).
  note text not null,
  -- The roots of the tree's perfect subtrees, 32 bytes each, the largest first: from here the next checkpoint goes on.
  tree bytea not null check (length(tree) % 32 = 0),
  created_at timestamptz not null default clock_timestamp(),
  primary key (book_id, seq),
  unique (book_id, size)
);
select florin.make_append_only('ledger.audit_checkpoint'::regclass);
grant select, insert on ledger.audit_checkpoint to florin_ledger;

-- AUD-4: the one change that a batch and an instruction know. Free text and salt go, nothing else changes, and nothing comes back.
-- (`proposed` of a rejected batch becomes JSON's null, so that it still is one.)
create function ledger.refuse_change_but_erasure() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE'
     and to_jsonb(new) - array['details', 'details_salt', 'proposed'] = to_jsonb(old) - array['details', 'details_salt', 'proposed']
     and to_jsonb(new) ->> 'details' is null and to_jsonb(new) ->> 'details_salt' is null and to_jsonb(new) ->> 'proposed' is null then
    return new;
  end if;
  raise exception '%.% is append-only: % is refused. Write a new row that corrects the old one.',
    tg_table_schema, tg_table_name, tg_op using errcode = 'FL003';
end $$;
drop trigger refuse_change on ledger.posting_instruction_batch;
drop trigger refuse_change on ledger.posting_instruction;
create trigger refuse_change before update or delete on ledger.posting_instruction_batch
  for each row execute function ledger.refuse_change_but_erasure();
create trigger refuse_change before update or delete on ledger.posting_instruction
  for each row execute function ledger.refuse_change_but_erasure();

-- Erases what was written freely in these batches; the digest, and with it the chain, stays. For owners of the database: the platform's own
-- role may update neither table. Says how many batches had something to erase.
create function ledger.erase_free_text(book smallint, batches uuid[]) returns integer
language plpgsql set search_path = ledger, pg_temp as $$
declare erased integer;
begin
  update ledger.posting_instruction set details = null
    where book_id = book and batch_id = any(batches) and details is not null;
  update ledger.posting_instruction_batch
    set details = null, details_salt = null, proposed = case when proposed is not null then 'null'::jsonb end
    where book_id = book and batch_id = any(batches) and details_salt is not null;
  get diagnostics erased = row_count;
  return erased;
end $$;
revoke execute on function ledger.erase_free_text(smallint, uuid[]) from public;
