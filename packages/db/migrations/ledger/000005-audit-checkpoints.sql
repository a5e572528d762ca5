-- Safe beside running versions: a column that may be empty and new objects.
-- The audit chain's checkpoints (AUD-2), and erasure of what clients wrote freely (AUD-4).

-- What the chain holds of the free text of a batch: its salted digest (packages/audit/src/free-text.ts). Stays when the text is erased.
-- Absent: the batch has no free text.
alter table ledger.posting_instruction_batch
  add column details_digest bytea check (length(details_digest) = 32),
  add constraint batch_details_digest check (link is null or details_digest is not null
    or (details is null and proposed is null and details_salt is null));

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

-- AUD-4: what was written freely goes, with the salt; its digest, and with it the chain, stays. For owners of the database: no role of the
-- platform may call it. Says how many batches had something to erase.
create function ledger.erase_free_text(book smallint, batches uuid[]) returns integer
language plpgsql security definer set search_path = ledger, pg_temp as $$
declare erased integer;
begin
  -- In one transaction, under the locks that this takes: nobody else writes these tables while they can be changed.
  alter table ledger.posting_instruction_batch disable trigger refuse_change;
  alter table ledger.posting_instruction disable trigger refuse_change;
  update ledger.posting_instruction set details = null
    where book_id = book and batch_id = any(batches) and details is not null;
  update ledger.posting_instruction_batch
    set details = null, details_salt = null, proposed = case when proposed is not null then 'null'::jsonb end
    where book_id = book and batch_id = any(batches) and details_salt is not null;
  get diagnostics erased = row_count;
  alter table ledger.posting_instruction_batch enable trigger refuse_change;
  alter table ledger.posting_instruction enable trigger refuse_change;
  return erased;
end $$;
revoke execute on function ledger.erase_free_text(smallint, uuid[]) from public;
