-- Reads that a request may have to wait for, in one round trip: a function sets the tenant and then reads. Within one
-- plain statement nothing says which of the two happens first; the planner chooses.
--
-- At its end a function puts the setting back, so that the tenant of a transaction around it stays; an error in between
-- takes it back with everything else. (A `set` clause of the function would do both, but only a superuser may write one
-- for a setting of our own.) In plpgsql, whose plans are kept: those of SQL functions are made again at each call.

create function account_status(account bigint)
returns table (parent_id bigint, is_active boolean, plan text, subaccounts_enabled boolean, allowed_origins text[])
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.account_id', true);
    inside text := set_config('credenza.account_id', account::text, true);
begin
    return query
        select parent_id, is_active, plan, subaccounts_enabled, allowed_origins from accounts
        where id = account and id <> 0;
    inside := set_config('credenza.account_id', outside, true);
end $$;

create function account_bundle(account bigint, supplier text)
returns table (
    staging_username bytea, staging_password bytea, production_username bytea, production_password bytea,
    service text, environment text, username text, password bytea)
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.account_id', true);
    inside text := set_config('credenza.account_id', account::text, true);
begin
    return query
        select b.staging_username, b.staging_password, b.production_username, b.production_password,
            s.service, s.environment, s.username, s.password
        from supplier_credentials b
        left join service_credentials s on s.account_id = b.account_id and s.supplier_code = b.supplier_code
        where b.account_id = account and b.supplier_code = supplier;
    inside := set_config('credenza.account_id', outside, true);
end $$;

-- The whole of what an account has configured, or what it has for one supplier.
create function configured_credentials(account bigint, supplier text)
returns table (
    supplier_code text, supplier_name text, has_staging boolean, has_production boolean,
    service text, environment text, username text)
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.account_id', true);
    inside text := set_config('credenza.account_id', account::text, true);
begin
    return query
        select b.supplier_code, d.name,
            b.staging_username is not null and b.staging_password is not null,
            b.production_username is not null and b.production_password is not null,
            s.service, s.environment, s.username
        from supplier_credentials b
        join suppliers d on d.code = b.supplier_code
        left join service_credentials s on s.account_id = b.account_id and s.supplier_code = b.supplier_code
        where b.account_id = account and (supplier is null or b.supplier_code = supplier)
        order by b.supplier_code;
    inside := set_config('credenza.account_id', outside, true);
end $$;

create function data_key(account bigint, wanted integer)
returns table (generation integer, kek_id text, wrapped bytea)
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.account_id', true);
    inside text := set_config('credenza.account_id', account::text, true);
begin
    return query
        select generation, kek_id, wrapped from data_keys where account_id = account and generation = wanted;
    inside := set_config('credenza.account_id', outside, true);
end $$;

create function is_token_revoked(account bigint, token uuid) returns boolean
language plpgsql as $$
declare
    outside text := current_setting('credenza.account_id', true);
    inside text := set_config('credenza.account_id', account::text, true);
    answer boolean;
begin
    answer := exists (select from revoked_tokens where account_id = account and jti = token);
    inside := set_config('credenza.account_id', outside, true);
    return answer;
end $$;

-- Whose key or client it is, or whether an origin is anybody's, is the question itself: these three see every tenant's
-- rows, and answer with the one that was named.

create function api_key_by_hash(wanted bytea)
returns table (
    account_id bigint, id uuid, user_id uuid, user_email text, name text, kind text, hash bytea, scopes text[],
    allowed_ips text[], is_operator boolean, is_rotated boolean, expires_at timestamptz, revoked_at timestamptz)
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.every_account', true);
    inside text := set_config('credenza.every_account', 'on', true);
begin
    return query
        select k.account_id, k.id, k.user_id, u.email, k.name, k.kind, k.hash, k.scopes,
            k.allowed_ips, k.is_operator, k.is_rotated, k.expires_at, k.revoked_at
        from api_keys k join users u on u.account_id = k.account_id and u.id = k.user_id
        where k.hash = wanted;
    inside := set_config('credenza.every_account', outside, true);
end $$;

create function oauth_client_by_client_id(wanted text)
returns table (
    account_id bigint, id uuid, email text, scopes text[], access_token_ttl integer, revoked_at timestamptz,
    hashes bytea[], expiries timestamptz[])
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.every_account', true);
    inside text := set_config('credenza.every_account', 'on', true);
begin
    return query
        select c.account_id, c.id, u.email, c.scopes, c.access_token_ttl, c.revoked_at,
            coalesce(array_agg(s.hash) filter (where s.hash is not null), '{}'),
            coalesce(array_agg(s.expires_at) filter (where s.hash is not null), '{}')
        from oauth_clients c
        join users u on u.account_id = c.account_id and u.id = c.user_id
        left join oauth_client_secrets s on s.account_id = c.account_id and s.client = c.id
        where c.client_id = wanted
        group by c.account_id, c.id, u.email;
    inside := set_config('credenza.every_account', outside, true);
end $$;

create function is_allowed_origin(origin text) returns boolean
language plpgsql as $$
declare
    outside text := current_setting('credenza.every_account', true);
    inside text := set_config('credenza.every_account', 'on', true);
    answer boolean;
begin
    answer := exists (select from accounts where allowed_origins @> array[origin] and is_active);
    inside := set_config('credenza.every_account', outside, true);
    return answer;
end $$;
