-- Instances that answer from memory, and what a write asks of them before it commits (docs/CONSISTENCY.md).

-- An instance with a row here may answer from memory. Its right to do so, the lease, ends by itself unless it is renewed;
-- everybody measures that on a monotonic clock of their own, so nothing depends on the wall clock of the database.
create table instances (
    id         uuid not null,
    -- For people: host, address and process.
    name       text not null,
    -- How long a renewal lasts, in milliseconds.
    lease_ms   bigint not null,
    renewals   bigint not null default 0,
    joined_at  timestamptz not null default now(),
    renewed_at timestamptz not null default now(),
    constraint instances_pkey primary key (id),
    constraint instances_name_length check (char_length(name) between 1 and 255),
    constraint instances_lease_range check (lease_ms between 1 and 60000)
) with (fillfactor = 50);

-- Announces a change, and notes it for the transaction's own commit, which has to know whom it concerns. The list stays
-- short enough for a message: a change of very many owners concerns everything.
create function announce_change(message text) returns void language plpgsql as $$
declare
    changed text := coalesce(nullif(current_setting('credenza.changed', true), ''), E'\n');
begin
    perform pg_notify('credenza_changes', message);
    if changed = E'\neverything\n' or position(E'\n' || message || E'\n' in changed) > 0 then
        return;
    end if;
    if message = 'everything' or octet_length(changed) + octet_length(message) > 6000 then
        changed := E'\neverything\n';
    else
        changed := changed || message || E'\n';
    end if;
    perform set_config('credenza.changed', changed, true);
end $$;

-- As in 0008, but noted.
create or replace function announce() returns trigger language plpgsql as $$
declare
    images jsonb[] := case tg_op
        when 'INSERT' then array[to_jsonb(new)]
        when 'DELETE' then array[to_jsonb(old)]
        else array[to_jsonb(old), to_jsonb(new)]
    end;
    image jsonb;
    message text;
begin
    foreach image in array images loop
        message := tg_argv[0];
        for argument in 1 .. tg_nargs - 1 loop
            message := message || ' ' || (image ->> tg_argv[argument]);
        end loop;
        perform announce_change(message);
    end loop;
    return null;
end $$;

create or replace function announce_key() returns trigger language plpgsql as $$
begin
    if tg_op <> 'INSERT' then
        perform announce_change('key ' || left(encode(old.hash, 'hex'), 16));
    end if;
    if tg_op <> 'DELETE' then
        perform announce_change('key ' || left(encode(new.hash, 'hex'), 16));
    end if;
    return null;
end $$;

create or replace function announce_client_secret() returns trigger language plpgsql as $$
declare
    row oauth_client_secrets := case when tg_op = 'DELETE' then old else new end;
begin
    perform announce_change('client ' || c.client_id)
        from oauth_clients c where c.account_id = row.account_id and c.id = row.client;
    return null;
end $$;

-- Who joins and who writes take turns: a write holds this lock, shared, from before it looks who is there until its
-- transaction has ended; who joins takes it alone. So a write either sees an instance or has ended before the instance
-- caches anything.
create function members_lock() returns bigint immutable language sql as $$ select 7310034283826791525 $$;

-- Joins, or joins again. Durable before it returns, also on a connection that does not wait for the disk otherwise: a
-- crash of the database must not forget who may answer from memory.
create function join_instances(instance uuid, called text, lease bigint) returns void language plpgsql
    -- A caller that gave up must not stand in the way of writes.
    set lock_timeout = '3s' as $$
begin
    perform set_config('synchronous_commit', 'on', true);
    perform pg_advisory_xact_lock(members_lock());
    insert into instances (id, name, lease_ms) values (instance, called, lease)
        on conflict (id) do update set name = called, lease_ms = lease, renewals = 0, joined_at = now(), renewed_at = now();
    perform pg_notify('credenza_changes', 'renewed ' || instance || ' 0');
end $$;

-- What a transaction that is about to commit has to know: whom it changed, and who may have that in memory. Its commit
-- says that the hold ends, also to the writer itself, which may never see the answer to its commit.
create function prepare_commit(change uuid, own_instance uuid, out changed text, out members jsonb) language plpgsql as $$
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
    perform pg_notify('credenza_changes', 'done ' || change);
end $$;

-- Renews a lease, and says so behind every change that was announced before. Answers with everybody's renewals, so that
-- instances notice the death of others; without the caller's own row, somebody took it for dead and it has to join again.
create function renew_lease(instance uuid, renewal bigint)
    returns table (id uuid, name text, lease_ms bigint, renewals bigint) language plpgsql as $$
begin
    update instances i set renewals = renewal, renewed_at = now() where i.id = instance;
    if found then
        perform pg_notify('credenza_changes', 'renewed ' || instance || ' ' || renewal);
    end if;
    return query select i.id, i.name, i.lease_ms, i.renewals from instances i;
end $$;

-- Takes away the right to answer from memory: of an instance that leaves, or of one that did not renew since `renewal`
-- for a whole lease. Tells the others, who need not wait for it any more.
create function remove_instance(instance uuid, renewal bigint default null) returns boolean language plpgsql as $$
begin
    delete from instances i where i.id = instance and i.renewals = coalesce(renewal, i.renewals);
    if found then
        perform pg_notify('credenza_changes', 'gone ' || instance);
    end if;
    return found;
end $$;
