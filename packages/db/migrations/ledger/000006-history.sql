-- Safe beside running versions: one index more, functions that only read, and a table of our own.
-- Reads on two clocks (ledger.md §2.7) that cost no scan. What they stand on:
--   value_at ≤ booked_at of every posting (T-2), so all that was booked by V had value by V;
--   within an account, account_seq, seq, booked_at and known_at grow together (ORD-1), and account_seq has no gaps (INV-4).
-- So what counts at (V, K) is a prefix of the account, and the few postings behind it that were booked after V with a value time by V.

-- Those few: the value time is in the index, so the ones that do not count are passed over inside it. Postings that are not backdated
-- cost the writer nothing here.
create index posting_backdated on ledger.posting (book_id, account_id, account_seq, value_at) where value_at < booked_at;

-- The last account_seq that was booked by one time and known by the other, both inclusive; null is "no bound", 0 is "none".
-- A binary search along the primary key: about 17 lookups at 100 000 postings, the newest first. Its plans are made once for each connection,
-- perhaps while the tables are small: they must not scan when these have grown.
create function ledger.account_seq_at(book smallint, account uuid, booked timestamptz, known timestamptz) returns bigint
language plpgsql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  low bigint := 0;
  high bigint;
  middle bigint;
  is_within boolean;
begin
  select p.account_seq into high from ledger.posting p
    where p.book_id = book and p.account_id = account order by p.account_seq desc limit 1;
  if not found then return 0; end if;
  if booked is null and known is null then return high; end if;
  middle := high;
  while low < high loop
    if known is null then
      select p.booked_at <= booked into is_within from ledger.posting p
        where p.book_id = book and p.account_id = account and p.account_seq = middle;
    else
      select (booked is null or p.booked_at <= booked) and k.known_at <= known into is_within
        from ledger.posting p join ledger.posting_instruction_batch k on k.book_id = p.book_id and k.batch_id = p.batch_id
        where p.book_id = book and p.account_id = account and p.account_seq = middle;
    end if;
    if is_within then low := middle; else high := middle - 1; end if;
    middle := (low + high + 1) / 2;
  end loop;
  return low;
end $$;

-- The same for the whole book: the last seq of a batch. Other records take places in between, so it looks for the next batch there is.
create function ledger.batch_seq_at(book smallint, booked timestamptz, known timestamptz) returns bigint
language plpgsql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  low bigint := 0;
  high bigint;
  middle bigint;
  probed record;
begin
  select k.seq into high from ledger.posting_instruction_batch k where k.book_id = book order by k.seq desc limit 1;
  if not found then return 0; end if;
  middle := high;
  while low < high loop
    select k.seq, (booked is null or k.booked_at <= booked) and (known is null or k.known_at <= known) as is_within into probed
      from ledger.posting_instruction_batch k where k.book_id = book and k.seq >= middle order by k.seq limit 1;
    if probed.is_within then low := probed.seq; else high := middle - 1; end if;
    middle := (low + high + 1) / 2;
  end loop;
  return low;
end $$;

-- The chart of accounts: where a code of an internal account, or a product, stands in the tree of the trial balance. A code that is not
-- here stands under ASSETS or LIABILITIES, by its side; a product under CUSTOMER_LOANS or CUSTOMER_DEPOSITS.
create table ledger.chart_node (
  code text primary key,
  parent_code text references ledger.chart_node check (parent_code <> code),
  name text not null
);
insert into ledger.chart_node values
  ('ASSETS', null, 'Assets'),
  ('LIABILITIES', null, 'Liabilities'),
  ('INCOME', null, 'Income'),
  ('CASH', 'ASSETS', 'Cash'),
  ('CASH_IN', 'CASH', 'Cash in'),
  ('CASH_OUT', 'CASH', 'Cash out'),
  ('CUSTOMER_LOANS', 'ASSETS', 'Lent to customers'),
  ('CUSTOMER_DEPOSITS', 'LIABILITIES', 'Held for customers'),
  ('SETTLEMENT', 'LIABILITIES', 'Settlement'),
  ('CARD_SETTLEMENT', 'SETTLEMENT', 'Card settlement'),
  ('SUSPENSE', 'LIABILITIES', 'Suspense'),
  ('FEE_INCOME', 'INCOME', 'Fee income');
grant select, insert on ledger.chart_node to florin_ledger;
