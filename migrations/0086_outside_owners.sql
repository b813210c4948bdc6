-- Who owns a key that was made with a token of the outside issuer: its subject and its issuer, which are no user's address. The key
-- hangs on a user of the account all the same.

alter table api_keys add column owner text;

drop function api_key_by_hash(bytea);
create function api_key_by_hash(wanted bytea)
returns table (
    account_id bigint, id uuid, user_id uuid, user_email text, owner text, name text, kind text, hash bytea, scopes text[],
    allowed_ips text[], is_operator boolean, is_rotated boolean, expires_at timestamptz, revoked_at timestamptz, mac bytea)
language plpgsql as $$
#variable_conflict use_column
declare
    outside text := current_setting('credenza.every_account', true);
    inside text := set_config('credenza.every_account', 'on', true);
begin
    return query
        select k.account_id, k.id, k.user_id, coalesce(k.owner, u.email), k.owner, k.name, k.kind, k.hash, k.scopes,
            k.allowed_ips, k.is_operator, k.is_rotated, k.expires_at, k.revoked_at, k.mac
        from api_keys k join users u on u.account_id = k.account_id and u.id = k.user_id
        where k.hash = wanted;
    inside := set_config('credenza.every_account', outside, true);
end $$;
