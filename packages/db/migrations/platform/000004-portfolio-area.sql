-- Safe beside running versions: new roles only.
-- The portfolio area, and the worker of accounts that alone may read institutions' tokens (SECURITY.md): a login of the accounts area that
-- serves people has no right to the columns that hold them.
do $$
declare wanted text;
begin
  perform pg_advisory_xact_lock(hashtext('florin-roles'));
  foreach wanted in array array['florin_portfolio', 'florin_linked_worker'] loop
    if not exists (select from pg_roles where rolname = wanted) then
      execute format('create role %I nologin', wanted);
    end if;
    if not pg_has_role(current_user, wanted, 'member') then
      execute format('grant %I to current_user', wanted);
    end if;
  end loop;
end $$;
