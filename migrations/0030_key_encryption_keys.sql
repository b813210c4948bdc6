-- The operator's key-encryption keys, by name: which of them wrap. No key material and no tenant's rows are here.
--
-- `credenza keys rewrap` closes every key but the first. Nothing is wrapped under a closed key any more, whoever tries:
-- an instance that still has the old order, an older version, a person with psql. That is what makes "0 values need it" a
-- statement about the future, and not only about the moment of the count.

create table key_encryption_keys (
    -- As in data_keys.kek_id.
    id        text not null,
    closed_at timestamptz,
    constraint key_encryption_keys_pkey primary key (id)
);

-- Of every tenant, also where row security is on.
set local credenza.every_account = 'on';
insert into key_encryption_keys (id) select distinct kek_id from data_keys;

-- Whoever wraps holds the key's row until the commit; whoever closes it waits for them, and counts what they wrapped.
create function wrap_under_open_keys() returns trigger language plpgsql as $$
declare
    used text[];
    closed text;
begin
    if tg_op = 'INSERT' then
        used := array(select distinct n.kek_id from changed n);
    else
        -- Other columns of a row under a closed key may change.
        used := array(select distinct n.kek_id from changed n where not exists (
            select from previous p
            where p.account_id = n.account_id and p.generation = n.generation and p.kek_id = n.kek_id));
    end if;
    if used = '{}' then
        return null;
    end if;
    insert into key_encryption_keys (id) select unnest(used) on conflict do nothing;
    perform from key_encryption_keys k where k.id = any (used) order by k.id for share;
    select k.id into closed from key_encryption_keys k where k.id = any (used) and k.closed_at is not null limit 1;
    if found then
        raise exception 'the key-encryption key "%" is closed', closed using
            errcode = 'check_violation', table = 'data_keys', constraint = 'data_keys_kek_open',
            hint = '`credenza keys rewrap` opens the key that stands first.';
    end if;
    return null;
end $$;

create trigger data_keys_insert_under_open_keys after insert on data_keys
    referencing new table as changed for each statement execute function wrap_under_open_keys();
create trigger data_keys_update_under_open_keys after update on data_keys
    referencing old table as previous new table as changed for each statement execute function wrap_under_open_keys();
