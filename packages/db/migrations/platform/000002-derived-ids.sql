-- Safe beside running versions: new functions only.
-- What the code makes of ids, for queries that hold rows of one kind against events of another (packages/db/src/invariants).
-- A test holds them against the code.

-- `formatId` of the kernel: prefix and 26 characters of Crockford base 32.
create function florin.border_id(prefix text, id uuid) returns text language sql immutable parallel safe as $$
  select prefix || '_' || string_agg(
      substr('0123456789abcdefghjkmnpqrstvwxyz', substr(bits, 5 * place + 1, 5)::bit(5)::integer + 1, 1), '' order by place)
  from (select '00' || ('x' || replace(id::text, '-', ''))::bit(128)::text as bits) b, generate_series(0, 25) place
$$;

-- `uuidV8` over SHA-256 of the parts with a zero byte between them: ids of operations and of events that answer a command.
create function florin.derived_id(variadic parts text[]) returns uuid language sql immutable parallel safe as $$
  select encode(set_byte(set_byte(hash, 6, (get_byte(hash, 6) & 15) | 128), 8, (get_byte(hash, 8) & 63) | 128), 'hex')::uuid
  from (select substr(sha256(string_agg(convert_to(part, 'UTF8'), '\x00'::bytea order by place)), 1, 16) as hash
        from unnest(parts) with ordinality p (part, place)) h
$$;
