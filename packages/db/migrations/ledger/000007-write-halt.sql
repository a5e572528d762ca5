-- Safe beside running versions: new objects only. A version that does not know of a halt finds its commits refused while one is open.
-- A book whose numbers are not what they must be takes no more money until a person has looked (docs/invariants.md).

-- Halts and resumes in turn, for ever. The book is halted while its last entry is a HALT.
create table ledger.write_halt (
  book_id smallint not null references ledger.book,
  entry integer not null check (entry > 0),
  action text not null check (action in ('HALT', 'RESUME')),
  -- Of a HALT by the auditor: the rule of docs/invariants.md that was broken, and what was found.
  rule text,
  findings jsonb not null default '[]',
  reason text not null check (btrim(reason) <> ''),
  by text not null check (btrim(by) <> ''),
  at timestamptz not null default clock_timestamp(),
  primary key (book_id, entry),
  check (action = 'HALT' or (rule is null and findings = '[]'))
);

-- Entries take turns, so two that meet cannot both halt, or both resume. The ledger's own processes may halt a book; to lift that is a person's,
-- who connects as the database's owner.
create function ledger.check_write_halt() returns trigger language plpgsql as $$
declare last record;
begin
  select entry, action into last from ledger.write_halt where book_id = new.book_id order by entry desc limit 1;
  if new.entry <> coalesce(last.entry, 0) + 1 or new.action = coalesce(last.action, 'RESUME') then
    raise exception 'writes to book % are at entry % (%): % as entry % is refused. Read it again.',
      new.book_id, coalesce(last.entry, 0), coalesce(last.action, 'never halted'), new.action, new.entry using errcode = 'FL003';
  end if;
  if new.action = 'RESUME' and current_user = 'florin_ledger' then
    raise exception 'a halt is lifted by a person: florin writes resume' using errcode = '42501';
  end if;
  return new;
end $$;
create trigger check_write_halt before insert on ledger.write_halt
  for each row execute function ledger.check_write_halt();
select florin.make_append_only('ledger.write_halt'::regclass);

-- Every record takes its place by moving the head's seq. One probe of the primary key a commit; a writer that has not heard yet is refused here.
create function ledger.refuse_while_halted() returns trigger language plpgsql as $$
declare halt record;
begin
  select action, reason into halt from ledger.write_halt where book_id = new.book_id order by entry desc limit 1;
  if halt.action = 'HALT' then
    raise exception 'writes to book % are halted: %. See: florin writes status', new.book_id, halt.reason using errcode = 'FL005';
  end if;
  return new;
end $$;
create trigger refuse_while_halted before update of seq on ledger.head
  for each row when (new.seq is distinct from old.seq) execute function ledger.refuse_while_halted();

grant select, insert on ledger.write_halt to florin_ledger;
