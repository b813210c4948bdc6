-- The second wall: a statement of the application that forgets its filter still finds the rows of one tenant alone.
--
-- The tenant is a setting that ends with the transaction (src/postgres/tenant.rs). No setting, no rows. The policies are
-- forced, so that they hold for the owner of the tables as well: a later migration that changes rows says
-- `set local credenza.every_account = 'on'` first. Superusers, and so pg_dump as one, are not affected.

create function current_tenant() returns bigint language sql stable parallel safe
    return nullif(current_setting('credenza.account_id', true), '')::bigint;

-- For the few operations on the whole installation.
create function every_tenant() returns boolean language sql stable parallel safe
    return current_setting('credenza.every_account', true) is not distinct from 'on';

-- What every migration that makes a table of tenants' rows calls for it.
create function protect_tenant_rows(tenant_table regclass) returns void language plpgsql as $$
begin
    execute format('alter table %s enable row level security', tenant_table);
    execute format('alter table %s force row level security', tenant_table);
    -- Without a `with check` of its own, what may be seen is also what may be written.
    execute format('create policy tenant on %s using (account_id = current_tenant() or every_tenant())', tenant_table);
end $$;

select protect_tenant_rows(attrelid)
from pg_attribute join pg_class on pg_class.oid = attrelid
where attname = 'account_id' and relkind in ('r', 'p') and relnamespace = 'public'::regnamespace;

-- A parent makes and keeps the entries of its sub-accounts. What they store stays their own.
alter table accounts enable row level security;
alter table accounts force row level security;
create policy tenant on accounts
    using (id = current_tenant() or parent_id = current_tenant() or every_tenant());

-- All that a sub-account sees of its parent.
create function plan_of_parent() returns text language plpgsql as $$
declare
    outside text := current_setting('credenza.every_account', true);
    inside text := set_config('credenza.every_account', 'on', true);
    answer text;
begin
    answer := (
        select parent.plan from accounts join accounts parent on parent.id = accounts.parent_id
        where accounts.id = current_tenant()
    );
    inside := set_config('credenza.every_account', outside, true);
    return answer;
end $$;
