-- A transaction that notifies takes a lock of the whole server until it has reached the disk: writes would be committed one
-- by one, each with a sync of its own. A writer that has everybody hold what it changes before it commits need not notify
-- anybody in its transaction, and says so by a setting; it says the end of the hold after the commit. The triggers go on
-- to announce what anybody else changes, such as an operator with psql or a version before this one.

-- As in 0040, but silent for a writer that holds.
create or replace function announce_change(message text) returns void language plpgsql as $$
declare
    changed text := coalesce(nullif(current_setting('credenza.changed', true), ''), E'\n');
    holds boolean := current_setting('credenza.writer_holds', true) is not distinct from 'on';
begin
    if changed = E'\neverything\n' then
        return;
    end if;
    if not holds then
        perform pg_notify('credenza_changes', message);
    end if;
    if position(E'\n' || message || E'\n' in changed) > 0 then
        return;
    end if;
    if message = 'everything' or octet_length(changed) + octet_length(message) > 6000 then
        if not holds then
            perform pg_notify('credenza_changes', 'everything');
        end if;
        changed := E'\neverything\n';
    else
        changed := changed || message || E'\n';
    end if;
    perform set_config('credenza.changed', changed, true);
end $$;

-- As in 0013, but silent for a writer that holds.
create or replace function prepare_commit(change uuid, own_instance uuid, out changed text, out members jsonb)
    language plpgsql as $$
begin
    changed := coalesce(current_setting('credenza.changed', true), '');
    members := '[]';
    if changed = '' then
        return;
    end if;
    perform pg_advisory_xact_lock_shared(members_lock());
    -- A statement of its own, so it sees who joined before the lock was granted.
    select coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name, 'lease_ms', lease_ms)), '[]') into members
        from instances where id <> own_instance;
    if current_setting('credenza.writer_holds', true) is distinct from 'on' then
        perform pg_notify('credenza_changes', 'done ' || change);
    end if;
end $$;
