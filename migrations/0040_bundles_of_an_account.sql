-- An import changes very many rows of one account. Naming each of its suppliers would soon concern everything, and so every
-- tenant's cache; an import says once that all bundles of its account change, and the triggers of the rows leave it at that.
--
--   bundles <account_id>   the credentials of one account, for every supplier

-- As in 0013, but silent about what is said already: by 'bundles' of the account, or because everything is void.
create or replace function announce() returns trigger language plpgsql as $$
declare
    changed text := coalesce(current_setting('credenza.changed', true), '');
    images jsonb[];
    image jsonb;
    message text;
    before bigint;
    after bigint;
begin
    if changed = E'\neverything\n' then
        return null;
    end if;
    if tg_argv[0] = 'bundle' and position(E'\nbundles ' in changed) > 0 then
        -- In statements of their own: only tables of bundles have the column.
        before := coalesce(old.account_id, new.account_id);
        after := coalesce(new.account_id, old.account_id);
        if before = after and position(E'\nbundles ' || after || E'\n' in changed) > 0 then
            return null;
        end if;
    end if;
    images := case tg_op
        when 'INSERT' then array[to_jsonb(new)]
        when 'DELETE' then array[to_jsonb(old)]
        else array[to_jsonb(old), to_jsonb(new)]
    end;
    foreach image in array images loop
        message := tg_argv[0];
        for argument in 1 .. tg_nargs - 1 loop
            message := message || ' ' || (image ->> tg_argv[argument]);
        end loop;
        perform announce_change(message);
    end loop;
    return null;
end $$;

-- As in 0013, but what has become everything is announced as everything, because the triggers name nobody any more.
create or replace function announce_change(message text) returns void language plpgsql as $$
declare
    changed text := coalesce(nullif(current_setting('credenza.changed', true), ''), E'\n');
begin
    if changed = E'\neverything\n' then
        return;
    end if;
    perform pg_notify('credenza_changes', message);
    if position(E'\n' || message || E'\n' in changed) > 0 then
        return;
    end if;
    if message = 'everything' or octet_length(changed) + octet_length(message) > 6000 then
        perform pg_notify('credenza_changes', 'everything');
        changed := E'\neverything\n';
    else
        changed := changed || message || E'\n';
    end if;
    perform set_config('credenza.changed', changed, true);
end $$;
