-- Instances authenticate what they say to each other, under a key that is not in the database, on a channel of its own. A role
-- that may only connect could say the same on the old channel, and make everybody let go of everything, or nobody wait for an
-- instance that still has to let go. The functions pass on the whole message, because only its sender can authenticate it.
--
-- Instances of a version before this use the functions of before, which stay, and the old channel, on which triggers announce
-- committed changes. While such an instance is a member, the others say everything there as well, and believe it.

alter table instances add column protocol smallint not null default 1;

create function join_members(instance uuid, called text, lease bigint, message text) returns void language plpgsql
    -- A caller that gave up must not stand in the way of writes.
    set lock_timeout = '3s' as $$
begin
    perform set_config('synchronous_commit', 'on', true);
    lock table membership in exclusive mode;
    insert into instances (id, name, lease_ms, protocol) values (instance, called, lease, 2)
        on conflict (id) do update
            set name = called, lease_ms = lease, renewals = 0, joined_at = now(), renewed_at = now(), protocol = 2;
    perform pg_notify('credenza_members', message);
end $$;

-- Returns the owners that the transaction changed, and the instances that may have them in memory. The commit sends `done`, also
-- to the writer itself, which may never see the answer to its commit.
create function prepare_commit_of(change uuid, own_instance uuid, done text, out changed text, out members jsonb)
    language plpgsql as $$
begin
    changed := coalesce(current_setting('credenza.changed', true), '');
    members := '[]';
    if changed = '' then
        return;
    end if;
    -- Shared by all writes: none waits for another.
    lock table membership in row share mode;
    -- A statement of its own, so it sees the instances that joined before the lock was granted.
    select coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name, 'lease_ms', lease_ms, 'protocol', protocol)), '[]')
        into members from instances where id <> own_instance;
    perform pg_notify('credenza_members', done);
    if members @> '[{"protocol": 1}]' then
        perform pg_notify('credenza_changes', 'done ' || change);
    end if;
end $$;

create function renew_membership(instance uuid, renewal bigint, message text)
    returns table (id uuid, name text, lease_ms bigint, renewals bigint, protocol smallint) language plpgsql as $$
begin
    update instances i set renewals = renewal, renewed_at = now() where i.id = instance;
    if found then
        perform pg_notify('credenza_members', message);
    end if;
    return query select i.id, i.name, i.lease_ms, i.renewals, i.protocol from instances i;
end $$;

create function remove_member(instance uuid, renewal bigint, message text) returns boolean language plpgsql as $$
begin
    delete from instances i where i.id = instance and i.renewals = coalesce(renewal, i.renewals);
    if not found then
        return false;
    end if;
    perform pg_notify('credenza_members', message);
    if exists (select from instances i where i.protocol = 1) then
        perform pg_notify('credenza_changes', 'gone ' || instance);
    end if;
    return true;
end $$;
