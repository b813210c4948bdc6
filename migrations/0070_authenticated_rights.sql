-- Rows that give rights carry a MAC over what their rights follow from (src/rights.rs), under a key that is derived from the
-- pepper and is not in the database. A row without the right MAC gives nothing.
--
-- A migration has no secret, so `credenza migrate` computes the MACs of rows that are older, once, and says so below.

alter table accounts add column mac bytea;
alter table api_keys add column mac bytea;
alter table oauth_clients add column mac bytea;
alter table oauth_client_secrets add column mac bytea;

-- That rows without a MAC are not older than MACs. The application's role cannot write here (grant_application_role.sql), so it
-- cannot have rows of its own authenticated by taking this back.
create table authenticated_rights (
    at timestamptz not null
);

-- A new installation has no older rows.
insert into authenticated_rights select now() where not exists (select from accounts where id <> 0);

drop function account_status(bigint);
create function account_status(account bigint)
returns table (
    parent_id bigint, is_active boolean, plan text, subaccounts_enabled boolean, allowed_origins text[], mac bytea)
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.account_id', true);
    inside text := set_config('credenza.account_id', account::text, true);
begin
    return query
        select parent_id, is_active, plan, subaccounts_enabled, allowed_origins, mac from accounts
        where id = account and id <> 0;
    inside := set_config('credenza.account_id', outside, true);
end $$;

drop function api_key_by_hash(bytea);
create function api_key_by_hash(wanted bytea)
returns table (
    account_id bigint, id uuid, user_id uuid, user_email text, name text, kind text, hash bytea, scopes text[],
    allowed_ips text[], is_operator boolean, is_rotated boolean, expires_at timestamptz, revoked_at timestamptz, mac bytea)
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.every_account', true);
    inside text := set_config('credenza.every_account', 'on', true);
begin
    return query
        select k.account_id, k.id, k.user_id, u.email, k.name, k.kind, k.hash, k.scopes,
            k.allowed_ips, k.is_operator, k.is_rotated, k.expires_at, k.revoked_at, k.mac
        from api_keys k join users u on u.account_id = k.account_id and u.id = k.user_id
        where k.hash = wanted;
    inside := set_config('credenza.every_account', outside, true);
end $$;

drop function oauth_client_by_client_id(text);
create function oauth_client_by_client_id(wanted text)
returns table (
    account_id bigint, id uuid, user_id uuid, client_id text, user_email text, scopes text[],
    access_token_ttl integer, revoked_at timestamptz, mac bytea, hashes bytea[], expiries timestamptz[], macs bytea[])
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.every_account', true);
    inside text := set_config('credenza.every_account', 'on', true);
begin
    return query
        select c.account_id, c.id, c.user_id, c.client_id, u.email, c.scopes, c.access_token_ttl, c.revoked_at, c.mac,
            coalesce(array_agg(s.hash) filter (where s.hash is not null), '{}'),
            coalesce(array_agg(s.expires_at) filter (where s.hash is not null), '{}'),
            coalesce(array_agg(s.mac) filter (where s.hash is not null), '{}')
        from oauth_clients c
        join users u on u.account_id = c.account_id and u.id = c.user_id
        left join oauth_client_secrets s on s.account_id = c.account_id and s.client = c.id
        where c.client_id = wanted
        group by c.account_id, c.id, u.email;
    inside := set_config('credenza.every_account', outside, true);
end $$;
