-- Joining and writing take turns by a lock of a table of ours, in place of an advisory lock, which every role that may connect
-- could take, and keep. To lock this table in either of the two modes one has to have the right to change it; what a reader may
-- lock it in conflicts with neither.

create table membership ();

-- A row with a longer lease than an instance may have would make every write wait for that long.
delete from instances where lease_ms > 5000;
alter table instances drop constraint instances_lease_range;
alter table instances add constraint instances_lease_range check (lease_ms between 1 and 5000);

create or replace function join_instances(instance uuid, called text, lease bigint) returns void language plpgsql
    -- A caller that gave up must not stand in the way of writes.
    set lock_timeout = '3s' as $$
begin
    perform set_config('synchronous_commit', 'on', true);
    lock table membership in exclusive mode;
    insert into instances (id, name, lease_ms) values (instance, called, lease)
        on conflict (id) do update set name = called, lease_ms = lease, renewals = 0, joined_at = now(), renewed_at = now();
    perform pg_notify('credenza_changes', 'renewed ' || instance || ' 0');
end $$;

create or replace function prepare_commit(change uuid, own_instance uuid, out changed text, out members jsonb)
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
    select coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name, 'lease_ms', lease_ms)), '[]') into members
        from instances where id <> own_instance;
    perform pg_notify('credenza_changes', 'done ' || change);
end $$;

drop function members_lock();
