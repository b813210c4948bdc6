-- Run by migrate.rs with the role's name and password in two settings of the transaction.
do $$
declare
    application text := current_setting('credenza.role');
    password    text := current_setting('credenza.password');
begin
    if application = current_user then
        return;
    end if;
    if not exists (select from pg_roles where rolname = application) then
        execute format(
            'create role %I login nosuperuser nobypassrls nocreatedb nocreaterole password %L',
            application, nullif(password, ''));
    end if;
    execute format('grant connect on database %I to %I', current_database(), application);
    execute format('grant usage on schema public to %I', application);
    execute format('grant select, insert, update, delete on all tables in schema public to %I', application);
    execute format('grant usage on all sequences in schema public to %I', application);
    execute format('revoke insert, update, delete on _sqlx_migrations from %I', application);
    -- Evidence is only ever added to.
    execute format('revoke update, delete on audit_events from %I', application);
    execute format('revoke delete on audit_heads from %I', application);
    execute format('revoke insert, update, delete on audit_former_writers from %I', application);
end $$;
