-- Confirms the rights of a caller inside the transaction of their write, and keeps them until it ends: whoever revokes them waits
-- for the write, and a write that comes later finds them gone.
--
-- The rows of accounts are what both lock: every revocation of a key, client or token of an account changes or locks its row.
-- An account before its parent, always; every transaction that locks both does so in this order. The row of the acting account
-- and that of the account that is written are locked by one transaction at a time, so that a revocation has its turn among many
-- writes; the audit chain of the account puts its writes in a row anyway. The parent's row is shared.

create function why_rights_ended(
    acting bigint, target bigint, api_key uuid, client uuid, token uuid, needed text[], moment timestamptz)
returns text language plpgsql as $$
declare
    outside text := current_setting('credenza.every_account', true);
    inside text := set_config('credenza.every_account', 'on', true);
    -- What this transaction did itself to a row is its own business: a key may end itself.
    own xid := pg_current_xact_id()::xid;
    answer text;
begin
    perform from accounts where id in (acting, target) order by id desc for no key update;
    perform from accounts where id = (select parent_id from accounts where id = acting) for share;
    -- Statements of their own, so that they see what was committed before the locks were granted.
    if (
        select count(*) from accounts a left join accounts p on p.id = a.parent_id
        where a.id in (acting, target) and a.is_active and coalesce(p.is_active, true)
    ) <> (case when acting = target then 1 else 2 end) then
        answer := 'account';
    elsif acting <> target and not exists (select from accounts where id = target and parent_id = acting) then
        answer := 'link';
    elsif api_key is not null and not exists (
        select from api_keys
        where account_id = acting and id = api_key and (xmin = own or revoked_at is null
            and (expires_at is null or expires_at > moment) and scopes @> needed)
    ) then
        answer := 'key';
    elsif client is not null and not exists (
        select from oauth_clients
        where account_id = acting and id = client and (xmin = own or revoked_at is null and scopes @> needed)
    ) then
        answer := 'client';
    elsif token is not null and exists (select from revoked_tokens where account_id = acting and jti = token) then
        answer := 'token';
    end if;
    inside := set_config('credenza.every_account', outside, true);
    return answer;
end $$;
