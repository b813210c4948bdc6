-- A stored answer knows the family of paths that wrote it and the content type that it was written in. Those of before are
-- of the native family, in JSON.

alter table idempotency_keys
    add column family text not null default 'native',
    add column content_type text not null default 'application/json';

-- As in 0051, with the two new columns. An instance of before finds the columns that it knows by their names.
drop function claim_idempotency_key(bigint, bytea, bigint, timestamptz);
create function claim_idempotency_key(
    account bigint, key bytea, lock bigint, since timestamptz,
    out is_free boolean, out known bytea, out status smallint, out tag text, out body text,
    out family text, out content_type text)
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.account_id', true);
    inside text;
begin
    is_free := pg_try_advisory_xact_lock(lock);
    if not is_free then
        return;
    end if;
    inside := set_config('credenza.account_id', account::text, true);
    -- The outcome will refer to the account, at a moment when the end of its audit chain is locked. Whoever purges it takes
    -- the two the other way round, so this one comes first.
    perform from accounts where id = account for key share;
    select k.fingerprint, k.status, k.tag, k.body, k.family, k.content_type
        into known, status, tag, body, family, content_type from idempotency_keys k
        where k.account_id = account and k.id = key and k.created_at > since;
    inside := set_config('credenza.account_id', outside, true);
end $$;

-- As in 0051. An instance of before leaves out the last two parameters, and answers the native family only.
drop function keep_outcome(bigint, bytea, bytea, smallint, text, text, timestamptz);
create function keep_outcome(
    account bigint, key bytea, fingerprint bytea, status smallint, tag text, body text, now timestamptz,
    family text default 'native', content_type text default 'application/json')
returns void language plpgsql as $$
#variable_conflict use_variable
declare
    outside text := current_setting('credenza.account_id', true);
    inside text := set_config('credenza.account_id', account::text, true);
begin
    insert into idempotency_keys as stored
            (account_id, id, fingerprint, status, tag, body, created_at, family, content_type)
        values (account, key, fingerprint, status, tag, body, now, family, content_type)
        on conflict on constraint idempotency_keys_pkey do update set
            fingerprint = excluded.fingerprint, status = excluded.status, tag = excluded.tag, body = excluded.body,
            created_at = excluded.created_at, family = excluded.family, content_type = excluded.content_type;
    inside := set_config('credenza.account_id', outside, true);
end $$;
