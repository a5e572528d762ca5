-- Safe beside running versions: new rows only; both areas seed their accounts from this table after every migration.
-- Where the money of products comes from and goes to (ledger.md §2.9): what is lent, what interest costs and earns, and one side of an exchange.

insert into florin.internal_account_code values
  ('LOAN_DISBURSEMENT', 'Loan disbursement', 'LIABILITY'),
  ('INTEREST_EXPENSE', 'Interest expense', 'ASSET'),
  ('INTEREST_INCOME', 'Interest income', 'LIABILITY'),
  ('POSITION', 'Position', 'ASSET'),
  ('WRITE_OFF', 'Write-off', 'ASSET')
on conflict (code) do nothing;
